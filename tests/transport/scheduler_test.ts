import { assert, assertEquals, assertLess } from "@std/assert";
import { setImmediate } from "node:timers/promises";
import { endOfRound, LARGE_BYTES, takeTurn, TimeSlice } from "../../lib/transport/scheduler.ts";
import { MovedClock } from "../helpers/clock.ts";

/** Keeps the event loop to itself. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Longer than a round may last before others have to wait, in ms. */
const LONG_MS = 6;

/** Shorter than that, in ms. */
const SHORT_MS = 3;

/** Longer than the time between two looks for input, in ms. */
const VERY_LONG_MS = 12;

Deno.test("takeTurn() lets one go on in each round of the event loop, in their order", async () => {
  const order: string[] = [];
  const take = async (name: string) => {
    await takeTurn();
    order.push(name);
    // What is ready in the next round comes between two turns.
    void Promise.resolve().then(() => order.push(`after ${name}`));
  };
  await Promise.all(["a", "b", "c"].map(take));
  assertEquals(order, ["a", "after a", "b", "after b", "c", "after c"]);
});

Deno.test("takeTurn() leaves time for input, however many wait", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using server = await listener.accept();
  let turns = 0;
  let ended = false;
  const work = async () => {
    while (!ended) {
      spin(3);
      turns++;
      await takeTurn();
    }
  };
  const working = Promise.all(Array.from({ length: 20 }, work));
  const waits: number[] = [];
  for (let i = 0; i < 5; i++) {
    const reading = server.read(new Uint8Array(1));
    // It waits by now, and has to be told by the system.
    await takeTurn();
    const before = turns;
    await client.write(new Uint8Array(1));
    await reading;
    waits.push(turns - before);
  }
  ended = true;
  await working;
  assertLess(Math.max(...waits), 20, `turns of others while a byte arrived: ${waits}`);
});

for (const workers of [1, 5]) {
  Deno.test(`takeTurn() has looked for input after two long rounds, when ${workers} wait`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using server = await listener.accept();
    let turns = 0;
    let ended = false;
    const work = async () => {
      while (!ended) {
        spin(VERY_LONG_MS);
        turns++;
        await takeTurn();
      }
    };
    const working = Promise.all(Array.from({ length: workers }, work));
    for (let i = 0; i < 10; i++) {
      const reading = server.read(new Uint8Array(1));
      await takeTurn();
      const before = turns;
      await client.write(new Uint8Array(1));
      await reading;
      // One more may have begun before the system had brought the byte.
      assertLess(turns - before, 4, "turns of others while a byte arrived");
    }
    ended = true;
    await working;
  });
}

Deno.test("endOfRound() comes before the next turn of those who wait for one", async () => {
  const order: string[] = [];
  const turn = takeTurn().then(() => order.push("turn"));
  await Promise.all([turn, endOfRound().then(() => order.push("end")), takeTurn().then(() => order.push("turn"))]);
  assertEquals(order, ["end", "turn", "turn"]);
});

Deno.test("isOver() lets a small step be done once in a long round, and a large one not at all", async () => {
  using clock = new MovedClock(false);
  const [light, heavy] = [new TimeSlice(), new TimeSlice()];
  light.isOver();
  await setImmediate();
  await takeTurn();
  light.isOver();
  clock.forward(LONG_MS);
  assert(light.isOver(), "the second small step of a round");
  assert(heavy.isOver(LARGE_BYTES), "a large step");
  assert(!new TimeSlice().isOver(), "the first small step of a round");
});

Deno.test("isOver() lets everything be done in a short round", async () => {
  using clock = new MovedClock(false);
  const turn = new TimeSlice();
  await takeTurn();
  clock.forward(SHORT_MS);
  for (let i = 0; i < 10; i++) assert(!turn.isOver(LARGE_BYTES));
  await turn.pass();
  assert(!turn.isOver(LARGE_BYTES));
});
