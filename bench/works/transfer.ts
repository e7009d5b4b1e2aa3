import { basename, join } from "@std/path";
import { HOST } from "../helpers/ports.ts";
import { run } from "../helpers/process.ts";
import type { ServedFile, ServedTree } from "../helpers/scratch.ts";
import type { Sizes } from "../helpers/sizes.ts";
import { verifyFile, verifyTree } from "../helpers/verify.ts";
import type { RunningPeer, Transfer } from "../peers/peer.ts";
import { type Bench, counted, sized, type Work } from "./work.ts";

type Direction = "down" | "up";

/** How to move something, and how to check that it has arrived. */
export interface Plan {
  readonly transfer: Omit<Transfer, "host" | "notes">;
  /** All bytes that are moved. */
  readonly size: number;
  verify(bytes: boolean): void;
}

/** One file to or from the server. */
export function filePlan({ scratch }: Bench, { remote, local, size }: ServedFile, way: Direction): Plan {
  const name = basename(local);
  const { inbox, out } = scratch;
  const down = { kind: "get", remote, local: join(out, name), names: [] } as const;
  const up = { kind: "put", local, remote: `${inbox.remote}/${name}`, names: [] } as const;
  const copy = join(way === "down" ? out : inbox.local, name);
  return { transfer: way === "down" ? down : up, size, verify: (bytes) => verifyFile(local, copy, bytes) };
}

/** A tree to or from the server. */
export function treePlan({ scratch }: Bench, { remote, local, names, size }: ServedTree, way: Direction): Plan {
  const { inbox, out } = scratch;
  const down = { kind: "getTree", remote, local: out, names } as const;
  const up = { kind: "putTree", local, remote: inbox.remote, names } as const;
  const copy = join(way === "down" ? out : inbox.local, basename(local));
  return { transfer: way === "down" ? down : up, size, verify: (bytes) => verifyTree(local, copy, names, bytes) };
}

/**
 * Does a transfer with nothing of earlier ones in the way, and checks it.
 *
 * @returns The time of the whole client process, in seconds; undefined when the peer has no client for it.
 */
export async function timed(
  { scratch, signal }: Bench,
  peer: RunningPeer,
  { transfer, size, verify }: Plan,
  { host = HOST, bytes }: { host?: string; bytes: boolean },
): Promise<number | undefined> {
  await scratch.clear();
  const line = peer.client({ ...transfer, host, notes: scratch.notes() });
  if (!line) return undefined;
  await scratch.settle(size, signal);
  const seconds = await run(line, signal);
  verify(bytes);
  await scratch.clear();
  return seconds;
}

function transferWork(name: string, title: (sizes: Sizes) => string, plan: (bench: Bench) => Plan): Work {
  return {
    name,
    metrics: [{ id: name, unit: "s", title }],
    ferryOnly: false,
    prepare(bench) {
      plan(bench);
    },
    async measure(bench, peer, first) {
      const seconds = await timed(bench, peer, plan(bench), { bytes: first });
      return seconds === undefined ? undefined : { [name]: seconds };
    },
  };
}

/** One large file. */
export function fileWork(way: Direction): Work {
  const title = ({ bigBytes }: Sizes) => `${sized(bigBytes)} file ${way}`;
  return transferWork(way, title, (bench) => filePlan(bench, bench.scratch.big(), way));
}

/** Many small files. */
export function treeWork(way: Direction): Work {
  const title = ({ smallFiles, smallBytes }: Sizes) => `${counted(smallFiles)} x ${smallBytes / 1024} KiB ${way}`;
  return transferWork(
    `small-${way}`,
    title,
    (bench) => treePlan(bench, bench.scratch.tree(bench.sizes.smallFiles), way),
  );
}
