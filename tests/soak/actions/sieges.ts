import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../../lib/mod.ts";
import { Impostors } from "../../fuzz/impostor.ts";
import type { Grounds } from "../../helpers/attack_grounds.ts";
import { Moves, type Step } from "../../helpers/attack_moves.ts";
import { Random } from "../../helpers/random.ts";
import { Collector } from "../../helpers/raw.ts";
import type { Worker } from "../worker.ts";
import type { Action } from "./action.ts";

/** How long attackers go on, in ms. */
const ATTACK_MS = 700;

/** How many directories a name is put below at once, and how often. */
const LEVELS = 100;
const MOST_MOVES = 130;

/** How many uploads are begun and given up. */
const LEFT = 40;

/** Servers that do not stop, for clients of this process. */
const impostors = await Impostors.open(false);
addEventListener("unload", () => void impostors[Symbol.asyncDispose]());

/** The directory in which a worker does nothing but harm. Nobody knows what must be in it. */
export function harmed(remote: string): string {
  return `harmed-${remote}`;
}

/** Does one step, and looks at what the server says. */
async function perform(client: Client, step: Step, grounds: Grounds, signal: AbortSignal): Promise<void> {
  const said = await answer(client, step, signal).catch((error: unknown) => {
    if (client.hasEnded) throw error;
    return String(error);
  });
  grounds.checkSent(new TextEncoder().encode(JSON.stringify(said)));
}

async function answer(client: Client, step: Step, signal: AbortSignal): Promise<unknown> {
  const { command, path } = step;
  switch (command) {
    case "rename":
      return await client.rename(path, step.to, { signal });
    case "dir":
      return await Array.fromAsync(client.dir(path, { recursive: step.recursive, signal }));
    case "put":
      return await client.put(new Blob([step.content]).stream(), path, { signal });
    case "get":
      return await client.get(path, new Collector(), { signal });
    case "stat":
    case "sum":
      return await client[command](path, { signal });
    default:
      return await client[command](path, { ...step, signal });
  }
}

/** Does steps over and over, some at once, on a connection of its own. */
async function repeat(worker: Worker, steps: readonly Step[], random: Random, signal: AbortSignal): Promise<void> {
  const { server, grounds } = worker.place;
  await using client = await connect({ ...server.at(worker.line), signal });
  const until = performance.now() + ATTACK_MS;
  for (let i = 0; performance.now() < until && !signal.aborted;) {
    const some = Array.from({ length: 1 + random.below(12) }, () => steps[i++ % steps.length]);
    await Promise.all(some.map((step) => step && perform(client, step, grounds, signal)));
  }
}

/** What those do who have a right to be here, and want to do harm. */
export const SIEGES = {
  "moves under lists and removals": {
    weight: 3,
    async run(worker, random, signal) {
      const { root, remote } = worker.place;
      const base = `${random.u32()}`;
      const moves = new Moves(random, harmed(remote), base);
      // A server that starts again takes what it finds.
      moves.layOut(root);
      const works = [moves.swap, random.below(2) ? moves.list() : moves.makeAndRemove(), moves.something()];
      const ended = await Promise.allSettled(
        works.map((work) => repeat(worker, work, new Random(random.u32()), signal)),
      );
      for (const result of ended) if (result.status === "rejected") throw result.reason;
    },
  },
  "deeper and deeper": {
    weight: 1,
    async run(worker, random, signal) {
      const client = await worker.link.client();
      const path = `${harmed(worker.place.remote)}/${random.u32()}`;
      const below = `${path}-new/${"d/".repeat(LEVELS)}`;
      await client.mkdir(path, { parents: true, signal });
      for (let i = random.below(MOST_MOVES); i > 0; i--) {
        const asks = [
          client.mkdir(below.slice(0, -1), { parents: true, signal }),
          client.rename(path, `${below}d`, { signal }),
          client.rename(`${path}-new`, path, { signal }),
        ];
        const [made, ...moved] = await Promise.allSettled(asks);
        if (made?.status === "rejected") throw made.reason;
        if (moved.some(({ status }) => status === "rejected")) break;
      }
      await client.remove(path, { recursive: true, signal });
    },
  },
  "not reading": {
    weight: 2,
    async run(worker, random, signal) {
      const { server } = worker.place;
      await using client = await connect({ ...server.at(worker.line), signal });
      const listing = client.dir(undefined, { recursive: true, signal });
      await listing.next();
      for (let i = random.below(20); i > 0; i--) void Array.fromAsync(client.dir()).catch(() => {});
      await delay(random.below(2000), undefined, { signal }).catch(() => {});
      await listing.return?.();
    },
  },
  "uploads that are left": {
    weight: 1,
    async run(worker, random, signal) {
      const { server, remote } = worker.place;
      const directory = `${harmed(remote)}/left`;
      await using client = await connect({ ...server.at(worker.line), signal });
      await client.mkdir(directory, { parents: true, signal });
      const puts = Array.from({ length: LEFT }, (_, i) => {
        const stream = ReadableStream.from(async function* () {
          yield random.bytes(1 + random.below(2000));
          throw new Error("that is all");
        }());
        return client.put(stream, `${directory}/${i}`, { signal });
      });
      await Promise.allSettled(puts);
    },
  },
  "a server that does not stop": {
    weight: 1,
    run: (_worker, random) => Promise.resolve(impostors.run(new Random(random.u32()))),
  },
} satisfies Record<string, Action>;
