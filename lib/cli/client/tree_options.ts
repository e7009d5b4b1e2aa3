import { cannot, FerryError, toFerryError } from "../../core/errors.ts";
import { Filter, type FilterRule } from "../../transfer/filter.ts";
import { UsageError } from "../terminal/usage.ts";
import type { Flags } from "./flags.ts";
import type { Shell } from "./shell.ts";

/** The patterns in a file: one in each line; empty lines and those that begin with `#` are none. */
function patternsIn(shown: string, path: string): string[] {
  if (shown === "-") throw new UsageError("--exclude-from needs a file; - is none");
  try {
    if (!Deno.statSync(path).isFile) throw new FerryError("NotAFile", "it is not a regular file");
    const lines = new TextDecoder().decode(Deno.readFileSync(path)).split(/\r?\n/);
    return lines.filter((line) => line.trim() !== "" && !line.startsWith("#"));
  } catch (error) {
    throw cannot("read", shown, error);
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
