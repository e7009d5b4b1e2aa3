import { FerryError } from "../core/errors.ts";
import type { Welcome } from "../protocol/codec.ts";
import type { CommandName, OkOf, Request, RequestOf } from "../protocol/commands.ts";
import { AbortWatch } from "./abort_watch.ts";
import { closeSoon } from "./close_soon.ts";
import type { OpenConnection } from "./connect.ts";
import { PendingRequest } from "./pending_request.ts";
import type { Pipeline } from "./pipeline.ts";
import { PoolConnections, type PoolOptions } from "./pool_connections.ts";
import { UnansweredChanges } from "./unanswered_changes.ts";

/** How often a pool looks whether its connections move, in ms. */
const LOOK_MS = 1_000;

/** In how many looks nothing must have moved before a request that waits is given up. */
const STUCK_LOOKS = 60;

/**
 * Connections to one server, opened when they are needed. Requests are spread over a fixed number of them. What would
 * have to wait there for a body that somebody leaves lying (a file that is not read on, a listing that is not taken, an
 * upload that is open) goes over further ones, if the server gives them. Whatever changes something takes effect in the
 * order in which it was asked for; with several connections to spread over, that holds for what is about the same paths.
 */
export class ConnectionPool implements AsyncDisposable {
  readonly #connections: PoolConnections;
  readonly #lookMs: number;
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

  /**
   * Connects when something is asked.
   *
   * @param first A connection to begin with.
   * @param lookMs How often it looks whether its connections move.
   */
  constructor(options: PoolOptions, first?: OpenConnection, lookMs = LOOK_MS) {
    this.#lookMs = lookMs;
    this.#changes = new UnansweredChanges((options.connections ?? 1) > 1);
    this.#connections = new PoolConnections(options, {
      onOpen: () => {
        this.#moveOn();
        this.#placeWaiting();
        this.#watch();
      },
      onChange: () => this.#placeWaiting(),
      onEnd: (reason) => this.#failAll(this.#waiting.splice(0), reason),
    });
    if (first) this.#connections.enter(first);
  }

  /** What the server allows; nothing before the first connection. */
  get welcome(): Welcome {
    return this.#connections.welcome;
  }

  /**
   * Whether all that was asked is settled, and its sessions are being ended.
   *
   * @ignore
   */
  get isClosing(): boolean {
    return this.#connections.isClosing;
  }

  /**
   * The first connection, if it is open.
   *
   * @ignore
   */
  get first(): Pipeline | undefined {
    return this.#connections.first;
  }

  /**
   * Opens the first connection unless it is open.
   *
   * @throws {FerryError} As `openConnection`.
   * @ignore
   */
  connect(signal?: AbortSignal): Promise<Pipeline> {
    return this.#connections.connect(signal);
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
    const { refusal } = this.#connections;
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
    try {
      await this.#connections.close();
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** Ends all sessions as `close` does, but what is under way for 2 s more is given up. Never throws. */
  [Symbol.asyncDispose](): Promise<void> {
    return closeSoon(() => this.close(), (late) => this.fail(late));
  }

  /** Closes all connections; what is under way and what is asked later fails with `error`. Only the first call counts. */
  fail(error: FerryError): void {
    clearTimeout(this.#timer);
    this.#connections.fail(error);
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
    const isAlone = this.#connections.all.length === 1 && this.#waiting.length === 0;
    const sender = isAlone ? "any" : this.#changes.senderFor(request);
    if (typeof sender === "object" && sender.accepts(request)) return sender.submit(request);
    if (sender !== "any") return void this.#waiting.push(request);
    const best = this.#connections.leastBusy(request, this.#count);
    // While there may be another one, no request waits behind another.
    if (best && (best.load === 0 || !this.#connections.maySpread)) return best.submit(request);
    this.#waiting.push(request);
    this.#connections.openAnother(this.#waiting.length);
  }

  #failAll(requests: readonly PendingRequest[], error: FerryError): void {
    for (const request of requests) {
      request.fail(error);
      request.leave();
    }
  }

  /** Looks from time to time while something is under way, or there are more connections than needed. */
  #watch(): void {
    if (this.#timer !== undefined || this.#connections.hasFailed) return;
    if (this.#open === 0 && !this.#connections.hasSpare) return;
    this.#timer = setTimeout(() => this.#look(), this.#lookMs);
    Deno.unrefTimer(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    this.#connections.look();
    this.#moveOn();
    this.#placeWaiting();
    this.#giveUpStuck();
    this.#connections.closeSpare();
    this.#watch();
  }

  /** Sends what waits behind stalled bodies over another connection, if there is one. */
  #moveOn(): void {
    const { all } = this.#connections;
    for (const pipeline of all) {
      if (pipeline.behind().length === 0) continue;
      if (!all.some(({ isFree }) => isFree)) return this.#connections.openAnother(this.#waiting.length);
      this.#waiting.push(...pipeline.takeBehind());
    }
  }

  /** Fails requests that wait for bodies, when none of these has moved for long. */
  #giveUpStuck(): void {
    const { all, isOpening } = this.#connections;
    const isMoving = all.some(({ quiet }) => quiet === 0);
    const isAwaited = this.#waiting.length > 0 || all.some((each) => each.behind().length > 0);
    this.#stuckLooks = isMoving || !isAwaited ? 0 : this.#stuckLooks + 1;
    if (this.#stuckLooks < STUCK_LOOKS || isOpening) return;
    // Who asks from now on waits as long.
    this.#stuckLooks = 0;
    for (const pipeline of all) this.#waiting.push(...pipeline.takeBehind());
    const message = "the files, listings and uploads that are open have not moved for 60 s, " +
      "and the server gives no further connection; go on with them, or close some of them";
    this.#failAll(this.#waiting.splice(0), new FerryError("Busy", message));
  }
}
