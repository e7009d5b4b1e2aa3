import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { compareUtf8, listingKey, sortUtf8 } from "../../lib/core/listing_order.ts";
import { withRandom } from "../helpers/random.ts";

/** Strings whose order depends on each rule, in order. */
const IN_ORDER = [
  "",
  "\0",
  "a",
  "a\0",
  "a-b",
  "a.b",
  "a/",
  "a/b",
  "a0",
  "aa",
  "b",
  "~",
  "\x7f",
  "é",
  "天",
  "\ud7ff",
  "\ue000",
  "\uffee",
  "\uffee\u{10000}",
  "\uffff",
  "\u{10000}",
  "\u{1f4e1}",
  "\u{1f4e1}\uffee",
  "\u{1f4e1}\u{10000}",
  "\u{1f4e2}",
  "\u{10ffff}",
];

Deno.test("compareUtf8() compares as the bytes do", () => {
  for (const [i, a] of IN_ORDER.entries()) {
    for (const [j, b] of IN_ORDER.entries()) {
      assertEquals(Math.sign(compareUtf8(a, b)), Math.sign(i - j), JSON.stringify([a, b]));
      assertEquals(Buffer.compare(Buffer.from(a), Buffer.from(b)), Math.sign(i - j), JSON.stringify([a, b]));
    }
  }
});

Deno.test("sortUtf8() sorts any strings as their bytes", () => {
  const characters = ["a", "b", "/", "é", "天", "\ud7ff", "\ue000", "\uffee", "\u{10000}", "\u{1f4e1}"] as const;
  withRandom((random) => {
    const name = () => Array.from({ length: random.below(5) }, () => random.pick(characters)).join("");
    const names = Array.from({ length: 500 }, name);
    const sorted = names.map((name) => Buffer.from(name)).sort(Buffer.compare).map(String);
    assertEquals(sortUtf8(names), sorted);
  });
  assertEquals(sortUtf8(["b", "\uffee", "a"]), ["a", "b", "\uffee"]);
  assertEquals(sortUtf8([]), []);
});

Deno.test("listingKey() puts what is in a directory right after it", () => {
  const entries = [
    { path: "a-", kind: "file" },
    { path: "a.b", kind: "directory" },
    { path: "a.b/c", kind: "file" },
    { path: "a", kind: "directory" },
    { path: "a/b", kind: "other" },
    { path: "a/b.c", kind: "file" },
    { path: "a0", kind: "file" },
  ];
  const keys = entries.map(listingKey);
  assertEquals(keys, ["a-", "a.b/", "a.b/c", "a/", "a/b", "a/b.c", "a0"]);
  assertEquals(keys.toReversed().sort(compareUtf8), keys);
});
