import { cannot, FerryError, toFerryError } from "../../core/errors.ts";
import { Filter, type FilterRule } from "../../transfer/filter.ts";
import { quote } from "../../core/text.ts";
import { UsageError } from "../terminal/usage.ts";
import type { SourceWord } from "./destinations.ts";
import type { Flags } from "./flags.ts";
import type { Invocation } from "./invocation.ts";
import type { Shell } from "./shell.ts";

/** The patterns in a file: one in each line; empty lines and those that begin with `#` are none. */
function patternsIn(shown: string, path: string): string[] {
  if (shown === "-") throw new UsageError("--exclude-from needs a file; - is none");
  try {
    if (!Deno.statSync(path).isFile) throw new FerryError("NotAFile", "it is not a regular file");
    const lines = new TextDecoder().decode(Deno.readFileSync(path)).split(/\r?\n/);
    const patterns = lines.filter((line) => line.trim() !== "" && !line.startsWith("#"));
    const negated = patterns.find((pattern) => pattern.startsWith("!"));
    if (negated === undefined) return patterns;
    const reason = `${quote(negated)} in it would keep something, which only --include does, before --exclude-from`;
    throw new UsageError(`Cannot use ${quote(shown)}: ${reason}. A name that begins with ! is \\!`);
  } catch (error) {
    throw error instanceof UsageError ? error : cannot("read", shown, error);
  }
}

/**
 * What `--exclude`, `--include` and `--exclude-from` say, in the order in which they were typed.
 *
 * @throws {UsageError} For a pattern that makes no sense. @throws {FerryError} When a file cannot be read.
 */
export function readFilter(shell: Shell, { rules }: Flags): Filter | undefined {
  if (rules.length === 0) return undefined;
  const all: FilterRule[] = rules.flatMap(({ name, value }) => {
    const patterns = name === "exclude-from" ? patternsIn(value, shell.local(value)) : [value];
    return patterns.map((pattern) => ({ isIncluded: name === "include", pattern }));
  });
  try {
    return new Filter(all);
  } catch (error) {
    throw new UsageError(toFerryError(error).message);
  }
}

/** Says which patterns have matched nothing, as those do that begin with the name of the source. */
export function sayUnmatched({ shell, filter }: Invocation): void {
  const patterns = filter?.unmatched ?? [];
  if (patterns.length === 0) return;
  const list = patterns.map(quote).join(", ");
  shell.output.inform(`Matched nothing: ${list}. A pattern with a / begins at the top of the source, after its name.`);
}

/** @throws {UsageError} For options that choose or delete parts of a tree where the words name none, or several. */
export function requireTree({ flags, args }: Invocation, sources: readonly SourceWord[]): void {
  const { recursive, rules: [rule] } = flags;
  const isPattern = sources.some(({ pattern }) => pattern);
  if (rule && !recursive && !isPattern) throw new UsageError(`--${rule.name} needs -r or a pattern`);
  if (!flags.delete) return;
  const needed = !recursive
    ? "-r"
    : isPattern || sources.length > 1
    ? "one directory as its source: of several, or of a pattern, each would delete what the others have"
    : args.length < 2
    ? "a TARGET as the last word, in which it deletes"
    : undefined;
  if (needed) throw new UsageError(`--delete needs ${needed}`);
}

/** @throws {UsageError} For `--delete` with a source that is none. */
export function requireDirectory(flags: Flags, word: string): void {
  if (flags.delete) throw new UsageError(`--delete needs a directory as its source, and ${quote(word)} is none`);
}
