import { assertEquals, assertLess } from "@std/assert";
import { type Kind, RawPeer, Served, within } from "../helpers/raw.ts";

/** How long a request of the attacker takes, in ms; longer than the time between two looks for input. */
const STEP_MS = 12;

/** More than there are rounds of the event loop without a look for input. */
const REQUESTS = 200;

/** A server on which `mkdir` keeps the event loop to itself for a while, and how often it has. */
async function withSlowMkdir() {
  const count = { done: 0 };
  const served = await Served.with({ "d/a.txt": "a" }, {}, () => ({
    mkdir: async () => {
      const end = performance.now() + STEP_MS;
      while (performance.now() < end);
      count.done++;
    },
  }));
  return { served, count };
}

for (const attackers of [1, 3]) {
  Deno.test(`serve() answers others between the requests that ${attackers} sent ahead, on old connections and new ones`, async () => {
    const { served, count } = await withSlowMkdir();
    await using _ = served;
    using before = await RawPeer.greeted(served.address);
    const peers = await Promise.all(Array.from({ length: attackers }, () => RawPeer.greeted(served.address)));
    const requests = Array.from(
      { length: REQUESTS },
      (): [Kind, unknown] => ["request", { command: "mkdir", path: "x" }],
    );
    for (const peer of peers) await peer.sendAll(...requests);
    const taken: number[] = [];
    for (let i = 0; i < 5; i++) {
      const began = count.done;
      assertEquals((await before.ask({ command: "dir", path: "d" })).outcome, "ok");
      taken.push(count.done - began);
    }
    // Sent, seen, answered, received: this process is both ends.
    assertLess(Math.max(...taken), 10, `steps of others during a dir: ${taken}`);
    const began = count.done;
    using late = await RawPeer.greeted(served.address);
    assertEquals((await within(late.ask({ command: "dir", path: "d" }))).outcome, "ok");
    assertLess(count.done - began, 30, "steps of others until a new connection has its answer");
    for (const peer of peers) peer[Symbol.dispose]();
    await served.events.until("close", attackers);
  });
}
