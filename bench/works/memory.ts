import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../lib/mod.ts";
import { memoryOf } from "../helpers/memory.ts";
import { addressOf, FERRY } from "../peers/ferry.ts";
import { counted, sized, type Work } from "./work.ts";

/** How long a server is left alone before its memory is looked at, in ms. */
const SETTLE_MS = 1_000;

/** Connections that are opened and closed before, so that what the first ones cost is not counted. */
const WARM_UP = 20;

/** How many connections are opened at a time. */
const BATCH = 50;

/** Memory of a server with many connections that do nothing. */
export const IDLE: Work = {
  name: "idle",
  metrics: [{ id: "idle", unit: "KB", title: ({ idle }) => `memory of each of ${counted(idle)} idle connections` }],
  ferryOnly: true,
  prepare() {},
  async measure({ scratch, sizes, signal }) {
    await using server = await FERRY.start({ own: scratch.own(), served: scratch.served });
    await using clients = new AsyncDisposableStack();
    const open = async () => clients.use(await connect({ ...addressOf(server), signal }));
    for (let i = 0; i < WARM_UP; i++) await (await open()).close();
    await delay(SETTLE_MS);
    const before = memoryOf(server.pid, "VmRSS");
    for (let left = sizes.idle; left > 0; left -= BATCH) {
      await Promise.all(Array.from({ length: Math.min(left, BATCH) }, open));
    }
    await delay(SETTLE_MS);
    const kilobytes = (memoryOf(server.pid, "VmRSS") - before) * 1.024;
    return { idle: kilobytes / sizes.idle };
  },
};

/** The most memory of a server that sends to many at once. */
export const PEAK: Work = {
  name: "peak",
  metrics: [{
    id: "peak",
    unit: "MB",
    title: ({ readers, readerBytes }) => `server's memory, ${readers} downloads of ${sized(readerBytes)} at once`,
  }],
  ferryOnly: true,
  prepare({ scratch }) {
    scratch.sparse();
  },
  async measure({ scratch, sizes, signal }) {
    await using server = await FERRY.start({ own: scratch.own(), served: scratch.served });
    await Promise.all(Array.from({ length: sizes.readers }, async () => {
      await using client = await connect({ ...addressOf(server), signal });
      await client.get(scratch.sparse().remote, new WritableStream(), { signal });
    }));
    return { peak: memoryOf(server.pid, "VmHWM") * 1024 / 1e6 };
  },
};
