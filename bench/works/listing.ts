import { connect } from "../../lib/mod.ts";
import { memoryOf } from "../helpers/memory.ts";
import { addressOf, FERRY } from "../peers/ferry.ts";
import { counted, type Work } from "./work.ts";

/** A listing of a large directory by a server that has done nothing else yet. */
export const LISTING: Work = {
  name: "listing",
  metrics: [
    { id: "listing/first", unit: "ms", title: ({ listed }) => `dir of ${counted(listed)}, first entry` },
    { id: "listing/all", unit: "s", title: ({ listed }) => `dir of ${counted(listed)}, all` },
    { id: "listing/memory", unit: "MB", title: ({ listed }) => `dir of ${counted(listed)}, growth of the server` },
  ],
  ferryOnly: true,
  prepare({ scratch, sizes }) {
    scratch.directory(sizes.listed);
  },
  async measure({ scratch, sizes }) {
    await using server = await FERRY.start({ own: scratch.own(), served: scratch.served });
    await using client = await connect(addressOf(server));
    const before = memoryOf(server.pid, "VmRSS");
    const began = performance.now();
    let first: number | undefined;
    let seen = 0;
    for await (const _entry of client.dir(scratch.directory(sizes.listed).remote)) {
      first ??= performance.now() - began;
      seen++;
    }
    const all = performance.now() - began;
    if (seen !== sizes.listed || first === undefined) throw new Error(`${seen} entries instead of ${sizes.listed}`);
    const growth = (memoryOf(server.pid, "VmHWM") - before) * 1024 / 1e6;
    return { "listing/first": first, "listing/all": all / 1000, "listing/memory": growth };
  },
};
