import { FerryError } from "../core/errors.ts";
import type { Entry } from "../core/metadata.ts";
import { isIn, splitPath } from "../core/remote_path.ts";
import { quote } from "../core/text.ts";
import { wildcards } from "./wildcards.ts";

/** What is to be taken or left out. */
export interface FilterRule {
  /** Whether what matches is taken. */
  readonly isIncluded: boolean;
  /**
   * With a `/` in it, or in front, it is the path from the top of the tree, otherwise a name at any depth. A `/` at its end
   * stands for directories only. The wildcards are those of {@linkcode wildcards}.
   */
  readonly pattern: string;
}

interface ParsedRule {
  readonly isIncluded: boolean;
  readonly matches: (entry: Entry) => boolean;
  /** The pattern, if it is a path from the top of the tree. */
  readonly fromTop: string | undefined;
}

/** @throws {FerryError} `InvalidPath` for what can match nothing, such as a path with `..` in it. */
function parse({ isIncluded, pattern }: FilterRule): ParsedRule {
  const [, top = "", path = "", end = ""] = /^(\/?)(.*?)(\/?)$/s.exec(pattern) ?? [];
  const never = path.split("/").find((name) => ["", ".", ".."].includes(name));
  if (never !== undefined) {
    const what = never === "" ? "an empty name" : `the name "${never}"`;
    throw new FerryError("InvalidPath", `The pattern ${quote(pattern)} matches nothing: no path has ${what} in it`);
  }
  const test = wildcards(path);
  const isPath = top !== "" || path.includes("/");
  return {
    isIncluded,
    fromTop: isPath ? pattern : undefined,
    matches: ({ path, kind }) => (end === "" || kind === "directory") && test(isPath ? path : splitPath(path)[1]),
  };
}

/**
 * Says which entries of a tree are taken: the first rule that matches decides, and what none matches is taken. What is in
 * a directory that is left out is left out, too.
 */
export class Filter {
  readonly #rules: readonly ParsedRule[];
  readonly #matched = new Set<ParsedRule>();

  /** With its rules in order. @throws {FerryError} `InvalidPath`, `BadRequest` for a pattern that makes no sense. */
  constructor(rules: readonly FilterRule[]) {
    this.#rules = rules.map(parse);
  }

  /** The patterns that are paths from the top, and have decided nothing so far. */
  get unmatched(): string[] {
    return this.#rules.flatMap((rule) => rule.fromTop === undefined || this.#matched.has(rule) ? [] : [rule.fromTop]);
  }

  /** Begins a listing. @returns What says of each entry whether it is taken; they must come in the listing's order. */
  selector(): (entry: Entry) => boolean {
    let out: string | undefined;
    return (entry) => {
      if (out !== undefined && isIn(entry.path, out)) return false;
      const rule = this.#rules.find(({ matches }) => matches(entry));
      if (rule) this.#matched.add(rule);
      if (rule?.isIncluded ?? true) return true;
      if (entry.kind === "directory") out = entry.path;
      return false;
    };
  }
}
