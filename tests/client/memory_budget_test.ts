import { assertEquals } from "@std/assert";
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
  budget.give(1);
  await within(waiting[0] ?? Promise.resolve());
  assertEquals(order, ["first"]);
  budget.give(5);
  await within(Promise.all(waiting));
  assertEquals(order, ["first", "second"]);
});

Deno.test("MemoryBudget.take() waits for nobody who gives nothing back for a while", async () => {
  const budget = new MemoryBudget(10);
  await budget.take(10, undefined);
  const began = performance.now();
  await within(Promise.all([budget.take(1, undefined), budget.take(20, undefined)]));
  assertEquals(performance.now() - began >= 95, true);
});

Deno.test("MemoryBudget.take() that is given up takes nothing", async () => {
  const budget = new MemoryBudget(10);
  await budget.take(10, undefined);
  const stop = new AbortController();
  const taking = failsWith(Promise.resolve(budget.take(8, stop.signal)), "Cancelled");
  stop.abort();
  await within(taking);
  budget.give(10);
  await Promise.resolve();
  assertEquals(budget.take(10, undefined), undefined);
});
