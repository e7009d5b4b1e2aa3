import { assert } from "@std/assert";

/** The lines of an audit log. */
export function linesOf(path: string): Record<string, unknown>[] {
  const text = Deno.readTextFileSync(path);
  assert(text === "" || text.endsWith("\n"), text);
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}
