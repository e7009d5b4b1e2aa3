import { FerryError, toFerryError } from "../core/errors.ts";
import type { Notice, Welcome } from "../protocol/codec.ts";
import type { CommandName, OkOf, Request, RequestOf } from "../protocol/commands.ts";
import { unlessAborted } from "../core/unless_aborted.ts";
import { AbortWatch } from "./abort_watch.ts";
import { closeSoon } from "./close_soon.ts";
import { type OpenConnection, openConnection, type ServerOptions } from "./connect.ts";
import { PendingRequest } from "./pending_request.ts";
import { Pipeline } from "./pipeline.ts";
import { UnansweredChanges } from "./unanswered_changes.ts";

/** How often a pool looks whether its connections move, in ms. */
const LOOK_MS = 1_000;

/** In how many looks nothing must have moved before a request that waits is given up. */
const STUCK_LOOKS = 60;

/** In how many looks a further connection must have done nothing to be closed. */
const IDLE_LOOKS = 30;

/** After how many looks a server that has refused a further connection is asked for one again. */
const REFUSED_LOOKS = 10;

/**
 * For how long a pool asks for nothing after the operator has ended one of its sessions, in ms: all who are at work have
 * heard of it by then, and what is asked later is somebody's new wish.
 */
const KICKED_MS = 1_000;

/** The most connections that are opened because the others are stalled. */
const MAX_FURTHER = 16;

/** How long a further connection that is being opened when the pool is closed may take for that, in ms. */
const OPENING_MS = 2_000;

/** How a pool connects. */
export interface PoolOptions extends ServerOptions {
  /** How many connections requests are spread over; 1 when absent. */
  readonly connections?: number | undefined;
  /** Told of lines from the operator of the server. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
  /** Called when the first connection has ended, other than by cancelling. It is made again when it is needed. */
  readonly onLost?: ((reason: FerryError) => void) | undefined;
}

/** What a server allows before it has said so. */
const NOTHING: Welcome = { allows: [], window: 1 };

function closed(): FerryError {
  return new FerryError("Disconnected", "the connection was closed");
}

/**
 * Connections to one server, opened when they are needed. Requests are spread over a fixed number of them. What would
 * have to wait there for a body that somebody leaves lying (a file that is not read on, a listing that is not taken, an
 * upload that is open) goes over further ones, if the server gives them. Whatever changes something takes effect in the
 * order in which it was asked for; with several connections to spread over, that holds for what is about the same paths.
 */
