import { setTimeout as delay } from "node:timers/promises";
import type { Authority } from "../access/authorized_storage.ts";
import type { ServerEvent, SessionEvent } from "../access/events.ts";
import { type Limits, LINGER_MS, REFUSAL_DELAY_MS } from "../access/limits.ts";
import { msSince, type Operation } from "../access/operation.ts";
import { type Policy, rightsOf, type Role } from "../access/policy.ts";
import { type Authenticated, greetClient, type ServerCredentials } from "../auth/handshake.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { errorMessage } from "../protocol/codec.ts";
import { FrameKind } from "../protocol/frames.ts";
import type { Storage } from "../storage/storage.ts";
import type { Connection } from "../transport/connection.ts";
import type { ConnectionLimiter } from "./connection_limiter.ts";
import { overdue } from "./deadlines.ts";
import { tellFailedLogin } from "./failed_login.ts";
import { RequestQueue } from "./request_queue.ts";
import { Responder } from "./responder.ts";

/** How many lines from the operator may wait for a client. */
const MAX_NOTICES = 64;

/** A client that stalls for this long, in ms, makes room for others before one that works. */
const PAUSED_MS = 60_000;

/** What all sessions of a server share. */
export interface SessionOptions extends Pick<Authority, "durable" | "shared"> {
  readonly storage: Storage;
  readonly policy: Policy;
  readonly limits: Limits;
  readonly connections: ConnectionLimiter;
  readonly onEvent: (event: ServerEvent) => void;
  readonly credentials: ServerCredentials;
  /** What each secret allows. */
  readonly roles: readonly Role[];
}

