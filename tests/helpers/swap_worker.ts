/**
 * A worker for tests: exchanges two names as fast as it can, with pauses of random length, until it is told to stop; then
 * it says how often it has done so. See `Swapper` in `swaps.ts`.
 *
 * @module
 */
/// <reference lib="deno.worker" />

/** What to exchange, and two numbers: the first is not 0 any more when it shall end, the second when it has begun. */
export interface Swapping {
  readonly place: string;
  readonly link: string;
  readonly aside: string;
  readonly flags: Int32Array;
}

/** The longest pause between two exchanges, in ms: as long as an operation takes, so that swaps fall at all its moments. */
const MAX_PAUSE_MS = 0.05;

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

type Pipeline = (a: string, b: string, aside: string) => boolean;

/** Exchanges two names in one step, where the system can; gives whether it was done. */
function atomicExchange(): Pipeline | undefined {
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
    });
    const cString = (text: string) => new TextEncoder().encode(text + "\0");
    return (a, b) => symbols.renameat2(AT_FDCWD, cString(a), AT_FDCWD, cString(b), RENAME_EXCHANGE) === 0;
  } catch {
    return undefined;
  }
}

/** Exchanges two names in three steps. */
const exchangeInSteps: Pipeline = (a, b, aside) => {
  try {
    Deno.renameSync(a, aside);
    Deno.renameSync(b, a);
    Deno.renameSync(aside, b);
    return true;
  } catch (error) {
    // What was under attack has removed one of them.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
};

const exchange = atomicExchange() ?? exchangeInSteps;

self.onmessage = ({ data: { place, link, aside, flags } }: MessageEvent<Swapping>) => {
  let swaps = 0;
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
  while (Atomics.load(flags, 0) === 0) {
    if (exchange(place, link, aside)) swaps++;
    for (const until = performance.now() + Math.random() * MAX_PAUSE_MS; performance.now() < until;);
  }
  self.postMessage(swaps);
};
