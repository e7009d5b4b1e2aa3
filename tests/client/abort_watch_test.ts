import { assertEquals } from "@std/assert";
import { AbortWatch } from "../../lib/client/abort_watch.ts";

/** A signal that counts its listeners. */
function countedSignal(): { abort: () => void; signal: AbortSignal; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  return { abort: () => controller.abort(), signal, listeners: () => listeners };
}

Deno.test("AbortWatch tells each who waits for the signal that is aborted, and nobody else", () => {
  const told: string[] = [];
  const watch = new AbortWatch<string>((who) => told.push(who));
  const [one, other] = [countedSignal(), countedSignal()];
  for (const who of ["a", "b", "c"]) watch.add(one.signal, who);
  watch.add(other.signal, "d");
  watch.add(undefined, "e");
  watch.remove(one.signal, "b");
  one.abort();
  assertEquals(told, ["a", "c"]);
  watch.add(one.signal, "f");
  assertEquals(told, ["a", "c", "f"]);
});

Deno.test("AbortWatch has one listener while anybody waits, and none when nobody does", () => {
  const watch = new AbortWatch<number>(() => {});
  const { signal, listeners } = countedSignal();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 100; i++) watch.add(signal, i);
    assertEquals(listeners(), 1);
    for (let i = 0; i < 99; i++) watch.remove(signal, i);
    watch.remove(signal, 0);
    watch.remove(undefined, 99);
    assertEquals(listeners(), 1);
    watch.remove(signal, 99);
    assertEquals(listeners(), 0);
  }
});
