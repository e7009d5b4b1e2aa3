import { globToRegExp } from "@std/path";
import { FerryError } from "../core/errors.ts";
import { quote } from "../core/text.ts";

/** Says whether a row may have this item in this place. */
type Test<T> = (item: T) => boolean;

/** In a row of tests: any number of items. */
const ANY = Symbol("any");

/** A pattern may have this many alternatives. */
const MAX_ALTERNATIVES = 1000;

/** `{…,…}` without another one in it. */
const BRACES = /(?<!\\)\{((?:\\.|[^\\{}])*,(?:\\.|[^\\{}])*)\}/;

/** One step of a name's pattern: an escaped character, a class such as `[a-z]`, stars, or a single character. */
const STEP = /\\(.)|(\[!?(?:\\.|\[:\w+:\]|[^\]\\])+\])|(\*+)|(.)/gsu;

/**
 * Whether the items of a row pass the tests, in order. Takes no more steps than items times tests, whatever the row:
 * of several `ANY` only the last one is ever tried again, since the earlier ones leave it as much as possible.
 */
function fits<T>(tests: readonly (Test<T> | typeof ANY)[], items: readonly T[]): boolean {
  let test = 0;
  let again: { readonly test: number; at: number } | undefined;
  for (let at = 0; at < items.length;) {
    const each = tests[test];
    const item = items[at] as T;
    if (each === ANY) again = { test: ++test, at };
    else if (each?.(item)) {
      test++;
      at++;
    } else if (again) {
      test = again.test;
      at = ++again.at;
    } else return false;
  }
  return tests.slice(test).every((rest) => rest === ANY);
}

/** The patterns without `{…,…}` that a pattern stands for. */
function alternatives(pattern: string): string[] {
  const open = [pattern];
  const done: string[] = [];
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    const braces = BRACES.exec(each);
    if (!braces) done.push(each);
    else {
      const { 0: { length }, 1: inside = "", index } = braces;
      const [before, after] = [each.slice(0, index), each.slice(index + length)];
      open.push(...inside.split(/(?<!\\),/).map((one) => before + one + after));
    }
    if (open.length + done.length > MAX_ALTERNATIVES) {
      throw new FerryError(
        "BadRequest",
        `The pattern ${quote(pattern)} stands for more than ${MAX_ALTERNATIVES} others`,
      );
    }
  }
  return done;
}

/** The test for one name of a path. */
function nameTest(pattern: string): Test<string> {
  if (!/[\\*?[]/.test(pattern)) return (name) => name === pattern;
  const tests = Array.from(pattern.matchAll(STEP), ([, escaped, oneOf, stars, single]): Test<string> | typeof ANY => {
    if (stars) return ANY;
    if (single === "?") return () => true;
    return oneOf ? oneOfTest(oneOf) : (c) => c === (escaped ?? single);
  });
  return (name) => fits(tests, Array.from(name));
}

/** The test for one character, of which a class such as `[a-z]` says what it may be. */
function oneOfTest(oneOf: string): Test<string> {
  try {
    const expression = globToRegExp(oneOf);
    return (c) => expression.test(c);
  } catch (cause) {
    throw new FerryError("BadRequest", `In a pattern, ${quote(oneOf)} stands for no character`, { cause });
  }
}

function pathTest(pattern: string): Test<string> {
  const names = pattern.split("/");
  const tests = names.map((name) => name === "**" ? ANY : nameTest(name));
  // What is in a directory, and not the directory itself.
  if (names.length > 1 && names.at(-1) === "**") tests.push(() => true);
  return (path) => fits(tests, path.split("/"));
}

/**
 * A test for whole paths with `/` between names. `*` stands for any characters of a name, `?` for one, `[a-z]` for one of
 * these, `[!a-z]` for one of the others, `{one,other}` for either, and `**` as a whole name for any number of
 * directories; `\` takes the meaning from what follows it. A path takes time in proportion to its length times that of
 * the pattern, at most: names come from others.
 *
 * @throws {FerryError} `BadRequest` when the pattern stands for too many others, or for nothing.
 */
export function wildcards(pattern: string): (path: string) => boolean {
  const tests = alternatives(pattern).map(pathTest);
  return (path) => tests.some((test) => test(path));
}
