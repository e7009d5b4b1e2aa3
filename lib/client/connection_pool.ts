import { FerryError, toFerryError } from "../core/errors.ts";
import type { Notice, Welcome } from "../protocol/codec.ts";
import type { CommandName, OkOf, Request, RequestOf } from "../protocol/commands.ts";
import { unlessAborted } from "../core/unless_aborted.ts";
import { AbortWatch } from "./abort_watch.ts";
import { closeSoon } from "./close_soon.ts";
import { type OpenConnection, openConnection, type ServerOptions } from "./connect.ts";
import { PendingRequest, type RequestSender } from "./pending_request.ts";
import { Pipeline } from "./pipeline.ts";

/** How long a body may stand still before what waits behind it is sent elsewhere, in ms; longer with each connection. */
const STALL_MS = 50;

/** The most connections that are opened because bodies stand still on the others. */
const MAX_FURTHER = 16;

/** How long a request may wait while that many bodies stand still, in ms. */
const MAX_STUCK_MS = 60_000;

/** A further connection that has done nothing for so long is closed, in ms. */
const IDLE_MS = 30_000;

/** How a pool connects. */
export interface PoolOptions extends ServerOptions {
  /** How many connections requests are spread over; 1 when absent. */
  readonly connections?: number | undefined;
  /** Told of lines from the operator of the server. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
  /** Called when the first connection has ended. It is made again when it is needed. */
  readonly onLost?: ((reason: FerryError) => void) | undefined;
}

/** What a server allows that has not said it yet. */
const NOTHING: Welcome = { allows: [], window: 1 };

/**
 * Connections to one server, opened when they are needed. Requests are spread over a fixed number of them. What would
 * have to wait there for a body that somebody leaves lying (a file that is not read on, a listing that is not taken, an
 * upload that is open) goes over further ones, which are kept for a while.
 */
