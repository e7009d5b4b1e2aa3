import { join } from "@std/path";
import { HOST } from "../helpers/ports.ts";
import { run } from "../helpers/process.ts";
import { verifyFile } from "../helpers/verify.ts";
import { type Bench, sized, type Work } from "./work.ts";

/** Runs everything at once. @returns The time until the last has ended, in seconds. */
async function together(tasks: readonly (() => Promise<unknown>)[]): Promise<number> {
  const began = performance.now();
  const outcomes = await Promise.allSettled(tasks.map((task) => task()));
  const seconds = (performance.now() - began) / 1000;
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
  return seconds;
}

function targets({ scratch, sizes }: Bench): string[] {
  return Array.from({ length: sizes.clients }, (_, i) => join(scratch.out, `${i}.bin`));
}

/** Many clients at once, each of which gets a file. */
export const CLIENTS: Work = {
  name: "clients",
  metrics: [{
    id: "clients",
    unit: "s",
    title: ({ clients, clientBytes }) => `${clients} clients at once, ${sized(clientBytes)} each`,
  }],
  ferryOnly: false,
  prepare({ scratch }) {
    scratch.medium();
  },
  async measure(bench, peer, first) {
    const { scratch, sizes, signal } = bench;
    const { remote, local: source } = scratch.medium();
    await scratch.clear();
    const lines = targets(bench).map((local) =>
      peer.client({ kind: "get", remote, local, names: [], host: HOST, notes: scratch.notes() })
    ).filter((line) => line !== undefined);
    if (lines.length === 0) return undefined;
    await scratch.settle(sizes.clients * sizes.clientBytes, signal);
    const seconds = await together(lines.map((line) => () => run(line, signal)));
    for (const target of targets(bench)) verifyFile(source, target, first);
    await scratch.clear();
    return { clients: seconds };
  },
};
