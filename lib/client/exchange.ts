import type { Connection } from "../net/connection.ts";
import { Bell } from "../protocol/bell.ts";
import { decodeControl, decodeError, MESSAGES, type Messages } from "../protocol/codec.ts";
import { type CommandName, okCheck, type OkOf, type RequestOf, verbOf } from "../protocol/commands.ts";
import { cannot, FerryError, toFerryError } from "../protocol/errors.ts";
import { type Frame, FrameKind, frameName } from "../protocol/frames.ts";
import { AbortWatch } from "./abort.ts";

type Wait = Promise<void> | void;

/** Takes what comes before the `ok` of one request. A promise holds up receiving until it is fulfilled. */
export interface Sink {
  ready?(value: unknown): Wait;
  entries?(entries: Messages["entries"]): Wait;
  data?(bytes: Uint8Array): Wait;
  end?(size: number): Wait;
}

/** The request that a body belongs to. */
export interface Sending {
  /** The answer is there already, or nobody wants it any more: the rest of the body is not needed. */
  readonly settled: boolean;
  /** Fulfilled when `settled` becomes true. */
  readonly settling: Promise<void>;
}

/** Sends the data frames of a body and gives its size in bytes. */
export type BodySender = (connection: Connection, request: Sending) => Promise<number>;

/** How to make a request. */
export interface Exchanging {
  readonly sink?: Sink;
  /** Sends the body. Whatever it throws is what the request fails with. */
  readonly body?: BodySender;
  readonly signal?: AbortSignal | undefined;
}

/** A request that was sent and not answered in full. */
class Pending implements Sending {
  readonly command: CommandName;
  readonly path: string | undefined;
  readonly answer = Promise.withResolvers<unknown>();
  readonly sink: Sink;
  settled = false;
  /** The end of the body was not sent yet, so there cannot be an `ok`. */
  sending = false;
  /** Nobody waits for the answer any more; what still comes of it is ignored. */
  abandoned = false;

  constructor(request: RequestOf<CommandName>, sink: Sink) {
    this.command = request.command;
    this.path = "path" in request && typeof request.path === "string" ? request.path : undefined;
    this.sink = sink;
  }

  get settling(): Promise<void> {
    return this.answer.promise.then(() => {}, () => {});
  }

  resolve(value: unknown): void {
    this.settled = true;
    this.answer.resolve(value);
  }

  reject(error: FerryError): void {
    this.settled = true;
    this.answer.reject(error);
  }

  abandon(error: FerryError): void {
    this.abandoned = true;
    this.reject(error);
  }
}

/**
 * Requests and their answers on one connection: requests are sent one after the other without waiting for answers,
 * and answers are taken in the same order.
 */
export class Exchange {
  readonly #connection: Connection;
  readonly #window: number;
  readonly #onNotice: (notice: Messages["notice"]) => void;
  readonly #pending: Pending[] = [];
  readonly #aborts = new AbortWatch<Pending>((each) => this.#abandon(each, new FerryError("Cancelled", "cancelled")));
  /** The turn of the last one who asked to send. */
  #lastTurn: Promise<void> = Promise.resolve();
  /** How many have the turn or wait for it. */
  #turns = 0;
  /** Rings when the list of pending requests has become longer or shorter. */
  readonly #changed = new Bell();
  #failure: FerryError | undefined;
  /** Fulfilled with the reason when the connection has ended. */
  readonly ended: Promise<FerryError>;

  constructor(connection: Connection, window: number, onNotice: (notice: Messages["notice"]) => void) {
    this.#connection = connection;
    this.#window = window;
    this.#onNotice = onNotice;
    this.ended = this.#receiveAll();
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
    const pending = new Pending(request, sink);
    this.#aborts.add(signal, pending);
    try {
      // Not awaited: sending may stand still when nobody wants the answer any more.
      void this.#submit(pending, request, body).catch((error) => this.#abandon(pending, toFerryError(error)));
      return await pending.answer.promise as OkOf<N>;
    } catch (error) {
      throw cannot(verbOf(request.command), pending.path, error);
    } finally {
      this.#aborts.remove(signal, pending);
    }
  }

  /** Whether a request waits behind the one that is being answered now. */
  get crowded(): boolean {
    return this.#pending.length > 1;
  }

  /** Whether the connection has ended. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Fulfilled when a request is made or answered next, or the connection ends. */
  get changed(): Promise<void> {
    return this.#changed.next;
  }

