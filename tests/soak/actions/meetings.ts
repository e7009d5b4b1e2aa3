import { join } from "@std/path";
import { FerryError } from "../../../lib/mod.ts";
import { Collector } from "../../helpers/raw.ts";
import type { Direction } from "../../helpers/resuming.ts";
import { contentOf, LARGEST_BYTES, sha256, shownBy } from "../contents.ts";
import type { Line } from "../line.ts";
import type { Worker } from "../worker.ts";
import { type Action, isFile, newContent, NothingToDo, upload, withSource } from "./action.ts";

/** Uses more lines, each of which may have another fault. */
async function withLinks(worker: Worker, count: number, use: (links: Line[]) => Promise<void>): Promise<void> {
  const links = Array.from({ length: count }, () => worker.newLink());
  try {
    await use(links);
  } finally {
    await Promise.all(links.map((link) => link.close()));
  }
}

/** Waits for all, then fails as the first that has failed. */
async function all(...promises: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Transfers a large file over several connections. */
async function inRanges(
  worker: Worker,
  direction: Direction,
  path: string,
  local: string,
  signal: AbortSignal,
): Promise<void> {
  const line = worker.newLink(3);
  try {
    await line.copy(direction, path, local, { signal, connections: 3 });
  } finally {
    await line.close();
  }
}

/** What clients do with several connections at the same time. */
export const MEETINGS = {
  "read while it is replaced": {
    weight: 6,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, isFile);
      if (!name) throw new NothingToDo();
      const content = newContent(random);
      await withLinks(worker, 1, async ([other]) => {
        const stream = new Collector();
        const reading = name.check(async () => {
          await (await other?.client(signal))?.get(name.path, stream, { signal });
          return sha256(stream.bytes);
        }, "what was read while it was replaced");
        const put = async (from: string) => await (await worker.link.client(signal)).put(from, name.path, { signal });
        await all(reading, upload(worker, name, content, put));
      });
    },
  },
  "two put the same name": {
    weight: 4,
    async run(worker, random, signal) {
      const name = worker.model.name(`${worker.place.remote}/${worker.newName("race")}`);
      const contents = [newContent(random), newContent(random)] as const;
      for (const { sha256 } of contents) name.may(sha256);
      // Who comes last has it, whoever that is.
      name.doubtful = true;
      const put = (link: Line | undefined, content: typeof contents[number]) =>
        withSource(worker, content, async (from) => {
          await (await link?.client(signal))?.put(from, name.path, { signal });
        });
      await withLinks(worker, 2, async (links) => {
        const results = await Promise.allSettled(contents.map((content, i) => put(links[i], content)));
        const failures = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
        if (failures.length === 0) await worker.model.checkDisk(name);
        const failure = failures.find((error) => !(error instanceof FerryError && error.code === "Busy"));
        if (failure) throw failure;
      });
    },
  },
  "over several connections": {
    weight: 1,
    async run(worker, random, signal) {
      const name = worker.model.name(`${worker.place.remote}/${worker.newName("large")}`);
      const content = contentOf(random, LARGEST_BYTES);
      await upload(worker, name, content, (from) => inRanges(worker, "put", name.path, from, signal));
      const local = join(worker.place.local, "large");
      await name.check(async () => {
        await inRanges(worker, "get", name.path, local, signal);
        return await shownBy(local);
      }, "the large local file");
      await Deno.remove(local);
      worker.place.tally.files += 2;
    },
  },
} satisfies Record<string, Action>;
