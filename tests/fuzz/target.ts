import { assert, assertFalse } from "@std/assert";
import { type ErrorCode, FerryError } from "../../lib/core/errors.ts";
import { Random } from "../helpers/random.ts";

/** Something that is tried with many random inputs. */
export interface Target {
  readonly name: string;
  /** How many of a hundred cases it gets when all targets are tried. */
  readonly share: number;
  /** How many of its cases run side by side. */
  readonly atOnce: number;
  /** Whether what happens in a case depends on the moment too, so that one that fails may succeed when it is tried again. */
  readonly isTimed?: boolean;
  /** Prepares what its cases have in common. */
  open(): Promise<Cases>;
}

/** A target that is ready. */
export interface Cases extends AsyncDisposable {
  /** Tries one case, which depends on nothing but `random`; throws when something is not as it must be. */
  run(random: Random): Promise<void> | void;
  /** Counts what was seen, so that one can tell whether the cases reach anything. */
  readonly seen: Tally;
}

/** Counts things by name. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }

  /** How often `name` was added. */
  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  toString(): string {
    return [...this.#counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ");
  }
}

/**
 * What `read` gives, or undefined when it refuses in an allowed way.
 *
 * @param secrets What the message of the refusal must not repeat.
 */
export function accepted<T>(
  read: () => T,
  codes: readonly ErrorCode[],
  seen: Tally,
  secrets: readonly string[] = [],
): T | undefined {
  try {
    const result = read();
    seen.add("accepted");
    return result;
  } catch (error) {
    assert(error instanceof FerryError, `threw ${Deno.inspect(error)}`);
    assert(codes.includes(error.code), `threw ${error.code}: ${error.message}`);
    for (const secret of secrets) assertFalse(error.message.includes(secret), error.message);
    seen.add(error.code);
    return undefined;
  }
}

/** A target that needs nothing but the function that tries a case. */
export function pureTarget(name: string, share: number, run: (random: Random, seen: Tally) => void): Target {
  const open = async (): Promise<Cases> => {
    const seen = new Tally();
    return { seen, run: (random) => run(random, seen), [Symbol.asyncDispose]: () => Promise.resolve() };
  };
  return { name, share, atOnce: 1, open };
}

/** What went wrong; of two failures of which one came while the other was on its way, both. */
function reasonOf(cause: unknown): string {
  if (cause instanceof SuppressedError) return `${reasonOf(cause.suppressed)}; and then ${reasonOf(cause.error)}`;
  return cause instanceof Error ? cause.message : Deno.inspect(cause);
}

/** A case that failed; the message says how to try it again, alone. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";
  readonly seed: number;

  constructor({ name, isTimed = false }: Target, seed: number, cause: unknown) {
    const reason = reasonOf(cause);
    const again = `deno task fuzz --only ${name} --seed ${seed} --cases 1`;
    const often = isTimed ? "\nIt depends on the moment too, so it may take some tries." : "";
    super(`${name} fails with seed ${seed}: ${reason}\nTry it again with: ${again}${often}`, { cause });
    this.seed = seed;
  }
}

/** Promises that were rejected and that nobody waits for. They end a process, so they fail a case. */
class Rejections implements Disposable {
  readonly #reasons: unknown[] = [];
  readonly #listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    this.#reasons.push(event.reason);
  };

  constructor() {
    addEventListener("unhandledrejection", this.#listener);
  }

  check(): void {
    if (this.#reasons.length > 0) {
      throw new Error("a promise was rejected that nobody waits for", { cause: this.#reasons[0] });
    }
  }

  [Symbol.dispose](): void {
    removeEventListener("unhandledrejection", this.#listener);
  }
}

/**
 * Tries `cases` cases. The seed of each is `seed` plus its number, so that each can be tried alone.
 *
 * @returns What was seen.
 * @throws {FuzzFailure} For the first case that fails.
 */
export async function fuzz(target: Target, seed: number, cases: number): Promise<Tally> {
  await using opened = await target.open();
  using rejections = new Rejections();
  const tryOne = async (seed: number) => {
    try {
      await opened.run(new Random(seed));
      rejections.check();
    } catch (cause) {
      throw new FuzzFailure(target, seed, cause);
    }
  };
  for (let done = 0; done < cases; done += target.atOnce) {
    const together = Math.min(target.atOnce, cases - done);
    const results = await Promise.allSettled(
      Array.from({ length: together }, (_, i) => tryOne((seed + done + i) >>> 0)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
  return opened.seen;
}
