import { type ErrorCode, FerryError, toFerryError } from "../core/errors.ts";
import type { CommandName } from "../protocol/commands.ts";

/** What an operation is about. */
export interface Subject {
  readonly path?: string | undefined;
  /** The new name, for `rename`. */
  readonly to?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An operation that has ended, for log and audit. */
export interface OperationRecord {
  /** The command of the protocol that asks for it, whoever has asked. */
  readonly command: string;
  /** What it was about; the new name is in `to`. */
  readonly path?: string | undefined;
  /** The new name, for `rename`. */
  readonly to?: string | undefined;
  /** Bytes of file content that were moved. */
  readonly bytes: number;
  /** How long it took, in ms. */
  readonly durationMs: number;
  /** `ok`, or the code of the error. */
  readonly outcome: "ok" | ErrorCode;
  /** What the system said, for errors that the operator may have to see to. It does not leave the server. */
  readonly detail?: string | undefined;
}

/** Failures that the operator may have to do something about. */
const OPERATORS_CODES: readonly ErrorCode[] = ["Internal", "NoSpace", "Busy", "Refused", "TooLarge"];

/** What the system said about a failure, where the operator may have to know. */
function detailOf({ code, cause }: FerryError): string | undefined {
  return OPERATORS_CODES.includes(code) && cause !== undefined ? String(cause) : undefined;
}

/** How long ago a time of `performance.now()` is, in ms, to the microsecond. */
export function msSince(began: number): number {
  return Math.round((performance.now() - began) * 1000) / 1000;
}

/**
 * The record of something that has ended.
 *
 * @param command What was asked for; `request` when that cannot be understood.
 * @param began When it began, on the clock of `performance.now()`.
 * @param thrown Why it failed, if it did.
 */
export function recordOf(
  command: CommandName | "request",
  { path, to }: Subject,
  bytes: number,
  began: number,
  thrown: unknown,
): OperationRecord {
  const failure = thrown === undefined ? undefined : toFerryError(thrown);
  const outcome = failure?.code ?? "ok";
  return { command, path, to, bytes, durationMs: msSince(began), outcome, detail: failure && detailOf(failure) };
}

/** One operation from its beginning to the record of its end. */
export class Operation {
  /** Bytes of file content that it has moved so far. */
  bytes = 0;
  readonly #command: CommandName;
  readonly #subject: Subject;
  readonly #onEnd: (record: OperationRecord) => void;
  readonly #began = performance.now();
  #hasEnded = false;

  /** @param onEnd Told once, when the operation has ended. Must not throw. */
  constructor(command: CommandName, subject: Subject, onEnd: (record: OperationRecord) => void) {
    this.#command = command;
    this.#subject = subject;
    this.#onEnd = onEnd;
  }

  /** Ends it, well or with what was thrown. Only the first call counts. */
  end(thrown?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd(recordOf(this.#command, this.#subject, this.bytes, this.#began, thrown));
  }

  /** Ends it before it was complete: for what was thrown, or else for what its signal says. */
  giveUp(thrown?: unknown): void {
    const { signal } = this.#subject;
    this.end(thrown ?? (signal?.aborted ? signal.reason : new FerryError("Cancelled", "it was not needed any more")));
  }
}
