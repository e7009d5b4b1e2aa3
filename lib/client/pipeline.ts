import type { Connection } from "../transport/connection.ts";
import { decodeControl, decodeError, MESSAGES, type Notice } from "../protocol/codec.ts";
import { COMMANDS } from "../protocol/commands.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { type Frame, FrameKind, frameName } from "../protocol/frames.ts";
import { type Awaited, Heartbeat } from "./heartbeat.ts";
import { PendingRequest, type RequestSender, violation, type Wait } from "./pending_request.ts";
import { SendQueue } from "./send_queue.ts";

/** How long the server may take to say what became of a request that was given up, in ms. */
const TRUTH_TIMEOUT_MS = 2_000;

/** After how many looks without progress a body counts as stalled. */
const STALL_LOOKS = 2;

/** How long the server may take to close its side after `close`, in ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/** The owner of one or more pipelines. */
export interface PipelineOwner {
  /** Told when a pipeline may take what it did not take before. */
  onChange(): void;
  /**
   * Called when the connection has ended, before the requests on it fail.
   *
   * @param isOurs It was ended here, since the server did not answer what was cancelled.
   */
  onEnd(reason: FerryError, isOurs: boolean): void;
  onNotice(notice: Notice): void;
}

/**
 * Requests and their answers on one connection: requests are sent one after the other without waiting for answers,
 * and answers are taken in the same order.
 */
export class Pipeline implements RequestSender {
  readonly #connection: Connection;
  readonly #owner: PipelineOwner;
  readonly #heartbeat: Heartbeat;
  /** Requests that were sent and are not answered, in the order in which they were sent. */
  readonly #pending: PendingRequest[] = [];
  readonly #queue: SendQueue;
  /** Somebody holds up receiving, to use what was received. */
  #isHeld = false;
  /** The answer being received is stalled, or has been. */
  #isSlow = false;
  /** How many frames were received, and what had moved when we last looked. */
  #frames = 0;
  #seen = 0;
  /** In how many looks nothing has moved although the server was not awaited. */
  #quiet = 0;
  /** How many of the answers that are wanted have a body. */
  #answerBodies = 0;
  #isClosing = false;
  #failure: FerryError | undefined;
  readonly #ended = Promise.withResolvers<FerryError>();

