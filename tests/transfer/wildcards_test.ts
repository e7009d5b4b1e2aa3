import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { wildcards } from "../../lib/transfer/wildcards.ts";
import { assertThrowsCode } from "../helpers/failures.ts";

const CASES: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
  ["a.txt", ["a.txt"], ["a,txt", "a.txt/b", "b/a.txt", "A.txt"]],
  ["*.txt", [".txt", "a.txt", "a.b.txt", "a\nb.txt"], ["a.txtx", "d/a.txt", "a.txt/"]],
  ["a*b*c", ["abc", "abcbc", "a--b--c", "abcc"], ["ab", "abcd", "xabc", "a/bc"]],
  ["*ab", ["ab", "aab", "abab"], ["aba", "a", ""]],
  ["?", ["a", "天", "📡", "?"], ["", "ab", "/"]],
  ["d/?.c", ["d/x.c"], ["d/xy.c", "x.c", "d/.c", "d//x.c"]],
  ["*", ["a", "📡*"], ["a/b"]],
  ["**", ["a", "a/b", "a/b/c"], []],
  ["**/b", ["b", "a/b", "a/x/b"], ["ab", "a/b/c", "xb"]],
  ["a/**", ["a/b", "a/b/c"], ["a", "ab", "x/a/b"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab", "a", "a/b/x"]],
  ["**/a/**/b/*", ["a/b/x", "q/a/q/b/x", "a/b/b/b"], ["a/b", "b/a/x"]],
  ["a**b", ["ab", "axb"], ["a/b"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x", "[a-c]x"]],
  ["[!a-c]x", ["dx", "天x"], ["ax", "x"]],
  ["[[:digit:]]", ["5"], ["a"]],
  ["[a\\]]", ["a", "]"], ["b"]],
  ["*.{jpg,png}", ["a.jpg", "a.png"], ["a.gif", "a.{jpg,png}"]],
  ["{a,b{c,d}}/x", ["a/x", "bc/x", "bd/x"], ["b/x", "c/x"]],
  ["{a}", ["{a}"], ["a"]],
  ["\\*\\{a,b\\}\\\\", ["*{a,b}\\"], ["x{a,b}\\", "*a\\"]],
  ["[", ["["], [""]],
  ["a[]b", ["a[]b"], ["ab"]],
  ["a.b+(c)|^$", ["a.b+(c)|^$"], ["aXb+(c)|^$", "a.bb"]],
];

Deno.test("wildcards() matches what the pattern says, and nothing else", () => {
  for (const [pattern, matching, others] of CASES) {
    const test = wildcards(pattern);
    for (const path of matching) assert(test(path), `${pattern} should match ${path}`);
    for (const path of others) assert(!test(path), `${pattern} should not match ${path}`);
  }
});

Deno.test("wildcards() takes milliseconds for names that are made to take long", () => {
  const began = performance.now();
  const slow = wildcards("*a*a*a*a*a*a*b");
  for (let i = 0; i < 20; i++) assert(!slow("a".repeat(255)));
  assert(slow("a".repeat(255) + "b"));
  const deep = wildcards("**/a*a*b/**/a*a*b/**/a/**/b");
  assert(!deep(`${"aaaaaaaaaaaaaab/".repeat(250)}a/a`));
  // A regular expression takes 12 s for one such name.
  assertLess(performance.now() - began, 1000);
});

Deno.test("wildcards() refuses patterns that stand for far too many or for nothing", () => {
  assertThrowsCode("BadRequest", () => wildcards("{a,b}".repeat(60)));
  const { message } = assertThrowsCode("BadRequest", () => wildcards("[z-a]"));
  assertStringIncludes(message, '"[z-a]"');
  assertEquals(wildcards("{a,b}".repeat(9))("abababab" + "a"), true);
});
