import { type ErrorCode, FerryError, hasCode, toFerryError } from "../core/errors.ts";
import type { CommandName } from "../protocol/commands.ts";

/** An operation that has ended, for log and audit. */
export interface OperationRecord {
  /** The command of the protocol that does this. */
  readonly command: string;
  /** What it was about; the new name is in `to`. */
  readonly path?: string | undefined;
  /** The new name, for `rename`. */
  readonly to?: string | undefined;
  /** The time that `set` gives it, in ms since 1970. */
  readonly mtimeMs?: number | undefined;
  /** The permission bits that `set` or `mkdir` gives it. */
  readonly mode?: number | undefined;
  /** Bytes of file content that were moved. */
  readonly bytes: number;
  /** How long it took, in ms. */
  readonly durationMs: number;
  /** `ok`, or the code of the error. */
  readonly outcome: "ok" | ErrorCode;
  /** What the system said, for errors that the operator may have to see to. It does not leave the server. */
  readonly detail?: string | undefined;
}

/** What an operation is about. */
export type Subject = Pick<OperationRecord, "path" | "to" | "mtimeMs" | "mode"> & {
  readonly signal?: AbortSignal | undefined;
};

/** Failures that the operator may have to do something about. */
const OPERATORS_CODES: readonly ErrorCode[] = ["Internal", "NoSpace", "Busy", "Refused", "TooLarge"];

function detailOf({ code, cause }: FerryError): string | undefined {
  return OPERATORS_CODES.includes(code) && cause !== undefined ? String(cause) : undefined;
}

/** How long ago a time of `performance.now()` is, in ms, to the microsecond. */
export function msSince(began: number): number {
  return Math.round((performance.now() - began) * 1000) / 1000;
}

/** One operation from its beginning to the record of its end. */
export class Operation {
  /** Bytes of file content that it has moved so far. */
  bytes = 0;
  /** Bytes that it is to move in all, where that is known. */
  total: number | undefined;
  /** Whether it would replace a file, and has no right to. */
  mayNotReplace = false;
  readonly #command: CommandName | "request";
  readonly #subject: Subject;
  readonly #began: number;
  #onEnd: ((record: OperationRecord) => void) | undefined;

  /**
   * @param command What was asked for; `request` when that cannot be understood.
   * @param onEnd Told once, when the operation has ended. Must not throw.
   * @param began On the clock of `performance.now()`, in ms.
   */
  constructor(
    command: CommandName | "request",
    subject: Subject,
    onEnd: (record: OperationRecord) => void,
    began = performance.now(),
  ) {
    this.#command = command;
    this.#subject = subject;
    this.#onEnd = onEnd;
    this.#began = began;
  }

  /** What it is about; undefined when it has ended. */
  get subject(): Subject | undefined {
    return this.#onEnd && this.#subject;
  }

  /** Ends it, well or with what was thrown. Only the first call counts. */
  end(thrown?: unknown): void {
    const onEnd = this.#onEnd;
    if (!onEnd) return;
    this.#onEnd = undefined;
    const { path, to, mtimeMs, mode } = this.#subject;
    const failure = thrown === undefined ? undefined : toFerryError(thrown);
    const outcome = failure?.code ?? "ok";
    const detail = failure && detailOf(failure);
    const durationMs = msSince(this.#began);
    onEnd({ command: this.#command, path, to, mtimeMs, mode, bytes: this.bytes, durationMs, outcome, detail });
  }

  /** Ends it with what was thrown; gives what the session is told of that. */
  fail(thrown: unknown): unknown {
    const isTaken = this.mayNotReplace && hasCode(thrown, "AlreadyExists");
    const words = "it exists already, and you may not replace files here";
    const error = isTaken ? new FerryError("AlreadyExists", words) : thrown;
    this.end(error);
    return error;
  }

  /** Ends it before it was complete: for what was thrown, or else for what its signal says. */
  giveUp(thrown?: unknown): void {
    const { signal } = this.#subject;
    this.end(thrown ?? (signal?.aborted ? signal.reason : new FerryError("Cancelled", "it was not needed any more")));
  }
}
