import { assert, assertEquals } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import { localSource, localTarget } from "../../lib/transfer/local.ts";
import { NOT_ON_WINDOWS } from "../helpers/places.ts";
import { bytes } from "../helpers/random.ts";
import { DIRECTIONS, MIB, Resuming } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";

/** Runs something, and gives all permission bits that a partial file has meanwhile, from when it is made or opened on. */
async function bitsDuring(partial: string, run: () => Promise<unknown>): Promise<number[]> {
  const seen = new Set<number>();
  const { openSync, chmodSync, renameSync } = Deno;
  Deno.openSync = (path, options) => {
    const file = openSync(path, options);
    if (path === partial && options?.createNew) seen.add((file.statSync().mode ?? 0) & 0o7777);
    return file;
  };
  Deno.chmodSync = (path, mode) => {
    chmodSync(path, mode);
    if (path === partial) seen.add(mode);
  };
  Deno.renameSync = (from, to) => {
    if (from === partial) seen.add((Deno.lstatSync(from).mode ?? 0) & 0o7777);
    renameSync(from, to);
  };
  try {
    await run();
  } finally {
    Object.assign(Deno, { openSync, chmodSync, renameSync });
  }
  return [...seen];
}

/** How a file arrives: its size, and what an earlier attempt has left of it. */
const WAYS = {
  "small": { size: 10 },
  "of several frames": { size: 3 * MIB + 5 },
  "in parts": { size: 65 * MIB },
  "resumed": { size: 3 * MIB + 5, kept: 2 * MIB },
} as const;

/** The bits of the source, the receiver's umask, and the bits in the end. */
const CASES = [
  [0o600, 0o000, 0o600],
  [0o755, 0o022, 0o755],
  [0o755, 0o077, 0o700],
  [0o444, 0o022, 0o444],
  [0o666, 0o027, 0o640],
  [0o6755, 0o022, 0o755],
] as const;

for (const direction of DIRECTIONS) {
  for (const [way, { size, ...left }] of Object.entries(WAYS)) {
    Deno.test(
      `copyFile() as a ${direction} of a file ${way} never gives it more than its mode and the umask allow`,
      NOT_ON_WINDOWS,
      async () => {
        const content = bytes(size, 5);
        for (const [mode, umask, end] of size > 64 * MIB ? CASES.slice(0, 2) : CASES) {
          const kept = "kept" in left ? content.slice(0, left.kept) : undefined;
          await using scene = await Resuming.of(direction, content, kept);
          await using client = await connect({ ...scene.served.address, connections: 3 });
          Deno.chmodSync(scene.source, mode);
          const there = { storage: client.storage, path: at("f"), shown: "f" };
          const [source, target] = direction === "get"
            ? [there, localTarget(scene.target)]
            : [localSource(scene.source), there];
          const known = await source.storage.stat(source.path);
          const usual = Deno.umask(umask);
          try {
            const seen = await bitsDuring(
              scene.partial,
              () => copyFile(source, target, { verb: direction, connections: 3, known }),
            );
            assert(seen.length > 0);
            const allowed = (mode | 0o600) & 0o777 & ~umask;
            assertEquals(seen.filter((bits) => (bits & ~allowed) !== 0), [], `${mode.toString(8)}`);
          } finally {
            Deno.umask(usual);
          }
          assertEquals((Deno.statSync(scene.target).mode ?? 0) & 0o7777, end);
        }
      },
    );
  }
}
