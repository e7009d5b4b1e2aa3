import { setImmediate, setTimeout } from "node:timers";

/** How long a round of the event loop may last before those who want more of it wait for their turn, in ms. */
const MAX_ROUND_MS = 4;

/**
 * How often the event loop rests, in ms. Deno looks for new input only when there is nothing else to do or 61 rounds
 * have passed (the event interval of Tokio), and `setImmediate` is something to do.
 */
const REST_INTERVAL_MS = 20;

/**
 * When so many wait, the event loop needs its rests. One alone stands still for its own peer often enough, and a rest,
 * which no timer makes shorter than 1 ms, would slow it down.
 */
const CROWD = 2;

/** A step that moves so many bytes is not small. */
export const LARGE_BYTES = 64 * 1024;

/** The rounds of the event loop are counted only while somebody asks. */
let round = 0;
let roundBegan = 0;
let restedAt = 0;
let counting = false;

/** Those who wait for their turn; one of them goes on in each round. */
const waiting: (() => void)[] = [];

function count(): void {
  if (counting) return;
  counting = true;
  roundBegan = performance.now();
  if (waiting.length < CROWD || roundBegan - restedAt < REST_INTERVAL_MS) setImmediate(nextRound);
  else setTimeout(nextRoundAfterRest, 0);
}

function nextRoundAfterRest(): void {
  restedAt = performance.now();
  nextRound();
}

function nextRound(): void {
  counting = false;
  round++;
  const next = waiting.shift();
  if (!next) return;
  count();
  next();
}

/**
 * Waits for a turn, for work that takes its time. Everybody whose input or output is ready comes first, then those who
 * wait here, one after another, with all that has become ready meanwhile between two of them. So the time until
 * something small is done does not grow with the number of those who want something large.
 */
export function takeTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push(resolve);
  count();
  return promise;
}

/**
 * A share of the event loop. Reads and writes that can be done at once do not let anybody else run, so that a fast peer
 * could keep the whole server to itself, and many together keep everybody else waiting; whoever works in a loop asks
 * before each step whether its turn is over. A small step is free once in a round; more only while the round is short.
 */
export class Turn {
  #round = -1;

  /** Whether it is time to call `pass`. @param bytes How much the next step moves at most. */
  isOver(bytes = 0): boolean {
    count();
    const isFree = this.#round !== round && bytes < LARGE_BYTES;
    this.#round = round;
    return !isFree && performance.now() - roundBegan >= MAX_ROUND_MS;
  }

  /** Lets others run. */
  async pass(): Promise<void> {
    await takeTurn();
    this.#round = round;
  }
}
