/**
 * Soaks Ferry in random work and faults; `deno task soak --help` says how.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { soak, summary } from "./soak.ts";

const MINUTES = 10;

const HELP = `Runs clients on bad lines against real servers, and checks that every byte is right and that memory, file
handles and partial files return to where they began. Everything is on loopback and below $TMPDIR.

Usage: deno task soak [OPTION...]

  --minutes N  how long (${MINUTES})
  --seed N     decides what is done (random)
  --help`;

/** A number given on the command line. @throws {TypeError} When it is none. */
function number(name: string, text: string | undefined, missing: number): number {
  const value = text === undefined ? missing : Number(text);
  if (text !== "" && value >= 0 && value < 2 ** 32) return value;
  throw new TypeError(`--${name} must be a number`);
}

/** Ends the run in order on the first Ctrl-C. */
function stopOnSignal(): AbortController {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stop.abort());
  return stop;
}

async function main(): Promise<number> {
  const flags = parseArgs(Deno.args, {
    string: ["minutes", "seed"],
    boolean: ["help"],
    unknown: (argument) => {
      throw new TypeError(`"${argument}" is not an option; try --help`);
    },
  });
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const minutes = number("minutes", flags.minutes, MINUTES);
  const seed = number("seed", flags.seed, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  const began = performance.now();
  console.log(`Soaking for ${minutes} minutes with seed ${seed}.`);
  try {
    const soaked = await soak({ seed, ms: minutes * 60_000, stop: stopOnSignal(), report: console.log });
    console.log(summary(soaked, seed, (performance.now() - began) / 1000));
    return 0;
  } catch (error) {
    console.error(`Wrong, with seed ${seed}:`, error);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
