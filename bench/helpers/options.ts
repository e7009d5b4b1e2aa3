import { parseArgs } from "@std/cli/parse-args";

/** What the command line says. */
export interface Options {
  readonly rounds: number;
  /** Names of works; all when empty. */
  readonly only: readonly string[];
  /** Names of peers; all when empty. */
  readonly peers: readonly string[];
  readonly quick: boolean;
  /** Whether memory is left as it is before a run. */
  readonly cold: boolean;
  /** Where the results go, besides the screen; a name with the date when absent. */
  readonly json: string | undefined;
}

/** Fewer rounds than this do not say much. */
const ROUNDS = 5;
const QUICK_ROUNDS = 2;

/** The help text. */
export function usage(works: readonly string[], peers: readonly string[]): string {
  return `Compares Ferry with other programs. Everything runs on loopback and below $TMPDIR.

Usage: deno task bench [OPTION...]

  --rounds N           rounds (${ROUNDS})
  --only WORK[,WORK]   ${works.join(", ")}
  --peers PEER[,PEER]  ferry and these only: ${peers.join(", ")}
  --quick              small sizes and ${QUICK_ROUNDS} rounds, to see whether everything works
  --cold               leave free memory as it is before a run (see bench/README.md)
  --json FILE          where the results go (bench/results/DATE.json)
  --help`;
}

function names(text: string | undefined, known: readonly string[]): string[] {
  const list = (text ?? "").split(",").filter((name) => name !== "");
  const unknown = list.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`"${unknown}" does not exist; there are ${known.join(", ")}`);
  return list;
}

/**
 * Parses the command line.
 *
 * @returns The options, or undefined when help is asked for.
 * @throws {TypeError} When it cannot be understood.
 */
export function parseOptions(
  args: readonly string[],
  works: readonly string[],
  peers: readonly string[],
): Options | undefined {
  const flags = parseArgs([...args], {
    string: ["rounds", "only", "peers", "json"],
    boolean: ["quick", "cold", "help"],
    unknown: (argument) => {
      throw new TypeError(`"${argument}" is not an option; try --help`);
    },
  });
  if (flags.help) return undefined;
  const rounds = Number(flags.rounds ?? (flags.quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError("--rounds must be a whole number from 1");
  return {
    rounds,
    only: names(flags.only, works),
    peers: names(flags.peers, peers),
    quick: flags.quick,
    cold: flags.cold,
    json: flags.json === "" ? undefined : flags.json,
  };
}
