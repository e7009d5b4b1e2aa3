import { assertEquals, assertStringIncludes } from "@std/assert";
import { MemoryBudget } from "../../lib/client/memory_budget.ts";
import { failsWith, within } from "../helpers/raw.ts";

Deno.test("MemoryBudget.take() gives what there is at once, and lets the others wait in order", async () => {
  const budget = new MemoryBudget(10);
  const order: string[] = [];
  const take = async (name: string, bytes: number) => {
    await budget.take(bytes, undefined);
    order.push(name);
  };
  assertEquals(budget.take(6, undefined), undefined);
  // The second would have room, but comes after the first.
  const waiting = [take("first", 5), take("second", 4)];
  budget.give(1, false);
  await within(waiting[0] ?? Promise.resolve());
  assertEquals(order, ["first"]);
  budget.give(5, false);
  await within(Promise.all(waiting));
  assertEquals(order, ["first", "second"]);
});

Deno.test("MemoryBudget.take() fails when for 60 s nobody goes on with what was taken, unless it is on its way", async () => {
  const set = globalThis.setTimeout;
  const looks: (() => void)[] = [];
  globalThis.setTimeout = ((what: () => void, ms: number) => {
    if (ms !== 60_000) return set(what, ms);
    looks.push(what);
    return set(() => {}, 0);
  }) as typeof setTimeout;
  try {
    const budget = new MemoryBudget(10);
    budget.take(10, undefined);
    const first = Promise.resolve(budget.take(1, undefined));
    budget.send(4);
    looks.shift()?.();
    budget.give(4, true);
    await within(first);
    const second = failsWith(Promise.resolve(budget.take(4, undefined)), "Busy");
    budget.use();
    looks.shift()?.();
    looks.shift()?.();
    assertStringIncludes((await second).message, "commit or abort");
    assertEquals(looks, []);
  } finally {
    globalThis.setTimeout = set;
  }
});

Deno.test("MemoryBudget.take() that is given up takes nothing", async () => {
  const budget = new MemoryBudget(10);
  await budget.take(10, undefined);
  const stop = new AbortController();
  const taking = failsWith(Promise.resolve(budget.take(8, stop.signal)), "Cancelled");
  stop.abort();
  await within(taking);
  budget.give(10, false);
  await Promise.resolve();
  assertEquals(budget.take(10, undefined), undefined);
});
