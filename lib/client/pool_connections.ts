import { FerryError, toFerryError } from "../core/errors.ts";
import { unlessAborted } from "../core/unless_aborted.ts";
import type { Notice, Welcome } from "../protocol/codec.ts";
import { type OpenConnection, openConnection, type ServerOptions } from "./connect.ts";
import type { PendingRequest } from "./pending_request.ts";
import { Pipeline } from "./pipeline.ts";

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

/** Who sends requests over the connections. */
interface ConnectionsOwner {
  /** Called when there is one more. */
  onOpen(): void;
  /** Called when something may be sent that could not be sent before. */
  onChange(): void;
  /** Called with the reason when what waits for a connection gets none. */
  onEnd(reason: FerryError): void;
}

/** What a server allows before it has said so. */
const NOTHING: Welcome = { allows: [], window: 1 };

function closed(): FerryError {
  return new FerryError("Disconnected", "the connection was closed");
}

/** The connections of a pool: opens them where the server gives more, knows which are open, and ends them. */
export class PoolConnections {
  readonly #options: PoolOptions;
  readonly #owner: ConnectionsOwner;
  /** How many connections requests are spread over. */
  readonly #spread: number;
  /** All that are open. */
  readonly all: Pipeline[] = [];
  /** The one that the session is known by. */
  first: Pipeline | undefined;
  /** What the server allows; nothing before the first connection. */
  welcome = NOTHING;
  /** Whether all are being ended in order. */
  isClosing = false;
  readonly #opening = new Set<Promise<Pipeline>>();
  /** For how many looks no further connection is asked for, since the server has refused one. */
  #refusedLooks = 0;
  /** Aborted when the pool ends. */
  readonly #ending = new AbortController();
  #failure: FerryError | undefined;
  /** The operator has ended a session, and until when nothing is asked. */
  #kicked: { readonly reason: FerryError; readonly until: number } | undefined;

  constructor(options: PoolOptions, owner: ConnectionsOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#spread = options.connections ?? 1;
  }

  /** Whether one is being opened. */
  get isOpening(): boolean {
    return this.#opening.size > 0;
  }

  /** Whether all have ended, and none is opened any more. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether there are more than requests are spread over. */
  get hasSpare(): boolean {
    return this.all.length > this.#spread;
  }

  /** Whether there may soon be another one to spread requests over. */
  get maySpread(): boolean {
    return this.all.length < this.#spread && (this.isOpening || !this.#isRefused);
  }

  /** Why nothing is asked now, if so. */
  get refusal(): FerryError | undefined {
    return this.isClosing ? closed() : this.#reason;
  }

  /** Opens the first connection unless it is open. @throws {FerryError} As `openConnection`. */
  async connect(signal?: AbortSignal): Promise<Pipeline> {
    const { refusal } = this;
    if (refusal) throw refusal;
    const [opening = undefined] = this.#opening;
    return this.first ?? await unlessAborted(opening ?? this.#connect(), signal);
  }

  /** The connection with the fewest requests among those that would take one; by `turn` where several have as many. */
  leastBusy(request: PendingRequest, turn: number): Pipeline | undefined {
    let best: Pipeline | undefined;
    const { length } = this.all;
    for (let i = 0; i < length; i++) {
      const each = this.all[(turn + i) % length];
      if (each?.accepts(request) && (!best || each.load < best.load)) best = each;
    }
    return best;
  }

  /** Opens a connection for so many waiting requests, unless there are enough. If it fails, they fail only if there is no other. */
  openAnother(waiting: number): void {
    const count = this.all.length + this.#opening.size;
    const mayOpen = this.#opening.size === 0
      ? count < this.#spread + MAX_FURTHER
      : count < this.#spread && this.#opening.size < waiting;
    if (!mayOpen || this.#isRefused || this.#failure) return;
    this.#connect().catch((error) => {
      this.#refusedLooks = REFUSED_LOOKS;
      if (this.all.length > 0) this.#owner.onChange();
      else if (this.#opening.size === 0) this.#owner.onEnd(toFerryError(error));
    });
  }

  /** Looks whether they move; to be called from time to time. */
  look(): void {
    this.#refusedLooks = Math.max(0, this.#refusedLooks - 1);
    for (const pipeline of this.all) pipeline.look();
  }

  /** Closes what is more than needed and has done nothing for long. */
  closeSpare(): void {
    for (const pipeline of [...this.all]) {
      const isSpare = this.hasSpare && pipeline !== this.first;
      // If it does not end in order, nothing is lost.
      if (isSpare && pipeline.load === 0 && pipeline.quiet >= IDLE_LOOKS) pipeline.close().catch(() => {});
    }
  }

  /** Ends all in order. @throws {FerryError} `Disconnected`, also when all have ended already. */
  async close(): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.isClosing = true;
    const late = setTimeout(() => this.#ending.abort(), this.all.length > 0 ? OPENING_MS : 0);
    // What is being opened ends in order, too, so that the server does not take it for lost. If that fails, it does not matter.
    const opening = [...this.#opening].map((each) => each.then((pipeline) => pipeline.close()).catch(() => {}));
    const results = await Promise.allSettled([...this.all.map((pipeline) => pipeline.close()), ...opening]);
    clearTimeout(late);
    this.fail(closed());
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Closes all; what is under way and what is asked later fails with `error`. Only the first call counts. */
  fail(error: FerryError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#ending.abort();
    this.#endAll(error);
  }

  /** Takes a connection that was opened. */
  enter({ connection, welcome }: OpenConnection): Pipeline {
    this.welcome = welcome;
    const pipeline: Pipeline = new Pipeline(connection, welcome.window, {
      onChange: () => this.#owner.onChange(),
      onNotice: (notice) => {
        if (pipeline === this.first) this.#options.onNotice?.(notice);
      },
      onEnd: (reason, isOurs) => this.#lost(pipeline, reason, isOurs),
    });
    this.first ??= pipeline;
    this.all.push(pipeline);
    this.#owner.onOpen();
    return pipeline;
  }

  /** Why nothing is opened now, if so. */
  get #reason(): FerryError | undefined {
    const { reason, until = 0 } = this.#kicked ?? {};
    return this.#failure ?? (reason && performance.now() < until ? reason : undefined);
  }

  /** Whether the server has refused a further connection, not long ago. */
  get #isRefused(): boolean {
    return this.#refusedLooks > 0 && this.all.length > 0;
  }

  #connect(): Promise<Pipeline> {
    const opening: Promise<Pipeline> = openConnection(this.#options, this.#ending.signal).then((opened) => {
      this.#opening.delete(opening);
      const reason = this.#reason;
      if (!reason) return this.enter(opened);
      opened.connection.close();
      throw reason;
    }, (error) => {
      this.#opening.delete(opening);
      throw error;
    });
    this.#opening.add(opening);
    return opening;
  }

  #lost(pipeline: Pipeline, reason: FerryError, isOurs: boolean): void {
    this.all.splice(this.all.indexOf(pipeline), 1);
    if (pipeline === this.first) {
      this.first = undefined;
      if (!isOurs && !this.isClosing && !this.#failure) this.#options.onLost?.(reason);
    }
    if (reason.code === "Kicked") {
      this.#kicked = { reason, until: performance.now() + KICKED_MS };
      this.#endAll(reason);
    }
    this.#owner.onChange();
  }

  /** Ends all that is under way, over all connections. */
  #endAll(reason: FerryError): void {
    this.#owner.onEnd(reason);
    for (const pipeline of [...this.all]) pipeline.fail(reason);
  }
}
