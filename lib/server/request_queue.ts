import { Condition } from "../core/condition.ts";
import { decodeControl, decodeRequest, MESSAGES } from "../protocol/codec.ts";
import { COMMANDS, type Request } from "../protocol/commands.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { type Frame, FrameKind, frameName } from "../protocol/frames.ts";
import { ReadAhead, RequestBody } from "./request_body.ts";

/** A request that waits for its turn, or the reason why it is refused when its turn comes. */
export interface Job {
  /** The size of the request's payload, in bytes. */
  readonly size: number;
  readonly request: Request | FerryError;
  readonly body: RequestBody;
  /** Aborted when the client cancels or goes away. */
  readonly signal: AbortSignal;
}

/** Queued requests take at most about this much memory; more are not received before some are answered. In bytes. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** Of the bodies of requests that wait, so much is received and kept. In bytes. */
const MAX_AHEAD_BYTES = 1024 * 1024;

/** What a client has sent and the server has not answered: requests in their order, and the body that is arriving. */
export class RequestQueue {
  /** Rings when there is something new, or room. */
  readonly changed = new Condition();
  readonly #maxUnanswered: number;
  readonly #queue: Job[] = [];
  #queuedBytes = 0;
  readonly #ahead = new ReadAhead(MAX_AHEAD_BYTES);
  #isAnswering = false;
  /** The body that is being received; "ignored" after a request that was not understood. */
  #body: RequestBody | "ignored" | undefined;
  /** Aborted by `cancel` and at the end; every request gets the one that was current when it came. */
  #abort = new AbortController();
  #isClosed = false;

  /** @param maxUnanswered How many requests there may be that are not answered. */
  constructor(maxUnanswered: number) {
    this.#maxUnanswered = maxUnanswered;
  }

  /** Whether there is nothing to answer. */
  get isIdle(): boolean {
    return !this.#isAnswering && this.#queue.length === 0;
  }

  /** The body that is being received, if any. */
  get body(): RequestBody | undefined {
    return this.#body instanceof RequestBody ? this.#body : undefined;
  }

  /** Aborted when the client cancels or goes away. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Takes a frame; resolves when the next one may come.
   *
   * @throws {FerryError} `BadRequest` when the frame is not allowed now, or damaged.
   */
  async accept({ kind, payload }: Frame): Promise<void> {
    const { body } = this;
    switch (kind) {
      case FrameKind.request:
        return await this.#enqueue(payload);
      case FrameKind.data:
        if (body) return await body.deliver(payload);
        if (this.#body === "ignored") return;
        break;
      case FrameKind.end:
        return this.#endBody(MESSAGES.end(decodeControl(payload), "end").size);
      case FrameKind.error:
        if (this.#body === undefined) break;
        MESSAGES.error(decodeControl(payload), "error");
        return this.#failBody(new FerryError("Cancelled", "the client gave up"));
      case FrameKind.cancel:
        if (payload.length > 0) break;
        return this.#cancel();
    }
    throw new FerryError("BadRequest", `${frameName(kind)} was not expected here`);
  }

  /** The next request, if there is one; `answered` is to be called after it. */
  take(): Job | undefined {
    const job = this.#queue.shift();
    if (!job) return undefined;
    this.#isAnswering = true;
    this.#queuedBytes -= job.size;
    this.changed.notifyAll();
    return job;
  }

  /** Says that the request that was taken has been answered. */
  answered(): void {
    this.#isAnswering = false;
  }

  /** Gives up everything that is not answered, and takes nothing more. */
  close(error: FerryError): void {
    this.#isClosed = true;
    this.#failBody(error);
    for (const job of this.#queue.splice(0)) job.body.discard();
    this.#abort.abort(error);
    this.changed.notifyAll();
  }

  async #enqueue(payload: Uint8Array): Promise<void> {
    if (this.body) throw new FerryError("BadRequest", "a request came before the end of a body");
    const unanswered = this.#queue.length + (this.#isAnswering ? 1 : 0);
    if (unanswered >= this.#maxUnanswered) {
      throw new FerryError("BadRequest", `more than ${this.#maxUnanswered} requests are unanswered`);
    }
    const { signal } = this.#abort;
    const job = { size: payload.length, body: new RequestBody(this.#ahead, signal), signal };
    try {
      const request = decodeRequest(payload);
      this.#body = "body" in COMMANDS[request.command] ? job.body : undefined;
      this.#queue.push({ ...job, request });
    } catch (error) {
      this.#body = "ignored";
      this.#queue.push({ ...job, request: toFerryError(error) });
    }
    this.#queuedBytes += job.size;
    this.changed.notifyAll();
    while (this.#queuedBytes > MAX_QUEUED_BYTES && this.#queue.length > 1 && !this.#isClosed) await this.changed.next;
  }

  #endBody(size: number): void {
    if (this.#body === undefined) throw new FerryError("BadRequest", "end was not expected here");
    this.body?.end(size);
    this.#body = undefined;
  }

  #failBody(error: FerryError): void {
    this.body?.fail(error);
    this.#body = undefined;
  }

  #cancel(): void {
    const error = new FerryError("Cancelled", "cancelled by the client");
    this.#failBody(error);
    this.#abort.abort(error);
    this.#abort = new AbortController();
  }
}