  /** Sends a request and its body when it is its turn; nothing when it has been given up by then. */
  async #submit(pending: Pending, request: RequestOf<CommandName>, body: BodySender | undefined): Promise<void> {
    const yieldTurn = await this.#turn(pending);
    try {
      while (this.#pending.length >= this.#window && !this.#failure && !pending.settled) await this.#changed.next;
      if (this.#failure) throw this.#failure;
      if (pending.settled) return;
      pending.sending = body !== undefined;
      this.#pending.push(pending);
      this.#changed.ring();
      await this.#sendRequest(pending, request);
      if (body) await this.#sendBody(pending, body);
    } finally {
      yieldTurn();
    }
  }

  /** Waits for the turn to send, or until `pending` is given up. */
  async #turn(pending?: Pending): Promise<() => void> {
    const before = this.#lastTurn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastTurn = promise;
    this.#turns++;
    const yieldTurn = () => {
      this.#turns--;
      resolve();
    };
    if (this.#turns === 1) return yieldTurn;
    await (pending ? Promise.race([before, pending.settling]) : before);
    return () => void before.then(yieldTurn);
  }

  async #sendRequest(pending: Pending, request: RequestOf<CommandName>): Promise<void> {
    try {
      await this.#connection.send(FrameKind.request, request);
    } catch (error) {
      // It was not sent, so it will not be answered.
      const at = this.#pending.indexOf(pending);
      if (at !== -1) this.#pending.splice(at, 1);
      this.#changed.ring();
      throw error;
    }
  }

  async #sendBody(pending: Pending, body: BodySender): Promise<void> {
    try {
      const size = await body(this.#connection, pending);
      if (!pending.settled) {
        await this.#connection.send(FrameKind.end, { size });
        pending.sending = false;
        return;
      }
    } catch (error) {
      this.#abandon(pending, toFerryError(error));
    }
    await this.#connection.send(FrameKind.error, { code: "Cancelled", message: "the client gave up" });
  }

  async #receiveAll(): Promise<FerryError> {
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        if (!frame) throw new FerryError("Disconnected", "the server closed the connection");
        const waiting = this.#dispatch(frame);
        if (waiting) await waiting;
      }
    } catch (error) {
      return this.fail(toFerryError(error));
    }
  }

  #dispatch({ kind, payload }: Frame): Wait {
    if (kind === FrameKind.notice) return this.#onNotice(MESSAGES.notice(decodeControl(payload), "notice"));
    if (kind === FrameKind.disconnect) throw decodeError(payload);
    const pending = this.#pending[0];
    if (pending && kind === FrameKind.error) {
      const error = decodeError(payload);
      return this.#next().reject(error);
    }
    if (!pending) throw new FerryError("BadRequest", `the server sent ${frameName(kind)} without being asked`);
    if (kind === FrameKind.ok) {
      if (pending.sending) throw new FerryError("BadRequest", "the server confirmed a file that it cannot have");
      const value = okCheck(pending.command)(decodeControl(payload), "ok");
      return this.#next().resolve(value);
    }
    if (pending.abandoned) return;
    try {
      const waiting = this.#pour(pending, kind, payload);
      return waiting?.catch((error) => this.#abandon(pending, toFerryError(error)));
    } catch (error) {
      if (error instanceof ProtocolViolation) throw error;
      this.#abandon(pending, toFerryError(error));
    }
  }

  #pour({ sink, command }: Pending, kind: FrameKind, payload: Uint8Array): Wait {
    if (kind === FrameKind.data && sink.data) return sink.data(payload);
    if (kind === FrameKind.ready && sink.ready) return sink.ready(decodeControl(payload));
    if (kind === FrameKind.entries && sink.entries) {
      return sink.entries(MESSAGES.entries(decodeControl(payload), "entries"));
    }
    if (kind === FrameKind.end && sink.end) return sink.end(MESSAGES.end(decodeControl(payload), "end").size);
    throw new ProtocolViolation("BadRequest", `the server answered ${command} with ${frameName(kind)}`);
  }

  /** Takes the request that has now been answered off the list. */
  #next(): Pending {
    const pending = this.#pending.shift();
    if (!pending) throw new TypeError("no request is pending");
    this.#changed.ring();
    return pending;
  }

  /** Stops waiting for an answer, and tells the server when nobody waits for any other either. */
  #abandon(pending: Pending, error: FerryError): void {
    if (pending.settled) return;
    pending.abandon(error);
    this.#changed.ring();
    void this.#cancel();
  }

  async #cancel(): Promise<void> {
    const yieldTurn = await this.#turn();
    try {
      const wanted = this.#pending.some((each) => !each.abandoned);
      if (this.#pending.length > 0 && !wanted) await this.#connection.send(FrameKind.cancel);
    } catch {
      // The connection is lost, and with it what was to be cancelled.
    } finally {
      yieldTurn();
    }
  }

  /** Closes the connection; every request that is not answered fails with `error`. */
  fail(error: FerryError): FerryError {
    this.#failure ??= error;
    this.#connection.close();
    for (const pending of this.#pending.splice(0)) {
      if (!pending.settled) pending.reject(error);
    }
    this.#changed.ring();
    return error;
  }
}

/** The server sent something that the protocol does not allow; nothing it says after that can be trusted. */
class ProtocolViolation extends FerryError {}
