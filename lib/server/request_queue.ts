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
  /** Aborted when the client gives the request up or goes away. */
  readonly abort: AbortController;
}

/** Queued requests take at most about this much memory; more are not received before some are answered. In bytes. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** How much of the bodies of waiting requests is received and kept, in bytes. */
const MAX_AHEAD_BYTES = 1024 * 1024;

/** What a client has sent and the server has not answered: requests in their order, and the body that is arriving. */
export class RequestQueue {
  readonly #ahead = new ReadAhead(MAX_AHEAD_BYTES);
  /** Notified when there is something new, or room. */
  readonly changed = this.#ahead.changed;
  readonly #maxUnanswered: number;
  readonly #queue: Job[] = [];
  #queuedBytes = 0;
  /** The request that is being answered. */
  #current: Job | undefined;
  /** How many requests have come. */
  #received = 0;
  /** The body that is being received; "ignored" after a request that was not understood. */
  #body: RequestBody | "ignored" | undefined;
  #isClosed = false;

  constructor(maxUnanswered: number) {
    this.#maxUnanswered = maxUnanswered;
  }

  /** Whether there is nothing to answer. */
  get isIdle(): boolean {
    return this.#current === undefined && this.#queue.length === 0;
  }

  /** Whether nothing more is taken. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The body that is being received, if any. */
  get body(): RequestBody | undefined {
    return this.#body instanceof RequestBody ? this.#body : undefined;
  }

  /** Says that every frame that has come was accepted, so that a body that has ended counts as complete. */
  settle(): void {
    this.#ahead.settle();
  }

  /**
   * Takes a frame; resolves when the next one may come.
   *
   * @throws {FerryError} `BadRequest` when the frame is not allowed now, or damaged.
   */
  async accept({ kind, payload }: Frame): Promise<void> {
    const { body } = this;
    this.#ahead.isSettled = false;
    if (kind === FrameKind.request) {
      await this.#enqueue(payload);
    } else if (kind === FrameKind.cancel) {
      this.#cancel(MESSAGES.cancel(decodeControl(payload), "cancel").request);
    } else if (kind === FrameKind.data && this.#body) {
      await body?.deliver(payload);
    } else if (kind === FrameKind.end && this.#body) {
      const { size } = MESSAGES.end(decodeControl(payload), "end");
      body?.end(size);
      this.#body = undefined;
    } else if (kind === FrameKind.error && this.#body) {
      MESSAGES.error(decodeControl(payload), "error");
      body?.fail(new FerryError("Cancelled", "the client gave up"));
      this.#body = undefined;
    } else {
      throw new FerryError("BadRequest", `${frameName(kind)} was not expected here`);
    }
  }

  /** The next request, if there is one; `answered` is to be called after it. */
  take(): Job | undefined {
    const job = this.#queue.shift();
    if (!job) return undefined;
    this.#current = job;
    this.#queuedBytes -= job.size;
    this.changed.notifyAll();
    return job;
  }

  /** Says that the request that was taken has been answered. */
  answered(): void {
    this.#current = undefined;
  }

  /** Gives up everything that is not answered, and takes nothing more. */
  close(error: FerryError): void {
    this.#isClosed = true;
    if (this.#current) giveUp(this.#current, error);
    for (const job of this.#queue.splice(0)) giveUp(job, error);
    this.changed.notifyAll();
  }

  async #enqueue(payload: Uint8Array): Promise<void> {
    if (this.body) throw new FerryError("BadRequest", "a request came before the end of a body");
    const unanswered = this.#queue.length + (this.#current ? 1 : 0);
    if (unanswered >= this.#maxUnanswered) {
      throw new FerryError("BadRequest", `more than ${this.#maxUnanswered} requests are unanswered`);
    }
    this.#received++;
    const request = understand(payload);
    const body = new RequestBody(this.#ahead);
    if (request instanceof FerryError) this.#body = "ignored";
    else this.#body = "body" in COMMANDS[request.command] ? body : undefined;
    this.#queue.push({ size: payload.length, request, body, abort: new AbortController() });
    this.#queuedBytes += payload.length;
    this.changed.notifyAll();
    while (this.#queuedBytes > MAX_QUEUED_BYTES && this.#queue.length > 1 && !this.#isClosed) {
      this.settle();
      await this.changed.next;
      this.#ahead.isSettled = false;
    }
  }

  /** Gives up the `number`-th request; one that waits is still answered in its turn, and nothing is done for it. */
  #cancel(number: number): void {
    if (number < 1 || number > this.#received) throw new FerryError("BadRequest", `there is no request ${number}`);
    const before = this.#received - this.#queue.length;
    const job = number > before ? this.#queue[number - before - 1] : number === before ? this.#current : undefined;
    if (job) giveUp(job, new FerryError("Cancelled", "cancelled by the client"));
  }
}

function understand(payload: Uint8Array): Request | FerryError {
  try {
    return decodeRequest(payload);
  } catch (error) {
    return toFerryError(error);
  }
}

function giveUp({ abort, body }: Job, error: FerryError): void {
  abort.abort(error);
  body.fail(error);
}