  /** @param window How many requests may be unanswered. */
  constructor(connection: Connection, window: number, owner: PipelineOwner) {
    this.#connection = connection;
    this.#owner = owner;
    this.#queue = new SendQueue(connection, this.#pending, window, {
      onChange: () => owner.onChange(),
      fail: (error) => this.fail(error),
    });
    this.#heartbeat = new Heartbeat(
      connection,
      () => this.#awaited(),
      (seconds) => this.fail(new FerryError("Timeout", `the server has not said anything for ${seconds} s`)),
    );
    void this.#receiveAll();
  }

  /** Fulfilled with the reason when the connection has ended. */
  get ended(): Promise<FerryError> {
    return this.#ended.promise;
  }

  /** Whether the connection has ended. */
  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  /** How many requests are not answered. */
  get load(): number {
    return this.#queue.waiting.length + this.#pending.length;
  }

  /** In how many looks in a row nothing has moved although the server was not awaited. */
  get quiet(): number {
    return this.#quiet;
  }

  /** Whether nothing has to wait here for anything that somebody may keep from moving. */
  get isFree(): boolean {
    return !this.#failure && !this.#isClosing && !this.#queue.isHeld && this.#answerBodies === 0;
  }

  accepts(request: PendingRequest): boolean {
    if (!request.isRepeatable || request.wasMoved) return this.isFree;
    return !this.#failure && !this.#isClosing && !this.#queue.isHeld && !this.#isSlow;
  }

  submit(request: PendingRequest): void {
    if (this.#failure) return request.fail(this.#failure);
    request.sender = this;
    if (request.hasAnswerBody) this.#answerBodies++;
    this.#queue.add(request);
  }

  settled(request: PendingRequest): void {
    if (request.hasAnswerBody) this.#answerBodies--;
    // It may be the one that waits to be sent.
    this.#queue.wake();
  }

  giveUp(request: PendingRequest, error: FerryError): void {
    if (!request.isWanted) return;
    if (request.mayBeDone) {
      request.givenUp = true;
      request.deadline = setTimeout(() => this.#giveUpWaiting(request), TRUTH_TIMEOUT_MS);
    } else {
      request.fail(error);
    }
    // A body that is not complete is ended with `error`.
    if (request.sent) this.#cancel(request);
  }

  /** Looks, from time to time, whether anything moves. */
  look(): void {
    const moved = this.#frames + this.#queue.bodyBytes;
    const isQuiet = moved === this.#seen && (this.load === 0 || this.#awaited() === "us");
    this.#seen = moved;
    this.#quiet = isQuiet ? this.#quiet + 1 : 0;
    if (this.#isHeld && this.#quiet >= STALL_LOOKS) this.#isSlow = true;
  }

  /** What waits behind a stalled body, in order; a change never does. */
  behind(): PendingRequest[] {
    if (!this.#isHeld || !this.#isSlow) return [];
    return [...this.#pending.slice(1), ...this.#queue.waiting].filter((each) => each.isWanted && each.isRepeatable);
  }

  /** Takes back what waits behind a body; the server is told that it need not answer. */
  takeBehind(): PendingRequest[] {
    const behind = this.behind();
    for (const request of behind) {
      if (request.hasAnswerBody) this.#answerBodies--;
      request.sender = undefined;
      request.wasMoved = true;
      if (this.#queue.remove(request)) continue;
      const placeholder = request.placeholder();
      this.#pending[this.#pending.indexOf(request)] = placeholder;
      this.#cancel(placeholder);
    }
    return behind;
  }

  /** Closes the connection; every request that is not answered fails with `error`. Only the first call counts. */
  fail(error: FerryError, isOurs = false): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#heartbeat.stop();
    this.#connection.close();
    this.#owner.onEnd(error, isOurs);
    for (const request of [...this.#pending.splice(0), ...this.#queue.waiting.splice(0)]) {
      request.lose(error);
      request.leave();
    }
    this.#queue.stop();
    this.#ended.resolve(error);
  }

  /**
   * Ends the session in order, behind all that was sent.
   *
   * @throws {FerryError} `Disconnected`, also when the server takes more than 2 s.
   */
  async close(): Promise<void> {
    const late = new FerryError("Disconnected", "the server did not close in time");
    const deadline = setTimeout(() => this.fail(late), CLOSE_TIMEOUT_MS);
    try {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      this.submit(new PendingRequest({ command: "close" }, { done: resolve, failed: reject }));
      this.#isClosing = true;
      await promise;
      await this.#connection.end();
      await this.ended;
    } finally {
      clearTimeout(deadline);
      this.#connection.close();
    }
  }

  async #receiveAll(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        if (!frame) throw new FerryError("Disconnected", "the server closed the connection");
        const waiting = this.#dispatch(frame);
        this.#frames++;
        if (!waiting) continue;
        this.#isHeld = true;
        await waiting;
        this.#isHeld = false;
      }
    } catch (error) {
      this.fail(toFerryError(error));
    }
  }

  #dispatch({ kind, payload }: Frame): Wait {
    if (kind === FrameKind.notice) return this.#owner.onNotice(MESSAGES.notice(decodeControl(payload), "notice"));
    if (kind === FrameKind.disconnect) throw decodeError(payload);
    const request = this.#pending[0];
    if (request && kind === FrameKind.error) {
      const error = decodeError(payload);
      this.#answered(request);
      return request.refuse(error);
    }
    if (!request) throw violation(`the server sent ${frameName(kind)} without being asked`);
    if (kind === FrameKind.ok) {
      if (!request.sent) throw violation("the server confirmed a file that it cannot have");
      const value = COMMANDS[request.command].ok(decodeControl(payload), "ok");
      this.#answered(request);
      return request.succeed(value);
    }
    // Nobody waits for it.
    if (!request.settled) return this.#pour(request, kind, payload);
  }

  #pour(request: PendingRequest, kind: FrameKind, payload: Uint8Array): Wait {
    const { handler } = request;
    if (kind === FrameKind.data && handler?.data) return handler.data(payload);
    if (kind === FrameKind.ready && handler?.ready) {
      handler.ready(decodeControl(payload));
      request.isReady = true;
      return;
    }
    if (kind === FrameKind.entries && handler?.entries) {
      return handler.entries(MESSAGES.entries(decodeControl(payload), "entries"));
    }
    if (kind === FrameKind.end && handler?.end) return handler.end(MESSAGES.end(decodeControl(payload), "end").size);
    throw violation(`the server answered ${request.command} with ${frameName(kind)}`);
  }

  /** Takes the request that has now been answered off the list. */
  #answered(request: PendingRequest): void {
    this.#pending.shift();
    request.leave();
    this.#queue.wake();
    if (!this.#isSlow) return;
    this.#isSlow = false;
    this.#owner.onChange();
  }

  #awaited(): Awaited {
    if (this.#isHeld) return "us";
    const first = this.#pending[0];
    if (!first || !this.#connection.reading) return undefined;
    const { body } = first.options;
    const isServersTurn = first.sent || first.settled || this.#connection.midway ||
      body !== undefined && first.handler?.ready !== undefined && !first.isReady;
    // While the body goes on the server has nothing to say.
    return isServersTurn ? "server" : body ? "us" : undefined;
  }

  /** Ends waiting for what became of a request, and then the connection, too, unless somebody needs it. */
  #giveUpWaiting(request: PendingRequest): void {
    request.lose(new FerryError("Cancelled", "cancelled"));
    setTimeout(() => {
      if ([...this.#pending, ...this.#queue.waiting].some(({ isWanted }) => isWanted)) return;
      this.fail(new FerryError("Disconnected", "the server did not answer what was cancelled"), true);
    });
  }

  /** Tells the server that a request is cancelled. */
  #cancel({ number }: PendingRequest): void {
    if (number === 0 || this.#failure) return;
    // When it cannot be sent the connection is lost, and with it what was to be cancelled.
    void this.#connection.send(FrameKind.cancel, { request: number }).catch(() => {});
  }
}
