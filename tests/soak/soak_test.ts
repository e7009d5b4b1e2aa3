import { assertEquals, assertGreater } from "@std/assert";
import { soak } from "./soak.ts";

const ignore = Deno.build.os !== "linux";
if (ignore) console.log("soak() is not tested: it looks into /proc, which only Linux has.");

/** `deno task soak` does the same for ten minutes. */
Deno.test("soak() leaves right files only, and nothing else", { ignore }, async () => {
  const { tally, results } = await soak({ seed: 1, ms: 2_000, stop: new AbortController(), report: () => {} });
  assertEquals(results.map(({ kind }) => kind), ["plain", "tls"]);
  assertGreater(tally.cases.total, 20);
  assertGreater(tally.files, 20);
  assertGreater(tally.connections.total, 5);
});
