/**
 * A worker for tests: looks at directories all the time until it is told to stop, then says what it has seen. See
 * `Watcher` in `trees.ts`.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { setImmediate } from "node:timers/promises";
import { join } from "@std/path";
import { sameBytes } from "./frames.ts";

/** A directory, and the content that each name in it must have whenever it is there. */
export interface Watched {
  readonly root: string;
  readonly wanted: ReadonlyMap<string, Uint8Array>;
}

/** What was seen. */
export interface Seen {
  /** How often every directory was looked at. */
  readonly looks: number;
  /** Names that did not have the whole content at some moment. */
  readonly wrong: readonly string[];
}

/** The last version of each file that was compared. */
const versions = new Map<string, string>();
const wrong: string[] = [];

function check(root: string, path: string, wanted: Uint8Array | undefined): void {
  const full = join(root, path);
  const { ino, size, mtime } = Deno.statSync(full);
  const version = [ino, size, mtime?.getTime()].join();
  if (versions.get(full) === version) return;
  const found = Deno.readFileSync(full);
  if (wanted && sameBytes(found, wanted)) versions.set(full, version);
  else wrong.push(`${path}: ${found.length} of ${wanted?.length} bytes`);
}

function look({ root, wanted }: Watched, directory = ""): void {
  for (const { name, isDirectory } of Deno.readDirSync(join(root, directory))) {
    const path = directory + name;
    if (isDirectory) look({ root, wanted }, `${path}/`);
    else if (!name.startsWith(".ferry-")) check(root, path, wanted.get(path));
  }
}

async function watch(all: readonly Watched[]): Promise<void> {
  let stopped = false;
  self.onmessage = () => stopped = true;
  self.postMessage("watching");
  let looks = 0;
  for (; !stopped; looks++) {
    for (const each of all) look(each);
    await setImmediate();
  }
  self.postMessage({ looks, wrong } satisfies Seen);
}

self.onmessage = ({ data }: MessageEvent<Watched[]>) => void watch(data);
