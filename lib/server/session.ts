import type { Connection } from "../net/connection.ts";
import { Turn } from "../net/turn.ts";
import { type Credentials, greetClient } from "../net/handshake.ts";
import { Bell } from "../protocol/bell.ts";
import { decodeControl, decodeRequest, errorMessage, MESSAGES } from "../protocol/codec.ts";
import { COMMANDS, type Request, verbOf } from "../protocol/commands.ts";
import { cannot, FerryError, toFerryError } from "../protocol/errors.ts";
import { type Frame, FrameKind, frameName } from "../protocol/frames.ts";
import { REQUEST_WINDOW } from "../protocol/limits.ts";
import type { Storage, Upload } from "../storage/storage.ts";
import { Body } from "./body.ts";
import type { ServerEvent } from "./events.ts";
import type { Guard } from "./guard.ts";
import { handle } from "./handlers.ts";
import { HELLO_TIMEOUT_MS, LINGER_MS, STALL_TIMEOUT_MS } from "./limits.ts";

/** What all sessions of a server share. */
export interface SessionOptions {
  readonly storage: Storage;
  readonly readOnly: boolean;
  readonly durable: boolean;
  readonly onEvent: (event: ServerEvent) => void;
  /** Uploads that several sessions work on. */
  readonly shared: Map<string, Upload>;
  /** What clients must know. */
  readonly credentials: Credentials;
  readonly guard: Guard;
}

/** A request that waits for its turn, or the reason why it is refused when its turn comes. */
interface Job {
  readonly request: Request | FerryError;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/**
 * One client. Two loops run side by side: one receives frames, queues requests and hands bodies over; the other
 * answers the requests in order. So a `cancel` is seen while an answer is being sent.
 */
export class Session {
  readonly id: number;
  readonly peer: string;
  readonly since = new Date();
  readonly #began = performance.now();
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #queue: Job[] = [];
  /** The body that is being received; "ignored" after a request that was not understood. */
  #body: Body | "ignored" | undefined;
  /** Aborted by `cancel` and at the end; every request gets the one that was current when it came. */
  #abort = new AbortController();
  /** Wakes the loop that waits: the answering one for a request, the receiving one for room in the queue. */
  readonly #changed = new Bell();
  #greeted = false;
  #busyWith: string | undefined;
  #shuttingDown = false;
  #closing = false;
  #reason: string | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, connection: Connection, options: SessionOptions) {
    this.id = id;
    this.peer = connection.peer;
    this.#connection = connection;
    this.#options = options;
  }

  /** The command that is being answered, if any. */
  get busyWith(): string | undefined {
    return this.#busyWith;
  }

