import type { Connection } from "../transport/connection.ts";
import { Condition } from "../core/condition.ts";
import { decodeControl, decodeError, MESSAGES, type Messages } from "../protocol/codec.ts";
import { type CommandName, okCheck, type OkOf, type RequestOf, verbOf } from "../protocol/commands.ts";
import { cannot, FerryError, toFerryError } from "../core/errors.ts";
import { type Frame, FrameKind, frameName } from "../protocol/frames.ts";
import { AbortWatch } from "./abort.ts";
import { type Awaited, Heartbeat } from "./heartbeat.ts";
import { type BodySender, type Exchanging, PendingRequest, ProtocolViolation, type Wait } from "./exchange_request.ts";
import { SendQueue } from "./send_queue.ts";

/** How long the server may take to say what became of a request that was given up, in ms. */
const TRUTH_TIMEOUT_MS = 2_000;

/**
 * Requests and their answers on one connection: requests are sent one after the other without waiting for answers,
 * and answers are taken in the same order.
 */
export class Exchange {
  readonly #connection: Connection;
  readonly #window: number;
  readonly #onNotice: (notice: Messages["notice"]) => void;
  /** How many requests were made and are not settled, and how many of them were given up. */
  #open = 0;
  #givenUp = 0;
  /** How many requests were sent. */
  #sent = 0;
  /** Requests that were sent and are not answered, in the order in which they were sent. */
  readonly #pending: PendingRequest[] = [];
  readonly #aborts = new AbortWatch<PendingRequest>((each) => this.#giveUp(each));
  readonly #heartbeat: Heartbeat;
  /** Whether a sink holds up receiving. */
  #isHeldUp = false;
  readonly #queue = new SendQueue();
  /** Commands that are under way; each may make several requests. */
  #commands = 0;
  #isClosing = false;
  #failure: FerryError | undefined;
  readonly #ended = Promise.withResolvers<FerryError>();
  /** Rings when a request is made or answered, when a command ends, and when the pipeline closes or fails. */
  readonly changed = new Condition();

  constructor(connection: Connection, window: number, onNotice: (notice: Messages["notice"]) => void) {
    this.#connection = connection;
    this.#window = window;
    this.#onNotice = onNotice;
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
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether somebody waits for what comes behind the answer that is being received now. */
  get crowded(): boolean {
    return this.#open > 1 || this.#isClosing;
  }

  /**
   * Runs a command that makes several requests; `finish` waits for its end.
   *
   * @throws {FerryError} What it throws; `Disconnected` after `finish`.
   */
  async command<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw closed();
    this.#commands++;
    try {
      return await run();
    } finally {
      this.#commands--;
      this.changed.notifyAll();
    }
  }

  /** Runs a command that is one request, otherwise like `command`. */
  ask<N extends CommandName>(
    request: RequestOf<N> & RequestOf<CommandName>,
    exchanging?: Exchanging,
  ): Promise<OkOf<N>> {
    return this.#isClosing ? Promise.reject(closed()) : this.request<N>(request, exchanging);
  }

