import { setImmediate } from "node:timers";

/** How long a round of the event loop may last before those who want more of it wait for their turn, in ms. */
const MAX_ROUND_MS = 4;

/**
 * How often the event loop rests at least, in ms. Deno looks for new input only when there is nothing else to do, or has
 * been something to do for 61 rounds (the event interval of Tokio), and `setImmediate` is something to do. Deno does not
 * document it: with a larger number others wait longer under a flood, which `scheduler_test` shows, and all else is the
 * same.
 */
const REST_INTERVAL_MS = 10;

/**
 * A rest is so many rounds in which those who wait get no turn, so that it ends with a look for new input. It takes some
 * 150 µs; a timer would take 1 to 2 ms, and what another thread does may be done before there is nothing else to do.
 */
const REST_ROUNDS = 61;

/** A step that moves so many bytes is not small. */
export const LARGE_BYTES = 64 * 1024;

/** The rounds of the event loop are counted only while somebody asks. */
let round = 0;
let roundBegan = 0;
let restedAt = 0;
let counting = false;

/** Those who wait for the end of the round; all of them go on then. */
let ending: PromiseWithResolvers<void> | undefined;

/** Those who wait for their turn; one of them goes on in each round. */
const waiting: (() => void)[] = [];

function count(): void {
  if (counting) return;
  counting = true;
  roundBegan = performance.now();
  setImmediate(endRound);
}

function endRound(): void {
  if (performance.now() - restedAt < REST_INTERVAL_MS) nextRound();
  else rest(REST_ROUNDS);
}

function rest(rounds: number): void {
  if (rounds > 0) return void setImmediate(rest, rounds - 1);
  restedAt = performance.now();
  nextRound();
}

function nextRound(): void {
  counting = false;
  round++;
  ending?.resolve();
  ending = undefined;
  const next = waiting.shift();
  if (!next) return;
  count();
  next();
}

/**
 * Waits until everybody whose input or output is ready has had it. Whoever waits for that with a `setImmediate` of its
 * own keeps the event loop from its rests.
 */
export function endOfRound(): Promise<void> {
  ending ??= Promise.withResolvers();
  count();
  return ending.promise;
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
export class TimeSlice {
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