/** One client. One loop receives frames, another answers requests, so that a `cancel` is seen while an answer is sent. */
export class Session {
  readonly id: number;
  readonly peer: string;
  readonly since = new Date();
  /** Which session an event is about. */
  readonly #name: SessionEvent;
  readonly #began = performance.now();
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #requests: RequestQueue;
  #role: Role | undefined;
  /** Present as soon as the client is let in. */
  #responder: Responder | undefined;
  #leave = () => {};
  #rate = 0;
  /** How many bytes had moved, and when, when the rate was last measured. */
  #measured = { bytes: 0, at: this.#began };
  /** Lines for the person at the other end that wait until they can be sent. */
  #notices = 0;
  #reason: string | undefined;
  /** Why its client is turned away. */
  #refusal: FerryError | undefined;
  /** Aborted when it ends. */
  readonly #ended = new AbortController();
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, connection: Connection, options: SessionOptions) {
    this.id = id;
    this.peer = connection.peer;
    this.#name = { session: id, peer: this.peer };
    this.#connection = connection;
    this.#options = options;
    this.#requests = new RequestQueue(options.limits.requests);
  }

  /** The command that is being answered, if any. */
  get busyWith(): string | undefined {
    return this.#responder?.busyWith;
  }

  /** What is being done for that command, if it has come to it. */
  get operation(): Operation | undefined {
    return this.#responder?.operation;
  }

  /** Bytes that moved in the last second or so, in both directions, per second. */
  get bytesPerSecond(): number {
    return this.#rate;
  }

  /** What the client may do here; undefined before it has shown who it is. */
  get role(): Role | undefined {
    return this.#role;
  }

  /** When bytes have moved last, on the clock of `performance.now()`. */
  get progressAt(): number {
    return this.#connection.progressAt;
  }

  /** Serves the client until the connection has ended. Never rejects. @param onGreeted Called when it has been let in. */
  async run(onGreeted: () => void): Promise<void> {
    const { onEvent } = this.#options;
    onEvent({ event: "open", ...this.#name });
    let answering: Promise<void> | undefined;
    try {
      const responder = await this.#greet();
      onGreeted();
      answering = this.#answerAll(responder);
      await this.#receiveAll();
      this.#stop("the client went away");
    } catch (error) {
      await this.#giveUp(toFerryError(error), answering);
    }
    this.#connection.close();
    await answering;
    // What was being written gives its buffers back.
    await this.#connection.flush().catch(() => {});
    this.#leave();
    clearTimeout(this.#linger);
    onEvent({ event: "close", ...this.#name, durationMs: msSince(this.#began), reason: this.#reason });
  }

  /**
   * Sends a line to the person at the other end, unless too many wait already.
   *
   * @returns Whether it was sent, and a message also taken, for which a client may take as long as it likes.
   */
  async notify(text: string, reason: "message" | "shutdown" = "message"): Promise<boolean> {
    if (!this.#responder || this.#notices >= MAX_NOTICES) return false;
    this.#notices++;
    try {
      await this.#connection.send(FrameKind.notice, { text, reason });
      if (reason === "message") await this.#connection.flush();
      return true;
    } catch {
      // The client is gone; its own loops notice that too.
      return false;
    } finally {
      this.#notices--;
    }
  }

  /**
   * Since when the client has asked for nothing, or has stood still in the middle of something for a minute and more, on
   * the clock of `performance.now()`; undefined while it is served.
   */
  idleSince(now: number): number | undefined {
    const { workedAt } = this.#connection;
    const isPaused = this.#isMidway && now - workedAt > PAUSED_MS;
    return this.#responder && (this.#requests.isIdle || isPaused) ? workedAt : undefined;
  }

  /** Whether it is the client's turn in the middle of something. */
  get #isMidway(): boolean {
    return this.#connection.midway || this.#requests.body?.isAwaited === true && this.#connection.reading;
  }

  /** Lets the command under way finish, refuses all others, then ends the session. */
  shutdown(): void {
    if (this.#responder) this.#responder.shutdown();
    else this.close("the server is shutting down");
  }

  /** Ends the session at once. */
  close(reason: string): void {
    this.#stop(reason);
    this.#connection.close();
  }

  /** Ends the session because of a limit, and gives the client this many ms to hear that. */
  refuse(error: FerryError, lingerMs = LINGER_MS): void {
    if (this.#requests.isClosed) return;
    this.#refusal = error;
    this.#stop(error.message);
    this.#closeIn(lingerMs);
    void this.#tell(error).catch(() => this.#connection.close());
  }

  /** Ends the session when the client takes too long, and shows it that a long answer is on its way. */
  checkDeadlines(now: number): void {
    const { progressAt, workedAt, bytes } = this.#connection;
    this.#rate = Math.max(0, (bytes - this.#measured.bytes) / (now - this.#measured.at) * 1000);
    this.#measured = { bytes, at: now };
    const midway = this.#isMidway;
    const greeted = this.#responder !== undefined;
    const activity = { began: this.#began, greeted, midway, idle: this.#requests.isIdle, progressAt, workedAt };
    const reason = overdue(activity, this.#options.limits, now);
    if (reason !== undefined) this.refuse(new FerryError("Timeout", reason));
    else if (!midway) this.#responder?.showAlive(now);
  }

  async #greet(): Promise<Responder> {
    const { policy, limits, roles, connections, storage, durable, shared, onEvent } = this.#options;
    const authenticated = await this.#logIn();
    if (this.#requests.isClosed) throw new FerryError("Disconnected", "the connection is closed");
    this.#leave = connections.enter(this.#connection.host, this);
    const role = authenticated ? roles[authenticated.index] : "full";
    const rights = role ? rightsOf(role, policy) : [];
    this.#role = role;
    const { proof, owner = "" } = authenticated ?? {};
    await this.#connection.send(FrameKind.ok, { allows: rights, window: limits.requests, proof });
    const onOperation: Authority["onOperation"] = (record) =>
      onEvent({ event: "command", session: this.id, peer: this.peer, role: role ?? "full", ...record });
    const authority = { rights, owner, limits, durable, shared, onOperation };
    const say = (text: string) => onEvent({ event: "say", ...this.#name, text });
    return this.#responder = new Responder(this.#connection, this.#requests, storage, authority, say);
  }

  /** Greets the client, and has it show that it knows a secret where that is needed. */
  async #logIn(): Promise<Authenticated | undefined> {
    try {
      return await greetClient(this.#connection, this.#options.credentials);
    } catch (error) {
      const failure = toFerryError(error);
      // When the server has ended it, it knows why.
      const isEnded = failure.code === "Disconnected" && this.#requests.isClosed;
      const reason = isEnded ? this.#refusal : failure;
      if (reason) tellFailedLogin(this.#options, this.#name, this.#began, reason);
      if (failure.code === "Unauthorized") {
        // It hears of that only later, and stays among the logins that wait, of which there is a limited number.
        await delay(REFUSAL_DELAY_MS, undefined, { signal: this.#ended.signal }).catch(() => {});
      }
      throw error;
    }
  }

  async #receiveAll(): Promise<void> {
    const onEmpty = () => this.#requests.settle();
    for (;;) {
      const frame = await this.#connection.receive(onEmpty);
      if (!frame) return;
      if (!this.#requests.isClosed) await this.#requests.accept(frame);
    }
  }

  /** Answers requests until the end. Never rejects. */
  async #answerAll(responder: Responder): Promise<void> {
    try {
      if (!await responder.run()) return;
      // The client has a little time to close its side.
      this.#stop();
      this.#closeIn(LINGER_MS);
      await this.#connection.end();
    } catch (error) {
      this.close(toFerryError(error).message);
    }
  }

  /** Tells the client why the connection ends, if that is still possible. */
  async #giveUp(error: FerryError, answering: Promise<void> | undefined): Promise<void> {
    this.#stop(error.message);
    if (error.code === "Disconnected") return;
    // A client that does not read would let it wait for ever.
    this.#closeIn(LINGER_MS);
    try {
      // The answer under way goes first, so that a client hears of what was done.
      await answering;
      await this.#tell(error);
      await this.#connection.drain();
    } catch {
      // The client is gone.
    }
  }

  async #tell(error: FerryError): Promise<void> {
    await this.#connection.send(FrameKind.disconnect, errorMessage(error));
    await this.#connection.end();
  }

  /** Closes the connection after this many ms, unless it will close already. */
  #closeIn(ms: number): void {
    this.#linger ??= setTimeout(() => this.#connection.close(), ms);
  }

  #stop(reason?: string): void {
    if (this.#requests.isClosed) return;
    this.#ended.abort();
    this.#reason = reason;
    this.#requests.close(new FerryError("Disconnected", "the client went away"));
  }
}