export class ConnectionPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  /** The connections that requests are spread over; none where it is not open. */
  readonly #regular: (Pipeline | undefined)[];
  readonly #further: Pipeline[] = [];
  /** Connections that are being made, by their place among the regular ones; "further" for another one. */
  readonly #opening = new Map<number | "further", Promise<Pipeline>>();
  /** Requests that wait for a connection, in order. */
  #waiting: PendingRequest[] = [];
  readonly #aborts = new AbortWatch<PendingRequest>((request) => this.giveUp(request));
  readonly #onSettled = (request: PendingRequest) => this.#settled(request);
  /** How many requests are not settled, and a promise that is fulfilled when none is left. */
  #open = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  #turn = 0;
  #stuckTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Aborted when the pool ends. */
  readonly #ending = new AbortController();
  #failure: FerryError | undefined;
  #welcome = NOTHING;

  /** Connects when something is asked; `first` is a connection to begin with. */
  constructor(options: PoolOptions, first?: OpenConnection) {
    this.#options = options;
    this.#regular = Array.from({ length: options.connections ?? 1 }, () => undefined);
    if (first) this.#enter(0, first);
  }

  /** What the server allows; nothing before the first connection. */
  get welcome(): Welcome {
    return this.#welcome;
  }

  /**
   * The first connection, if it is open.
   *
   * @ignore
   */
  get first(): Pipeline | undefined {
    return this.#regular[0];
  }

  /**
   * Opens the first connection unless it is open.
   *
   * @throws {FerryError} As `openConnection`.
   * @ignore
   */
  async connect(signal?: AbortSignal): Promise<Pipeline> {
    if (this.#failure) throw this.#failure;
    return this.#regular[0] ?? await unlessAborted(this.#openOne(0), signal);
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
    if (this.#failure) return request.fail(this.#failure);
    this.#aborts.add(request.options.signal, request);
    if (request.settled) return;
    const choice = this.#waiting.length === 0 ? this.#choose(request) : undefined;
    if (typeof choice === "object") return choice.submit(request);
    this.#waiting.push(request);
    this.#placeWaiting();
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
    this.#ending.abort();
    await Promise.allSettled(this.#opening.values());
    const results = await Promise.allSettled(this.#pipelines().map((pipeline) => pipeline.close()));
    this.fail(new FerryError("Disconnected", "the connection was closed"));
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
    clearTimeout(this.#stuckTimer);
    clearTimeout(this.#idleTimer);
    this.#failWaiting(error);
    for (const pipeline of this.#pipelines()) pipeline.fail(error);
  }

  #pipelines(): Pipeline[] {
    return [...this.#regular, ...this.#further].filter((pipeline) => pipeline !== undefined);
  }

  #settled(request: PendingRequest): void {
    this.#open--;
    this.#aborts.remove(request.options.signal, request);
    request.sender?.settled(request);
    if (this.#open === 0) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
    if (this.#waiting.length > 0) this.#placeWaiting();
  }

  /** The connection for a request; or which kind has to be opened; or nothing while it has to wait for another request. */
  #choose(request: PendingRequest): RequestSender | "regular" | "further" | undefined {
    const { after, isApart } = request.options;
    if (after && !after.settled) return after.sender?.accepts(request) ? after.sender : undefined;
    if (!isApart) {
      const best = leastBusy(this.#regular, request, this.#turn++);
      // While one of them is not open, no request waits behind another.
      if (best && (best.load === 0 || !this.#regular.includes(undefined))) return best;
      if (this.#regular.includes(undefined)) return "regular";
    }
    return leastBusy(this.#further, request, 0) ?? "further";
  }

  /** Sends what waits, as far as there are connections for it, and opens those that are missing. */
  #placeWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let regular = 0;
    let further = false;
    for (const request of waiting) {
      if (request.settled) continue;
      const choice = this.#choose(request);
      if (typeof choice === "object") {
        choice.submit(request);
        continue;
      }
      this.#waiting.push(request);
      if (choice === "regular") regular++;
      if (choice === "further") further = true;
    }
    for (let i = 0; i < this.#regular.length && regular > 0; i++) {
      if (this.#regular[i]) continue;
      regular--;
      this.#openUnasked(i);
    }
    if (further && this.#further.length < MAX_FURTHER) this.#openUnasked("further");
    this.#watchStuck(further && this.#further.length >= MAX_FURTHER);
  }

  /** Opens a connection for the requests that wait; if that fails, they fail. */
  #openUnasked(place: number | "further"): void {
    if (this.#opening.has(place)) return;
    this.#openOne(place).catch((error) => this.#failWaiting(toFerryError(error)));
  }

  #openOne(place: number | "further"): Promise<Pipeline> {
    const opening = this.#opening.get(place) ?? this.#connectTo(place);
    this.#opening.set(place, opening);
    return opening;
  }

  async #connectTo(place: number | "further"): Promise<Pipeline> {
    let opened: OpenConnection;
    try {
      opened = await openConnection(this.#options, this.#ending.signal);
    } finally {
      this.#opening.delete(place);
    }
    if (!this.#failure) return this.#enter(place, opened);
    opened.connection.close();
    throw this.#failure;
  }

  #enter(place: number | "further", { connection, welcome }: OpenConnection): Pipeline {
    this.#welcome = welcome;
    const stallMs = STALL_MS * (place === "further" ? this.#further.length + 2 : 1);
    const pipeline = new Pipeline(connection, welcome.window, stallMs, {
      onChange: () => {
        if (this.#waiting.length > 0) this.#placeWaiting();
      },
      onStall: (requests) => {
        this.#waiting.push(...requests);
        this.#placeWaiting();
      },
      onNotice: (notice) => {
        if (place === 0) this.#options.onNotice?.(notice);
      },
      onEnd: (reason) => this.#lost(place, pipeline, reason),
    });
    if (place === "further") this.#further.push(pipeline);
    else this.#regular[place] = pipeline;
    this.#watchIdle();
    this.#placeWaiting();
    return pipeline;
  }

  #lost(place: number | "further", pipeline: Pipeline, reason: FerryError): void {
    if (place === "further") this.#further.splice(this.#further.indexOf(pipeline), 1);
    else this.#regular[place] = undefined;
    if (place === 0 && !this.#ending.signal.aborted) this.#options.onLost?.(reason);
    this.#placeWaiting();
  }

  #failWaiting(error: FerryError): void {
    for (const request of this.#waiting.splice(0)) {
      request.fail(error);
      request.leave();
    }
  }

  /** Ends the wait when for too long no connection has become free. */
  #watchStuck(isStuck: boolean): void {
    if (isStuck && this.#stuckTimer !== undefined) return;
    clearTimeout(this.#stuckTimer);
    this.#stuckTimer = isStuck
      ? setTimeout(() => {
        this.#stuckTimer = undefined;
        const message = "too many files and listings are open that nobody reads on; close some of them";
        this.#failWaiting(new FerryError("Busy", message));
      }, MAX_STUCK_MS)
      : undefined;
  }

  /** Closes further connections that have done nothing between two looks. */
  #watchIdle(): void {
    if (this.#idleTimer !== undefined || this.#further.length === 0 || this.#failure) return;
    const counts = new Map(this.#further.map((pipeline) => [pipeline, pipeline.count]));
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = undefined;
      for (const pipeline of this.#further) {
        // That it ends in another way than in order is no failure of anybody.
        if (pipeline.load === 0 && counts.get(pipeline) === pipeline.count) pipeline.close().catch(() => {});
      }
      this.#watchIdle();
    }, IDLE_MS);
    Deno.unrefTimer(this.#idleTimer);
  }
}

/**
 * The connection with the fewest requests among those that would take one.
 *
 * @param turn Which one it is where several have as many.
 */
function leastBusy(
  among: readonly (Pipeline | undefined)[],
  request: PendingRequest,
  turn: number,
): Pipeline | undefined {
  let best: Pipeline | undefined;
  for (let i = 0; i < among.length; i++) {
    const each = among[(turn + i) % among.length];
    if (each?.accepts(request) && (!best || each.load < best.load)) best = each;
  }
  return best;
}
