import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../lib/mod.ts";
import { HOST } from "../helpers/ports.ts";
import { run } from "../helpers/process.ts";
import { quantile } from "../helpers/statistics.ts";
import { addressOf } from "../peers/ferry.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { filePlan } from "./transfer.ts";
import type { Bench, Work } from "./work.ts";

/** The pause between two listings, in ms. */
const PAUSE_MS = 2;

/** How many entries are listed. */
const ENTRIES = 20;

/** The share of listings that the result holds for. */
const SHARE = 0.99;

/** @returns How long a listing takes, in ms. */
async function listOnce(client: Client, path: string): Promise<number> {
  const began = performance.now();
  await Array.fromAsync(client.dir(path));
  return performance.now() - began;
}

/** Lists while another process downloads once; how long every listing took, in ms, from when the first bytes came. */
async function whileDownloading(bench: Bench, peer: RunningPeer, client: Client): Promise<number[]> {
  const { scratch, signal } = bench;
  await scratch.clear();
  const { transfer } = filePlan(bench, scratch.big(), "down");
  const line = peer.client({ ...transfer, host: HOST, notes: scratch.notes() });
  if (!line) throw new Error("there is no client");
  const took: number[] = [];
  let downloading = true;
  const download = run(line, signal).finally(() => downloading = false);
  const listing = (async () => {
    while (downloading && !signal.aborted) {
      const begun = !Deno.readDirSync(scratch.out)[Symbol.iterator]().next().done;
      const ms = await listOnce(client, scratch.directory(ENTRIES).remote);
      if (begun && downloading) took.push(ms);
      await delay(PAUSE_MS);
    }
  })();
  await Promise.all([download, listing]);
  return took;
}

/** How long a second client waits while another downloads at full speed. */
export const NEIGHBOUR: Work = {
  name: "neighbour",
  metrics: [
    { id: "neighbour/alone", unit: "ms", title: () => "small dir, nobody else there, p99" },
    { id: "neighbour/busy", unit: "ms", title: () => "small dir while another downloads, p99" },
  ],
  ferryOnly: true,
  prepare({ scratch }) {
    scratch.big();
    scratch.directory(ENTRIES);
  },
  async measure(bench, peer) {
    const { scratch, sizes } = bench;
    await using client = await connect(addressOf(peer));
    const alone: number[] = [];
    while (alone.length < sizes.neighbourSamples) {
      alone.push(await listOnce(client, scratch.directory(ENTRIES).remote));
      await delay(PAUSE_MS);
    }
    const busy: number[] = [];
    while (busy.length < sizes.neighbourSamples) busy.push(...await whileDownloading(bench, peer, client));
    await scratch.clear();
    return { "neighbour/alone": quantile(alone, SHARE), "neighbour/busy": quantile(busy, SHARE) };
  },
};
