import { join } from "@std/path";
import { FerryError } from "../../../lib/mod.ts";
import { Collector } from "../../helpers/raw.ts";
import { sha256, shownBy } from "../contents.ts";
import { type Name, Wrong } from "../model.ts";
import type { Worker } from "../worker.ts";
import { type Action, isFile, newContent, NothingToDo, target, upload } from "./action.ts";

/** Downloads to a local file, again if that fails; it must show a whole content, or nothing. */
async function getTo(worker: Worker, name: Name, local: string, get: () => Promise<unknown>): Promise<void> {
  const before = await shownBy(local);
  await name.check(async () => {
    try {
      await get();
    } catch (error) {
      const shown = await shownBy(local);
      // What it showed before is right, too; what it shows otherwise is to be judged.
      if (shown !== before) await name.check(() => Promise.resolve(shown), `after ${error} the local file`);
      throw error;
    }
    return await shownBy(local);
  }, "the local file");
  worker.place.tally.files++;
}

/** A signal that is aborted in the middle of something, perhaps. */
function soon(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}

/** What a client does with single files. */
export const FILES = {
  "put": {
    weight: 22,
    async run(worker, random, signal) {
      const options = { signal, verify: random.below(4) === 0, durable: random.below(20) === 0 };
      const name = target(worker, random);
      await upload(worker, name, newContent(random), (from) => worker.link.copy("put", name.path, from, options));
      worker.place.tally.files++;
    },
  },
  "put again": {
    weight: 10,
    async run(worker, random, signal) {
      // What was interrupted is tried again, and goes on where it stopped.
      const name = worker.model.pick(random, ({ doubtful, uploaded }) => doubtful && uploaded !== undefined);
      const content = name?.uploaded;
      if (!name || !content) throw new NothingToDo();
      await upload(worker, name, content, (from) => worker.link.copy("put", name.path, from, { signal }));
      worker.place.tally.files++;
    },
  },
  "get": {
    weight: 22,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, ({ allowed }) => !allowed.has(null));
      if (!name) throw new NothingToDo();
      const local = join(worker.place.local, `got${random.below(5)}`);
      const options = { signal, verify: random.below(4) === 0 };
      await getTo(worker, name, local, () => worker.link.copy("get", name.path, local, options));
    },
  },
  "get to a stream": {
    weight: 4,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, ({ allowed }) => !allowed.has(null));
      if (!name) throw new NothingToDo();
      const client = await worker.link.client(signal);
      const stream = new Collector();
      await name.check(async () => {
        await client.get(name.path, stream, { signal });
        return sha256(stream.bytes);
      }, "what came through the stream");
    },
  },
  "cancel a put": {
    weight: 6,
    async run(worker, random, signal) {
      const name = target(worker, random);
      const options = { signal: soon(signal, random.below(200)) };
      await upload(worker, name, newContent(random), (from) => worker.link.copy("put", name.path, from, options));
    },
  },
  "cancel a get": {
    weight: 6,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, ({ allowed }) => !allowed.has(null));
      if (!name) throw new NothingToDo();
      const local = join(worker.place.local, `got${random.below(5)}`);
      const options = { signal: soon(signal, random.below(100)) };
      await getTo(worker, name, local, () => worker.link.copy("get", name.path, local, options));
    },
  },
  "rename": {
    weight: 5,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, isFile);
      const [state] = name?.allowed ?? [];
      if (!name || typeof state !== "string") throw new NothingToDo();
      const to = `${worker.place.remote}/${worker.newName("renamed")}`;
      const client = await worker.link.client(signal);
      const change = new Map([[name.path, null], [to, state]]);
      await worker.change(change, () => client.rename(name.path, to, { signal }));
    },
  },
  "remove": {
    weight: 8,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, isFile);
      if (!name) throw new NothingToDo();
      const client = await worker.link.client(signal);
      await worker.change(new Map([[name.path, null]]), () => client.remove(name.path, { signal }));
    },
  },
  "look": {
    weight: 10,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, isFile);
      const client = await worker.link.client(signal);
      const { remote } = worker.place;
      if (!name) throw new NothingToDo();
      const directory = `${remote}/${worker.newName("d")}/x`;
      const asked = [client.sum(name.path, { signal }), client.stat(name.path, { signal })] as const;
      const made = client.mkdir(directory, { parents: true, signal }).then(() => client.remove(directory, { signal }));
      const listed = Array.fromAsync(client.dir(remote, { recursive: true, signal }), ({ path }) => path);
      const results = await Promise.allSettled([...asked, made, listed]);
      const failure = results.find((result) => result.status === "rejected");
      if (failure) throw failure.reason;
      const [{ sha256, size }, metadata] = await Promise.all(asked);
      await name.check(() => Promise.resolve(sha256), "the sum");
      if (metadata.size !== size) throw new Wrong(`${name.path} has ${metadata.size} and ${size} bytes`);
      const found = (await listed).map((path) => `${remote}/${path}`);
      if (!found.includes(name.path)) throw new Wrong(`${name.path} is not listed among ${found}`);
    },
  },
  "ask for what is not there": {
    weight: 3,
    async run(worker, random, signal) {
      const client = await worker.link.client(signal);
      const path = `${worker.place.remote}/nothing`;
      const operation = random.pick([
        () => client.stat(path, { signal }),
        () => client.sum(path, { signal }),
        () => client.remove(path, { signal }),
        () => client.rename(path, `${path}2`, { signal }),
        () => client.get(path, new Collector(), { signal }),
        () => client.mkdir(`${path}/x`, { signal }),
      ]);
      const error = await operation().then(() => undefined, (error: unknown) => error);
      if (!(error instanceof FerryError)) throw new Wrong(`what is not there gave ${Deno.inspect(error)}`);
      if (error.code !== "NotFound") throw error;
    },
  },
} satisfies Record<string, Action>;