  /** Serves the client until the connection has ended. Never rejects. */
  async run(): Promise<void> {
    const { id, peer } = this;
    this.#options.onEvent({ event: "open", session: id, peer });
    let answering: Promise<void> | undefined;
    try {
      await this.#greet();
      answering = this.#answerAll();
      await this.#receiveAll();
      this.#stop("the client went away");
    } catch (error) {
      await this.#giveUp(toFerryError(error));
    }
    this.#connection.close();
    await answering;
    clearTimeout(this.#linger);
    const durationMs = performance.now() - this.#began;
    this.#options.onEvent({ event: "close", session: id, peer, durationMs, reason: this.#reason });
  }

  /** Sends a line to the person at the other end. */
  async notify(text: string, reason: "message" | "shutdown" = "message"): Promise<void> {
    if (!this.#greeted) return;
    try {
      await this.#connection.send(FrameKind.notice, { text, reason });
    } catch {
      // The client is gone; its own loops notice that too.
    }
  }

  /** Lets the command under way finish, refuses all others, then ends the session. */
  shutdown(): void {
    this.#shuttingDown = true;
    if (!this.#greeted) this.close("the server is shutting down");
    this.#changed.ring();
  }

  /** Ends the session at once. */
  close(reason: string): void {
    this.#stop(reason);
    this.#connection.close();
  }

  /** Closes the connection when the peer stands still in the middle of something. To be called now and then. */
  checkDeadlines(now: number): void {
    const still = now - this.#connection.progressAt;
    // Counted from the beginning: a byte now and then does not make it longer.
    if (!this.#greeted && now - this.#began > HELLO_TIMEOUT_MS) this.close("no hello in time");
    else if (
      (this.#connection.midway || (this.#body instanceof Body && this.#connection.reading)) && still > STALL_TIMEOUT_MS
    ) this.close("stalled");
  }

  async #greet(): Promise<void> {
    const { readOnly, credentials, guard } = this.#options;
    const { host } = this.#connection;
    try {
      const proof = await greetClient(this.#connection, credentials);
      if (proof !== undefined && guard.isBlocked(host)) {
        throw new FerryError("Unauthorized", "the secret is wrong or missing");
      }
      await this.#connection.send(FrameKind.ok, { readOnly, window: REQUEST_WINDOW, proof });
      this.#greeted = true;
    } catch (error) {
      if (toFerryError(error).code === "Unauthorized") await guard.fail(host, this.#abort.signal);
      throw error;
    }
  }

  async #receiveAll(): Promise<void> {
    for (;;) {
      const frame = await this.#connection.receive();
      if (!frame) return;
      if (!this.#closing) await this.#accept(frame);
    }
  }

  async #accept({ kind, payload }: Frame): Promise<void> {
    switch (kind) {
      case FrameKind.request:
        return await this.#enqueue(payload);
      case FrameKind.data:
        if (this.#body instanceof Body) return await this.#body.deliver(payload);
        break;
      case FrameKind.ready:
        if (this.#body instanceof Body) {
          return this.#body.begin(MESSAGES.resume(decodeControl(payload), "ready").offset);
        }
        break;
      case FrameKind.end:
        return this.#endBody(MESSAGES.end(decodeControl(payload), "end").size);
      case FrameKind.error:
        return this.#failBody(new FerryError("Cancelled", "the client gave up"));
      case FrameKind.cancel:
        return this.#cancel();
    }
    if (this.#body !== "ignored") throw new FerryError("BadRequest", `${frameName(kind)} was not expected here`);
  }

  async #enqueue(payload: Uint8Array): Promise<void> {
    if (this.#body instanceof Body) throw new FerryError("BadRequest", "a request came before the end of a body");
    const body = new Body();
    const signal = this.#abort.signal;
    try {
      const request = decodeRequest(payload);
      this.#body = "body" in COMMANDS[request.command] ? body : undefined;
      this.#queue.push({ request, body, signal });
    } catch (error) {
      this.#body = "ignored";
      this.#queue.push({ request: toFerryError(error), body, signal });
    }
    this.#changed.ring();
    while (this.#queue.length >= REQUEST_WINDOW && !this.#closing) await this.#changed.next;
  }

  #endBody(size: number): void {
    if (this.#body instanceof Body) this.#body.end(size);
    else if (this.#body === undefined) throw new FerryError("BadRequest", "end was not expected here");
    this.#body = undefined;
  }

  #failBody(error: FerryError): void {
    if (this.#body instanceof Body) this.#body.fail(error);
    this.#body = undefined;
  }

  #cancel(): void {
    this.#failBody(new FerryError("Cancelled", "cancelled by the client"));
    this.#abort.abort(new FerryError("Cancelled", "cancelled by the client"));
    this.#abort = new AbortController();
  }

  /** Answers requests in order until the end. Never rejects. */
  async #answerAll(): Promise<void> {
    try {
      const turn = new Turn();
      while (!this.#closing) {
        const job = this.#queue.shift();
        if (job) {
          this.#changed.ring();
          await this.#answer(job);
          if (turn.isOver) await turn.pass();
        } else if (this.#shuttingDown) {
          await this.#endOrderly();
        } else {
          await this.#changed.next;
        }
      }
    } catch (error) {
      this.close(toFerryError(error).message);
    }
  }

  async #answer({ request, body, signal }: Job): Promise<void> {
    const began = performance.now();
    const failed = request instanceof FerryError;
    const command = failed ? "request" : request.command;
    const path = !failed && "path" in request ? request.path : undefined;
    let bytes = 0;
    let failure: FerryError | undefined;
    this.#busyWith = command;
    try {
      if (failed) throw request;
      const say = (text: string) => this.#options.onEvent({ event: "say", session: this.id, peer: this.peer, text });
      const moved = (n: number) => bytes += n;
      signal.throwIfAborted();
      if (this.#shuttingDown) throw new FerryError("ShuttingDown", "the server is shutting down");
      const context = { ...this.#options, connection: this.#connection, signal, body, moved, say };
      const ok = await handle(context, request);
      await this.#connection.send(FrameKind.ok, ok);
    } catch (error) {
      failure = cannot(failed ? "understand the request" : verbOf(request.command), path, error);
      if (!this.#closing) await this.#connection.send(FrameKind.error, errorMessage(failure));
    } finally {
      body.discard();
      this.#busyWith = undefined;
      const durationMs = performance.now() - began;
      const outcome = failure?.code ?? "ok";
      const detail = outcome === "Internal" ? String(failure?.cause) : undefined;
      const { id: session, peer } = this;
      this.#options.onEvent({ event: "command", session, peer, command, path, bytes, durationMs, outcome, detail });
    }
    if (command === "close" && !failure) await this.#endOrderly();
  }

  /** Says that nothing more will come and gives the client a little time to close its side. */
  async #endOrderly(): Promise<void> {
    this.#stop();
    this.#linger ??= setTimeout(() => this.#connection.close(), LINGER_MS);
    await this.#connection.end();
  }

  /** Tells the client why the connection ends, if that is still possible. */
  async #giveUp(error: FerryError): Promise<void> {
    this.#stop(error.message);
    if (error.code === "Disconnected") return;
    try {
      await this.#connection.send(FrameKind.error, errorMessage(error));
      await this.#endOrderly();
      await this.#connection.drain();
    } catch {
      // The client is gone.
    }
  }

  #stop(reason?: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reason = reason;
    const error = new FerryError("Disconnected", "the client went away");
    this.#failBody(error);
    for (const job of this.#queue.splice(0)) job.body.discard();
    this.#abort.abort(error);
    this.#changed.ring();
  }
}
