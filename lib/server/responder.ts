import { type Authority, AuthorizedStorage } from "../access/authorized_storage.ts";
import { type OperationRecord, recordOf } from "../access/operation.ts";
import { cannot, FerryError } from "../core/errors.ts";
import { errorMessage } from "../protocol/codec.ts";
import { verbOf } from "../protocol/commands.ts";
import { ALIVE_INTERVAL_MS } from "../protocol/constants.ts";
import { FrameKind } from "../protocol/frames.ts";
import type { Storage } from "../storage/storage.ts";
import type { Connection } from "../transport/connection.ts";
import { handle } from "./handlers.ts";
import type { Job } from "./request_queue.ts";

/** What a session tells of its requests. */
export interface Reporter {
  /** Takes the record of a request that was answered. */
  onRecord(record: OperationRecord): void;
  /** Shows a line to the operator. */
  say(text: string): void;
}

/** Answers the requests of one session, one after the other. */
export class Responder {
  readonly #connection: Connection;
  readonly #storage: AuthorizedStorage;
  readonly #reporter: Reporter;
  /** Aborted when the session ends. */
  readonly #ended: AbortSignal;
  /** Whether there is a record of the request under way. */
  #isRecorded = false;
  #busyWith: string | undefined;
  /** When the answer under way was begun, or the client last shown that we are at work on it. */
  #shownAt = 0;

  /**
   * @param place What is served.
   * @param authority What the session may do.
   * @param ended Aborted when the session ends: then nothing more is said.
   */
  constructor(
    connection: Connection,
    place: Storage,
    authority: Omit<Authority, "onOperation">,
    reporter: Reporter,
    ended: AbortSignal,
  ) {
    this.#connection = connection;
    this.#storage = new AuthorizedStorage(place, { ...authority, onOperation: (record) => this.#record(record) });
    this.#reporter = reporter;
    this.#ended = ended;
  }

  /** The command that is being answered, if any. */
  get busyWith(): string | undefined {
    return this.#busyWith;
  }

  /**
   * Answers one request, and records it once.
   *
   * @param refused Why none is carried out any more, if so.
   * @returns Whether it was done.
   * @throws {FerryError} `Disconnected`.
   */
  async answer({ request, body, abort: { signal } }: Job, refused?: FerryError): Promise<boolean> {
    const isBroken = request instanceof FerryError;
    const path = !isBroken && "path" in request ? request.path : undefined;
    const to = !isBroken && "to" in request ? request.to : undefined;
    const command = isBroken ? "request" : request.command;
    const began = performance.now();
    this.#isRecorded = false;
    this.#busyWith = command;
    this.#shownAt = began;
    let failure: FerryError | undefined;
    try {
      if (isBroken) throw request;
      signal.throwIfAborted();
      if (refused) throw refused;
      const { say } = this.#reporter;
      const ok = await handle({ storage: this.#storage, connection: this.#connection, signal, body, say }, request);
      await this.#connection.send(FrameKind.ok, ok);
    } catch (error) {
      failure = cannot(isBroken ? "understand the request" : verbOf(request.command), path, error);
      if (!this.#ended.aborted) await this.#connection.send(FrameKind.error, errorMessage(failure));
    } finally {
      body.discard();
      this.#busyWith = undefined;
      // The storage has recorded what came to it.
      if (!this.#isRecorded) this.#reporter.onRecord(recordOf(command, { path, to }, 0, began, failure));
    }
    return failure === undefined;
  }

  /** Shows the client now and then that a long answer is on its way. */
  showAlive(now: number): void {
    if (this.#busyWith === undefined || now - this.#shownAt < ALIVE_INTERVAL_MS) return;
    this.#shownAt = now;
    // A failure shows to whoever sends the answer.
    this.#connection.sendAlive().catch(() => {});
  }

  #record(record: OperationRecord): void {
    this.#isRecorded = true;
    this.#reporter.onRecord(record);
  }
}
