import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Entry } from "../../lib/core/metadata.ts";
import { Filter } from "../../lib/transfer/filter.ts";
import { assertThrowsCode } from "../helpers/failures.ts";

/** An entry by its path, a directory's with a `/` at its end. */
function entry(path: string): Entry {
  return { path: path.replace(/\/$/, ""), kind: path.endsWith("/") ? "directory" : "file", size: 0, mtimeMs: 0 };
}

/** A filter of rules such as `-*.o` and `+keep.o`. */
function filter(...rules: string[]): Filter {
  return new Filter(rules.map((rule) => ({ isIncluded: rule.startsWith("+"), pattern: rule.slice(1) })));
}

/** In the order of a listing. */
const TREE = ["a.o", "build/", "build/a.o", "build/keep.o", "src/", "src/a.c", "src/a.o", "src/build", "src/x/"]
  .concat("src/x/build/", "src/x/build/out", "src/x/keep.o");

function taken(...rules: string[]): string[] {
  const select = filter(...rules).selector();
  return TREE.filter((path) => select(entry(path)));
}

function without(...left: string[]): string[] {
  return TREE.filter((path) => !left.includes(path));
}

Deno.test("Filter takes everything without rules", () => {
  assertEquals(taken(), TREE);
});

Deno.test("Filter matches a name at any depth, or with a slash the path from the top", () => {
  assertEquals(taken("-a.o"), without("a.o", "build/a.o", "src/a.o"));
  assertEquals(taken("-/a.o"), without("a.o"));
  assertEquals(taken("-src/a.o"), without("src/a.o"));
  assertEquals(taken("-x/keep.o"), TREE);
  assertEquals(taken("-**/x/keep.o"), without("src/x/keep.o"));
  assertEquals(taken("-src/*"), without(...TREE.filter((path) => /^src\/./.test(path))));
});

Deno.test("Filter leaves out everything in a directory that it leaves out", () => {
  const left = ["build/", "build/a.o", "build/keep.o", "src/build", "src/x/build/", "src/x/build/out"];
  assertEquals(taken("-build"), without(...left));
  assertEquals(taken("-build/"), without(...left.filter((path) => path !== "src/build")));
  // The directory is never entered, so what is in it cannot be included.
  assertEquals(taken("+build/keep.o", "-build/"), without(...left.filter((path) => path !== "src/build")));
});

Deno.test("Filter does not take a name that only begins like a directory's for what is in it", () => {
  const select = filter("-a/").selector();
  const paths = ["a/", "a/x", "a0", "ab/", "ab/x"];
  assertEquals(paths.filter((path) => select(entry(path))), ["a0", "ab/", "ab/x"]);
});

Deno.test("Filter lets the first rule that matches decide", () => {
  assertEquals(taken("+keep.o", "-*.o"), without("a.o", "build/a.o", "src/a.o"));
  assertEquals(taken("-*.o", "+keep.o"), TREE.filter((path) => !path.endsWith(".o")));
  assertEquals(taken("+*/", "+*.c", "-*"), TREE.filter((path) => /[/c]$/.test(path)));
});

Deno.test("Filter can be used for several listings at once", () => {
  const both = filter("-build/");
  const [one, other] = [both.selector(), both.selector()];
  assertEquals(one(entry("build/")), false);
  assertEquals(other(entry("build/a.o")), true);
  assertEquals(one(entry("build/a.o")), false);
});

Deno.test("Filter refuses a pattern that matches no path", () => {
  for (const pattern of ["", "/", "//", "a//b", "./a", "../a", "a/..", "."]) {
    const { message } = assertThrowsCode("InvalidPath", () => filter(`-${pattern}`), pattern);
    assertStringIncludes(message, "no path has");
  }
});
