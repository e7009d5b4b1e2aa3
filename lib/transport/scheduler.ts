import { setImmediate } from "node:timers";

/** How long a round of the event loop may last before callers that want more must wait for a turn, in ms. */
const MAX_ROUND_MS = 4;

/**
 * How often the event loop rests at least, in ms. Deno looks for new input only when there is nothing else to do, or has
 * been something to do for 61 rounds (the event interval of Tokio), and `setImmediate` is something to do. Deno does not
 * document it: with a larger number others wait longer under a flood, which `scheduler_test` shows, and all else is the
 * same.
 */
const REST_INTERVAL_MS = 10;

/**
 * A rest is this many rounds in which no waiter gets a turn, so that it ends with a look for new input. It takes some
 * 150 µs; a timer would take 1 to 2 ms, and what another thread does may be done before there is nothing else to do.
 */
const REST_ROUNDS = 61;

/** From this many bytes on, a step is large. */
export const LARGE_BYTES = 64 * 1024;

/** Rounds of the event loop are counted only while somebody asks. */
let round = 0;
let roundBegan = 0;
let restedAt = 0;
let counting = false;

/** Resolves at the end of the round. */
let ending: PromiseWithResolvers<void> | undefined;

/** The callers that wait for a turn. Each round, one of them goes on. */
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
 * Waits until all input and output that is ready was handled. Use this instead of `setImmediate`, which would keep the
 * event loop from resting.
 */
export function endOfRound(): Promise<void> {
  ending ??= Promise.withResolvers();
  count();
  return ending.promise;
}

/**
 * Waits for a turn, for work that takes long. All input and output that is ready comes first, then the callers that wait
 * here, one per round. So small steps do not get slower when more callers want large ones.
 */
export function takeTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push(resolve);
  count();
  return promise;
}

/**
 * A share of the event loop. Reads and writes that complete at once let nobody else run: a fast peer could keep the
 * server to itself, and many could keep all others waiting. So a loop asks before each step whether its turn is over.
 * One small step per round is free; more are allowed only while the round is short.
 */
export class TimeSlice {
  #round = -1;

  /** Whether it is time to call `pass`. @param bytes The most that the next step moves. */
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
