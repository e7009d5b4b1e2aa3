import type { SharedUpload } from "../access/authorized_storage.ts";
import type { ServerEvent } from "../access/events.ts";
import { type Limits, LINGER_MS } from "../access/limits.ts";
import { msSince } from "../access/operation.ts";
import { type Policy, rightsOf, type Role } from "../access/policy.ts";
import type { ServerCredentials } from "../auth/handshake.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { errorMessage } from "../protocol/codec.ts";
import { FrameKind } from "../protocol/frames.ts";
import type { Storage } from "../storage/storage.ts";
import type { Connection } from "../transport/connection.ts";
import { TimeSlice } from "../transport/scheduler.ts";
import type { ConnectionLimiter } from "./connection_limiter.ts";
import { overdue } from "./deadlines.ts";
import { logIn } from "./login.ts";
import { type Job, RequestQueue } from "./request_queue.ts";
import { type Reporter, Responder } from "./responder.ts";

/** So many lines of the operator may wait to be sent to a client. */
const MAX_NOTICES = 64;

/** A client that stands still for so long, in ms, makes room for others before one that works. */
const PAUSED_MS = 60_000;

/** What all sessions of a server share. */
export interface SessionOptions {
  readonly storage: Storage;
  readonly policy: Policy;
  readonly limits: Limits;
  readonly connections: ConnectionLimiter;
  readonly durable: boolean;
  readonly onEvent: (event: ServerEvent) => void;
  /** Uploads that several sessions work on. */
  readonly shared: Map<string, SharedUpload>;
  readonly credentials: ServerCredentials;
  /** What those may do who know each of the secrets. */
  readonly roles: readonly Role[];
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
  readonly #requests: RequestQueue;
  #greeted = false;
  #role: Role | undefined;
  /** Answers requests, as soon as the client is let in. */
  #responder: Responder | undefined;
  /** To be called when the session has ended. */
  #leave: (() => void) | undefined;
  /** Lines for the person at the other end that wait until they can be sent. */
  #notices = 0;
  #shuttingDown = false;
  #reason: string | undefined;
  /** Aborted when it ends. */
  readonly #ended = new AbortController();
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, connection: Connection, options: SessionOptions) {
    this.id = id;
    this.peer = connection.peer;
    this.#connection = connection;
    this.#options = options;
    this.#requests = new RequestQueue(options.limits.requests);
  }

  /** The command that is being answered, if any. */
  get busyWith(): string | undefined {
    return this.#responder?.busyWith;
  }

  /** What the client may do here; undefined before it has shown who it is. */
  get role(): Role | undefined {
    return this.#role;
  }

  /**
   * Serves the client until the connection has ended. Never rejects.
   *
   * @param onGreeted Called when the client has said hello, and shown that it knows a secret where that is needed.
   */
  async run(onGreeted: () => void): Promise<void> {
    const { id, peer } = this;
    this.#options.onEvent({ event: "open", session: id, peer });
    let answering: Promise<void> | undefined;
    try {
      await this.#greet();
      onGreeted();
      answering = this.#answerAll();
      await this.#receiveAll();
      this.#stop("the client went away");
    } catch (error) {
      await this.#giveUp(toFerryError(error), answering);
    }
    this.#connection.close();
    await answering;
    // What was being written gives its buffers back.
    await this.#connection.flush().catch(() => {});
    this.#leave?.();
    clearTimeout(this.#linger);
    const durationMs = msSince(this.#began);
    this.#options.onEvent({ event: "close", session: id, peer, durationMs, reason: this.#reason });
  }

  /**
   * Sends a line to the person at the other end.
   *
   * @returns Whether it was sent, and a message also taken, for which a client may take as long as it likes. No more than
   * a few wait for one; another is not sent.
   */
  async notify(text: string, reason: "message" | "shutdown" = "message"): Promise<boolean> {
    if (!this.#greeted || this.#notices >= MAX_NOTICES) return false;
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
    return this.#greeted && (this.#requests.isIdle || isPaused) ? workedAt : undefined;
  }

  get #closing(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Whether it is the client's turn in the middle of something. */
  get #isMidway(): boolean {
    return this.#connection.midway || this.#requests.body?.isAwaited === true && this.#connection.reading;
  }

  /** When bytes have moved last, on the clock of `performance.now()`. */
  get progressAt(): number {
    return this.#connection.progressAt;
  }

  /** Lets the command under way finish, refuses all others, then ends the session. */
  shutdown(): void {
    this.#shuttingDown = true;
    if (!this.#greeted) this.close("the server is shutting down");
    this.#requests.changed.notifyAll();
  }

  /** Ends the session at once. */
  close(reason: string): void {
    this.#stop(reason);
    this.#connection.close();
  }

  /**
   * Ends the session because the client has come to a limit, and tells it so if that is possible at once.
   *
   * @param lingerMs How long it may take to hear that, in ms.
   */
  refuse(error: FerryError, lingerMs = LINGER_MS): void {
    if (this.#closing) return;
    this.#stop(error.message);
    this.#linger ??= setTimeout(() => this.#connection.close(), lingerMs);
    void this.#tell(error).catch(() => this.#connection.close());
  }

  /** Ends the session when the client takes too long, and shows it that a long answer is on its way. */
  checkDeadlines(now: number): void {
    const { progressAt, workedAt } = this.#connection;
    const midway = this.#isMidway;
    const idle = this.#requests.isIdle;
    const activity = { began: this.#began, greeted: this.#greeted, midway, idle, progressAt, workedAt };
    const reason = overdue(activity, this.#options.limits, now);
    if (reason !== undefined) this.refuse(new FerryError("Timeout", reason));
    else if (!midway) this.#responder?.showAlive(now);
  }

  async #greet(): Promise<void> {
    const { policy, limits, credentials, roles, connections, storage, durable, shared } = this.#options;
    const onFailure = () => this.#onFailedLogin();
    const authenticated = await logIn(this.#connection, credentials, onFailure, this.#ended.signal);
    if (this.#closing) throw new FerryError("Disconnected", "the connection is closed");
    this.#leave = connections.enter(this.#connection.host, this);
    const role = authenticated ? roles[authenticated.index] : "full";
    const rights = role ? rightsOf(role, policy) : [];
    const authority = { rights, owner: authenticated?.owner ?? "", limits, durable, shared };
    this.#role = role;
    this.#responder = new Responder(this.#connection, storage, authority, this.#reporter(role), this.#ended.signal);
    const welcome = { allows: rights, window: limits.requests, proof: authenticated?.proof };
    await this.#connection.send(FrameKind.ok, welcome);
    this.#greeted = true;
  }

  #onFailedLogin(): void {
    const { id: session, peer } = this;
    this.#options.onEvent({ event: "login", session, peer, durationMs: msSince(this.#began), outcome: "Unauthorized" });
  }

  #reporter(role: Role = "full"): Reporter {
    const { id: session, peer } = this;
    const { onEvent } = this.#options;
    return {
      onRecord: (record) => onEvent({ event: "command", session, peer, role, ...record }),
      say: (text) => onEvent({ event: "say", session, peer, text }),
    };
  }

  async #receiveAll(): Promise<void> {
    const onEmpty = () => this.#requests.settle();
    for (;;) {
      const frame = await this.#connection.receive(onEmpty);
      if (!frame) return;
      if (!this.#closing) await this.#requests.accept(frame);
    }
  }

  /** Answers requests in order until the end. Never rejects. */
  async #answerAll(): Promise<void> {
    try {
      const slice = new TimeSlice();
      while (!this.#closing) {
        const job = this.#requests.take();
        if (job) {
          await this.#answer(job);
          // What was sent ahead is not small, however small each of it is.
          if (!this.#requests.isIdle && slice.isOver(Infinity)) await slice.pass();
        } else if (this.#shuttingDown) {
          await this.#endOrderly();
        } else {
          await this.#requests.changed.next;
        }
      }
    } catch (error) {
      this.close(toFerryError(error).message);
    }
  }

  async #answer(job: Job): Promise<void> {
    const refused = this.#shuttingDown ? new FerryError("ShuttingDown", "the server is shutting down") : undefined;
    let isDone: boolean | undefined;
    try {
      isDone = await this.#responder?.answer(job, refused);
    } finally {
      this.#requests.answered();
    }
    if (isDone && !(job.request instanceof FerryError) && job.request.command === "close") await this.#endOrderly();
  }

  /** Says that nothing more will come and gives the client a little time to close its side. */
  async #endOrderly(): Promise<void> {
    this.#stop();
    this.#linger ??= setTimeout(() => this.#connection.close(), LINGER_MS);
    await this.#connection.end();
  }

  /** Tells the client why the connection ends, if that is still possible. */
  async #giveUp(error: FerryError, answering: Promise<void> | undefined): Promise<void> {
    this.#stop(error.message);
    if (error.code === "Disconnected") return;
    // A client that does not read would let it wait for ever.
    this.#linger ??= setTimeout(() => this.#connection.close(), LINGER_MS);
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
    await this.#endOrderly();
  }

  #stop(reason?: string): void {
    if (this.#closing) return;
    this.#ended.abort();
    this.#reason = reason;
    this.#requests.close(new FerryError("Disconnected", "the client went away"));
  }
}