export class ConnectionPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #lookMs: number;
  /** How many connections requests are spread over. */
  readonly #spread: number;
  readonly #pipelines: Pipeline[] = [];
  /** The one that the session is known by. */
  #first: Pipeline | undefined;
  readonly #opening = new Set<Promise<Pipeline>>();
  /** For how many looks no further connection is asked for, since the server has refused one. */
  #refusedLooks = 0;
  /** Requests that wait for a connection, in order. */
  #waiting: PendingRequest[] = [];
  readonly #changes: UnansweredChanges;
  readonly #aborts = new AbortWatch<PendingRequest>((request) => this.giveUp(request));
  readonly #onSettled = (request: PendingRequest) => this.#settled(request);
  /** How many requests were made, and how many of them are not settled. */
  #count = 0;
  #open = 0;
  /** Fulfilled when none is left. */
  #idle: PromiseWithResolvers<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** In how many looks in a row nothing has moved although somebody waited. */
  #stuckLooks = 0;
  /** Aborted when the pool ends. */
  readonly #ending = new AbortController();
  #isClosing = false;
  #failure: FerryError | undefined;
  /** The operator has ended a session, and until when nothing is asked. */
  #kicked: { readonly reason: FerryError; readonly until: number } | undefined;
  #welcome = NOTHING;

  /**
   * Connects when something is asked.
   *
   * @param first A connection to begin with.
   * @param lookMs How often it looks whether its connections move.
   */
  constructor(options: PoolOptions, first?: OpenConnection, lookMs = LOOK_MS) {
    this.#options = options;
    this.#lookMs = lookMs;
    this.#spread = options.connections ?? 1;
    this.#changes = new UnansweredChanges(this.#spread > 1);
    if (first) this.#enter(first);
  }

  /** What the server allows; nothing before the first connection. */
  get welcome(): Welcome {
    return this.#welcome;
  }

  /**
   * Whether all that was asked is settled, and its sessions are being ended.
   *
   * @ignore
   */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /**
   * The first connection, if it is open.
   *
   * @ignore
   */
  get first(): Pipeline | undefined {
    return this.#first;
  }

  /**
   * Opens the first connection unless it is open.
   *
   * @throws {FerryError} As `openConnection`.
   * @ignore
   */
  async connect(signal?: AbortSignal): Promise<Pipeline> {
    const refusal = this.#isClosing ? closed() : this.#refusal;
    if (refusal) throw refusal;
    const [opening = undefined] = this.#opening;
    return this.#first ?? await unlessAborted(opening ?? this.#connect(), signal);
  }

  /**
   * Makes a request that has nothing but an `ok` as its answer, and gives the fields of that.
   *
   * @ignore
   */
  ask<N extends CommandName>(request: RequestOf<N> & Request, signal?: AbortSignal): Promise<OkOf<N>> {
    const { promise, resolve, reject } = Promise.withResolvers<OkOf<N>>();
    const done = (value: unknown) => resolve(value as OkOf<N>);
    this.submit(new PendingRequest(request, { done, failed: reject }, { signal }));
    return promise;
  }

  /**
   * Sends a request over the connection that suits it best, as soon as there is one.
   *
   * @ignore
   */
  submit(request: PendingRequest): void {
    request.onSettled = this.#onSettled;
    this.#open++;
    const refusal = this.#isClosing ? closed() : this.#refusal;
    if (refusal) return request.fail(refusal);
    this.#aborts.add(request.options.signal, request);
    if (request.settled) return;
    request.order = ++this.#count;
    if (request.isChange && !request.options.body) this.#changes.add(request);
    this.#place(request);
    this.#watch();
  }

  /**
   * Says that the body of a request is complete, so that from now on others come after it.
   *
   * @ignore
   */
  completed(request: PendingRequest): void {
    request.order = ++this.#count;
    if (request.isChange && !request.settled) this.#changes.add(request);
  }

  /**
   * Gives a request up; see `OperationOptions.signal`.
   *
   * @ignore
   */
  giveUp(request: PendingRequest, error = new FerryError("Cancelled", "cancelled")): void {
    if (request.sender) request.sender.giveUp(request, error);
    else if (!request.settled) {
      request.fail(error);
      request.leave();
    }
  }

  /**
   * Waits until every request is settled, however long each may take, ends all sessions in order, and takes nothing more.
   *
   * @throws {FerryError} `Disconnected`, also when all has ended already.
   */
  async close(): Promise<void> {
    if (this.#open > 0) await (this.#idle ??= Promise.withResolvers()).promise;
    if (this.#failure) throw this.#failure;
    this.#isClosing = true;
    const late = setTimeout(() => this.#ending.abort(), this.#pipelines.length > 0 ? OPENING_MS : 0);
    // What is being opened ends in order, too, so that the server does not take it for lost. If that fails, it does not matter.
    const opening = [...this.#opening].map((each) => each.then((pipeline) => pipeline.close()).catch(() => {}));
    const results = await Promise.allSettled([...this.#pipelines.map((pipeline) => pipeline.close()), ...opening]);
    clearTimeout(late);
    this.fail(closed());
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Ends all sessions as `close` does, but what is under way for 2 s more is given up. Never throws. */
  [Symbol.asyncDispose](): Promise<void> {
    return closeSoon(() => this.close(), (late) => this.fail(late));
  }

  /** Closes all connections; what is under way and what is asked later fails with `error`. Only the first call counts. */
  fail(error: FerryError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#ending.abort();
    clearTimeout(this.#timer);
    this.#endAll(error);
  }

  /** Why nothing is asked now, if so. */
  get #refusal(): FerryError | undefined {
    const { reason, until = 0 } = this.#kicked ?? {};
    return this.#failure ?? (reason && performance.now() < until ? reason : undefined);
  }

  #settled(request: PendingRequest): void {
    this.#open--;
    this.#changes.delete(request);
    this.#aborts.remove(request.options.signal, request);
    request.sender?.settled(request);
    if (this.#open === 0) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
    this.#placeWaiting();
  }

  /** Sends what waits, as far as there are connections for it. */
  #placeWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) if (!request.settled) this.#place(request);
  }

  /** Sends a request, or lets it wait for a connection or for earlier changes. */
  #place(request: PendingRequest): void {
    const isAlone = this.#pipelines.length === 1 && this.#waiting.length === 0;
    const sender = isAlone ? "any" : this.#changes.senderFor(request);
    if (typeof sender === "object" && sender.accepts(request)) return sender.submit(request);
    if (sender !== "any") return void this.#waiting.push(request);
    const best = this.#leastBusy(request);
    const { length } = this.#pipelines;
    // While there may be another one, no request waits behind another.
    const maySpread = length < this.#spread && (this.#opening.size > 0 || !this.#isRefused);
    if (best && (best.load === 0 || !maySpread)) return best.submit(request);
    this.#waiting.push(request);
    this.#openAnother();
  }

  /** The connection with the fewest requests among those that would take one; in turn where several have as many. */
  #leastBusy(request: PendingRequest): Pipeline | undefined {
    let best: Pipeline | undefined;
    const { length } = this.#pipelines;
    for (let i = 0; i < length; i++) {
      const each = this.#pipelines[(this.#count + i) % length];
      if (each?.accepts(request) && (!best || each.load < best.load)) best = each;
    }
    return best;
  }

  /** Whether the server has refused a further connection, not long ago. */
  get #isRefused(): boolean {
    return this.#refusedLooks > 0 && this.#pipelines.length > 0;
  }

  /** Opens a connection for waiting requests, unless there are enough. If it fails, they fail only if there is no other. */
  #openAnother(): void {
    const count = this.#pipelines.length + this.#opening.size;
    const mayOpen = this.#opening.size === 0
      ? count < this.#spread + MAX_FURTHER
      : count < this.#spread && this.#opening.size < this.#waiting.length;
    if (!mayOpen || this.#isRefused || this.#failure) return;
    this.#connect().catch((error) => {
      this.#refusedLooks = REFUSED_LOOKS;
      if (this.#pipelines.length > 0) this.#placeWaiting();
      else if (this.#opening.size === 0) this.#failAll(this.#waiting.splice(0), toFerryError(error));
    });
  }

  #connect(): Promise<Pipeline> {
    const opening: Promise<Pipeline> = openConnection(this.#options, this.#ending.signal).then((opened) => {
      this.#opening.delete(opening);
      const refusal = this.#refusal;
      if (!refusal) return this.#enter(opened);
      opened.connection.close();
      throw refusal;
    }, (error) => {
      this.#opening.delete(opening);
      throw error;
    });
    this.#opening.add(opening);
    return opening;
  }

  #enter({ connection, welcome }: OpenConnection): Pipeline {
    this.#welcome = welcome;
    const pipeline: Pipeline = new Pipeline(connection, welcome.window, {
      onChange: () => this.#placeWaiting(),
      onNotice: (notice) => {
        if (pipeline === this.#first) this.#options.onNotice?.(notice);
      },
      onEnd: (reason, isOurs) => this.#lost(pipeline, reason, isOurs),
    });
    this.#first ??= pipeline;
    this.#pipelines.push(pipeline);
    this.#moveOn();
    this.#placeWaiting();
    this.#watch();
    return pipeline;
  }

  #lost(pipeline: Pipeline, reason: FerryError, isOurs: boolean): void {
    this.#pipelines.splice(this.#pipelines.indexOf(pipeline), 1);
    if (pipeline === this.#first) {
      this.#first = undefined;
      if (!isOurs && !this.#isClosing && !this.#failure) this.#options.onLost?.(reason);
    }
    if (reason.code === "Kicked") {
      this.#kicked = { reason, until: performance.now() + KICKED_MS };
      this.#endAll(reason);
    }
    this.#placeWaiting();
  }

  /** Ends all that is under way, over all connections. */
  #endAll(reason: FerryError): void {
    this.#failAll(this.#waiting.splice(0), reason);
    for (const pipeline of [...this.#pipelines]) pipeline.fail(reason);
  }

  #failAll(requests: readonly PendingRequest[], error: FerryError): void {
    for (const request of requests) {
      request.fail(error);
      request.leave();
    }
  }

  /** Looks from time to time while something is under way, or there are more connections than needed. */
  #watch(): void {
    if (this.#timer !== undefined || this.#failure) return;
    if (this.#open === 0 && this.#pipelines.length <= this.#spread) return;
    this.#timer = setTimeout(() => this.#look(), this.#lookMs);
    Deno.unrefTimer(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    this.#refusedLooks = Math.max(0, this.#refusedLooks - 1);
    for (const pipeline of this.#pipelines) pipeline.look();
    this.#moveOn();
    this.#placeWaiting();
    this.#giveUpStuck();
    for (const pipeline of [...this.#pipelines]) {
      const isSpare = this.#pipelines.length > this.#spread && pipeline !== this.#first;
      // If it does not end in order, nothing is lost.
      if (isSpare && pipeline.load === 0 && pipeline.quiet >= IDLE_LOOKS) pipeline.close().catch(() => {});
    }
    this.#watch();
  }

  /** Sends what waits behind stalled bodies over another connection, if there is one. */
  #moveOn(): void {
    for (const pipeline of this.#pipelines) {
      if (pipeline.behind().length === 0) continue;
      if (!this.#pipelines.some(({ isFree }) => isFree)) return this.#openAnother();
      this.#waiting.push(...pipeline.takeBehind());
    }
  }

  /** Fails requests that wait for bodies, when none of these has moved for long. */
  #giveUpStuck(): void {
    const isMoving = this.#pipelines.some(({ quiet }) => quiet === 0);
    const isAwaited = this.#waiting.length > 0 || this.#pipelines.some((each) => each.behind().length > 0);
    this.#stuckLooks = isMoving || !isAwaited ? 0 : this.#stuckLooks + 1;
    if (this.#stuckLooks < STUCK_LOOKS || this.#opening.size > 0) return;
    // Who asks from now on waits as long.
    this.#stuckLooks = 0;
    for (const pipeline of this.#pipelines) this.#waiting.push(...pipeline.takeBehind());
    const message = "the files, listings and uploads that are open have not moved for 60 s, " +
      "and the server gives no further connection; go on with them, or close some of them";
    this.#failAll(this.#waiting.splice(0), new FerryError("Busy", message));
  }
}
