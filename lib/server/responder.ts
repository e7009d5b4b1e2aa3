import { type Authority, AuthorizedStorage } from "../access/authorized_storage.ts";
import { Operation, type OperationRecord, type Subject } from "../access/operation.ts";
import { cannot, FerryError } from "../core/errors.ts";
import { errorMessage } from "../protocol/codec.ts";
import { verbOf } from "../protocol/commands.ts";
import { ALIVE_INTERVAL_MS } from "../protocol/constants.ts";
import { FrameKind } from "../protocol/frames.ts";
import type { Storage } from "../storage/storage.ts";
import type { Connection } from "../transport/connection.ts";
import { TimeSlice } from "../transport/scheduler.ts";
import { handle } from "./handlers.ts";
import type { Job, RequestQueue } from "./request_queue.ts";

/** Answers the requests of one session, one after the other. */
export class Responder {
  readonly #connection: Connection;
  readonly #requests: RequestQueue;
  readonly #storage: AuthorizedStorage;
  readonly #onRecord: (record: OperationRecord) => void;
  readonly #say: (text: string) => void;
  /** Whether there is a record of the request under way. */
  #isRecorded = false;
  #busyWith: string | undefined;
  /** When the answer under way was begun, or the client last shown that we are at work on it. */
  #shownAt = 0;
  #isShuttingDown = false;

  /** @param authority What the session may do, and who is told of every request that was answered. */
  constructor(
    connection: Connection,
    requests: RequestQueue,
    place: Storage,
    authority: Authority,
    say: (text: string) => void,
  ) {
    this.#connection = connection;
    this.#requests = requests;
    this.#onRecord = authority.onOperation;
    this.#say = say;
    const onOperation = (record: OperationRecord) => {
      this.#isRecorded = true;
      this.#onRecord(record);
    };
    this.#storage = new AuthorizedStorage(place, { ...authority, onOperation });
  }

  /** The command that is being answered, if any. */
  get busyWith(): string | undefined {
    return this.#busyWith;
  }

  /** What is being done for that command, if it has come to it. */
  get operation(): Operation | undefined {
    return this.#storage.current;
  }

  /**
   * Answers until the client has ended the session, `shutdown` was called or the queue is closed.
   *
   * @returns Whether nothing more may be said to the client.
   * @throws {FerryError}
   */
  async run(): Promise<boolean> {
    const slice = new TimeSlice();
    while (!this.#requests.isClosed) {
      const job = this.#requests.take();
      if (job) {
        if (await this.#answer(job)) return true;
        // What was sent ahead is not small, however small each of it is.
        if (!this.#requests.isIdle && slice.isOver(Infinity)) await slice.pass();
      } else if (this.#isShuttingDown) {
        return true;
      } else {
        await this.#requests.changed.next;
      }
    }
    return false;
  }

  /** Lets the command under way finish, and refuses all others. */
  shutdown(): void {
    this.#isShuttingDown = true;
    this.#requests.changed.notifyAll();
  }

  /** Shows the client now and then that a long answer is on its way. */
  showAlive(now: number): void {
    if (this.#busyWith === undefined || now - this.#shownAt < ALIVE_INTERVAL_MS) return;
    this.#shownAt = now;
    // Sending the answer will fail, too.
    this.#connection.send(FrameKind.alive).catch(() => {});
  }

  /** Answers one request, and records it once. @returns Whether it has ended the session. */
  async #answer({ request, body, abort: { signal } }: Job): Promise<boolean> {
    const isBroken = request instanceof FerryError;
    const command = isBroken ? "request" : request.command;
    const { path, to }: Subject = isBroken || !("path" in request) ? {} : request;
    const began = performance.now();
    this.#isRecorded = false;
    this.#busyWith = command;
    this.#shownAt = began;
    let failure: FerryError | undefined;
    try {
      if (isBroken) throw request;
      signal.throwIfAborted();
      if (this.#isShuttingDown) throw new FerryError("ShuttingDown", "the server is shutting down");
      const context = { storage: this.#storage, connection: this.#connection, signal, body, say: this.#say };
      await this.#connection.send(FrameKind.ok, await handle(context, request) ?? {});
    } catch (error) {
      failure = cannot(isBroken ? "understand the request" : verbOf(request.command), path, error);
      if (!this.#requests.isClosed) await this.#connection.send(FrameKind.error, errorMessage(failure));
    } finally {
      body.discard();
      this.#requests.answered();
      this.#busyWith = undefined;
      // The storage has recorded what came to it.
      if (!this.#isRecorded) new Operation(command, { path, to }, this.#onRecord, began).end(failure);
    }
    return command === "close" && failure === undefined;
  }
}
