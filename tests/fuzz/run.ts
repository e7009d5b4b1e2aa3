import { parseArgs } from "@std/cli/parse-args";
import { fuzz, FuzzFailure } from "./target.ts";
import { TARGETS } from "./targets.ts";

const CASES = 100_000;

const USAGE = `Tries the protocol and a whole server with random input that is nearly valid.

Usage: deno task fuzz [OPTION...]

  --cases N      how many (${CASES}); with --only all of them are the target's
  --seed N       the seed of the first case (random); the others count up from it
  --only TARGET  ${TARGETS.map(({ name }) => name).join(", ")}`;

interface Options {
  readonly cases: number;
  readonly seed: number;
  readonly only: string | undefined;
}

function wholeNumber(name: string, typed: string | undefined, usual: number): number {
  if (typed === undefined) return usual;
  if (/^\d{1,10}$/.test(typed)) return Number(typed);
  throw new TypeError(`--${name} must be a whole number`);
}

function parseOptions(args: string[]): Options {
  const flags = parseArgs(args, {
    string: ["cases", "seed", "only"],
    unknown: (argument) => {
      throw new TypeError(`"${argument}" is not an option`);
    },
  });
  if (flags.only !== undefined && !TARGETS.some(({ name }) => name === flags.only)) {
    throw new TypeError(`there is no target "${flags.only}"`);
  }
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return {
    cases: wholeNumber("cases", flags.cases, CASES),
    seed: wholeNumber("seed", flags.seed, seed),
    only: flags.only,
  };
}

async function main(args: string[]): Promise<number> {
  const { cases, seed, only } = parseOptions(args);
  console.log(`Seed ${seed}`);
  for (const target of TARGETS.filter(({ name }) => only === undefined || name === only)) {
    const share = only === undefined ? Math.ceil(cases * target.share / 100) : cases;
    const began = performance.now();
    const seen = await fuzz(target, seed, share);
    console.log(`${target.name}: ${share} cases in ${((performance.now() - began) / 1000).toFixed(1)} s: ${seen}`);
  }
  return 0;
}

try {
  Deno.exitCode = await main(Deno.args);
} catch (error) {
  if (error instanceof FuzzFailure) console.error(error);
  else if (error instanceof TypeError) console.error(`${error.message}\n\n${USAGE}`);
  else throw error;
  Deno.exitCode = error instanceof FuzzFailure ? 1 : 2;
}