  /** Takes no more commands, and waits until all have ended or the connection has. */
  async finish(): Promise<void> {
    this.#isClosing = true;
    this.changed.notifyAll();
    while (this.#commands + this.#open > 0 && !this.#failure) await this.changed.next;
  }

  /**
   * Sends a request and gives the fields of its `ok`.
   *
   * @throws {FerryError} What the server answered; what the body or the sink threw; `Cancelled`; `Disconnected`.
   */
  async request<N extends CommandName>(
    request: RequestOf<N> & RequestOf<CommandName>,
    { sink = {}, body, signal }: Exchanging = {},
  ): Promise<OkOf<N>> {
    const pending = new PendingRequest(request, sink);
    this.#open++;
    this.changed.notifyAll();
    this.#aborts.add(signal, pending);
    try {
      // Not awaited: sending may stand still when nobody wants the answer any more.
      void this.#submit(pending, request, body).catch((error) => this.#abandon(pending, toFerryError(error)));
      return await pending.answer.promise as OkOf<N>;
    } catch (error) {
      throw cannot(verbOf(request.command), pending.path, error);
    } finally {
      this.#aborts.remove(signal, pending);
      this.#open--;
      if (pending.givenUp) this.#givenUp--;
      clearTimeout(pending.deadline);
      this.changed.notifyAll();
    }
  }

  /** Closes the connection; every request that is not answered fails with `error`. Only the first call counts. */
  fail(error: FerryError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#heartbeat.stop();
    this.#connection.close();
    for (const pending of this.#pending.splice(0)) {
      if (!pending.settled) pending.lose(error);
    }
    this.changed.notifyAll();
    this.#ended.resolve(error);
  }

  /** Sends a request and its body when it is its turn; nothing when it has been given up by then. */
  async #submit(pending: PendingRequest, request: RequestOf<CommandName>, body: BodySender | undefined): Promise<void> {
    const leave = await this.#queue.enter(pending);
    try {
      while (this.#pending.length >= this.#window && !this.#failure && !pending.settled) await this.changed.next;
      if (this.#failure) throw this.#failure;
      if (pending.settled) return;
      pending.sent = body === undefined;
      pending.number = ++this.#sent;
      this.#pending.push(pending);
      await this.#sendRequest(pending, request);
      if (body) await this.#sendBody(pending, body);
    } finally {
      leave();
    }
  }

  async #sendRequest(pending: PendingRequest, request: RequestOf<CommandName>): Promise<void> {
    try {
      await this.#connection.send(FrameKind.request, request);
    } catch (error) {
      // It was not sent, so it will not be answered.
      const at = this.#pending.indexOf(pending);
      if (at !== -1) this.#pending.splice(at, 1);
      pending.sent = false;
      this.#sent--;
      this.changed.notifyAll();
      throw error;
    }
  }

  async #sendBody(pending: PendingRequest, body: BodySender): Promise<void> {
    try {
      const size = await body(this.#connection, pending);
      if (!pending.settled) {
        pending.sent = true;
        return await this.#connection.send(FrameKind.end, { size });
      }
    } catch (error) {
      this.#abandon(pending, toFerryError(error));
    }
    await this.#connection.send(FrameKind.error, { code: "Cancelled", message: "the client gave up" });
  }

  async #receiveAll(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        if (!frame) throw new FerryError("Disconnected", "the server closed the connection");
        const waiting = this.#dispatch(frame);
        if (!waiting) continue;
        this.#isHeldUp = true;
        await waiting;
        this.#isHeldUp = false;
      }
    } catch (error) {
      this.fail(toFerryError(error));
    }
  }

  #dispatch({ kind, payload }: Frame): Wait {
    if (kind === FrameKind.notice) return this.#onNotice(MESSAGES.notice(decodeControl(payload), "notice"));
    if (kind === FrameKind.disconnect) throw decodeError(payload);
    const pending = this.#pending[0];
    if (pending && kind === FrameKind.error) {
      const error = decodeError(payload);
      return this.#next().refuse(error);
    }
    if (!pending) throw new FerryError("BadRequest", `the server sent ${frameName(kind)} without being asked`);
    if (kind === FrameKind.ok) {
      if (!pending.sent) throw new FerryError("BadRequest", "the server confirmed a file that it cannot have");
      const value = okCheck(pending.command)(decodeControl(payload), "ok");
      return this.#next().resolve(value);
    }
    // Nobody waits for it any more.
    if (pending.settled) return;
    try {
      const waiting = this.#pour(pending, kind, payload);
      return waiting?.catch((error) => this.#abandon(pending, toFerryError(error)));
    } catch (error) {
      if (error instanceof ProtocolViolation) throw error;
      this.#abandon(pending, toFerryError(error));
    }
  }

  #pour(pending: PendingRequest, kind: FrameKind, payload: Uint8Array): Wait {
    const { sink, command } = pending;
    if (kind === FrameKind.data && sink.data) return sink.data(payload);
    if (kind === FrameKind.ready && sink.ready) {
      pending.isReady = true;
      return sink.ready(decodeControl(payload));
    }
    if (kind === FrameKind.entries && sink.entries) {
      return sink.entries(MESSAGES.entries(decodeControl(payload), "entries"));
    }
    if (kind === FrameKind.end && sink.end) return sink.end(MESSAGES.end(decodeControl(payload), "end").size);
    throw new ProtocolViolation("BadRequest", `the server answered ${command} with ${frameName(kind)}`);
  }

  /** Takes the request that has now been answered off the list. */
  #next(): PendingRequest {
    const pending = this.#pending.shift();
    if (!pending) throw new TypeError("no request is pending");
    this.changed.notifyAll();
    return pending;
  }

  #awaited(): Awaited {
    const first = this.#pending[0];
    if (this.#isHeldUp) return "us";
    if (!first || !this.#connection.reading) return undefined;
    // While we have to go on with a body the server has nothing to say.
    const isServersTurn = first.sent || first.settled || (first.sink.ready && !first.isReady) ||
      this.#connection.midway;
    return isServersTurn ? "server" : undefined;
  }

  /** Gives a request up for whoever made it: at once, unless it may be done; then the server is asked for the truth. */
  #giveUp(pending: PendingRequest): void {
    if (!pending.isWanted) return;
    if (!pending.mayBeDone) return this.#abandon(pending, new FerryError("Cancelled", "cancelled"));
    pending.givenUp = true;
    this.#givenUp++;
    pending.deadline = setTimeout(() => this.#giveUpWaiting(pending), TRUTH_TIMEOUT_MS);
    void this.#cancel(pending);
  }

  /** Ends waiting for what became of a request, and then the connection, too, unless somebody needs it. */
  #giveUpWaiting(pending: PendingRequest): void {
    pending.lose(new FerryError("Cancelled", "cancelled"));
    setTimeout(() => {
      if (this.#open === this.#givenUp) {
        this.fail(new FerryError("Disconnected", "the server did not answer what was cancelled"));
      }
    });
  }

  /** Stops waiting for an answer, and tells the server. */
  #abandon(pending: PendingRequest, error: FerryError): void {
    if (pending.settled) return;
    pending.lose(error);
    this.changed.notifyAll();
    void this.#cancel(pending);
  }

  /** Tells the server that nobody waits for the answer to a request, if it has it and may not have answered yet. */
  async #cancel(pending: PendingRequest): Promise<void> {
    const leave = await this.#queue.enter();
    try {
      if (!this.#pending.includes(pending)) return;
      await this.#connection.send(FrameKind.cancel, { request: pending.number });
    } catch {
      // The connection is lost, and with it what was to be cancelled.
    } finally {
      leave();
    }
  }
}

function closed(): FerryError {
  return new FerryError("Disconnected", "the connection was closed");
}
