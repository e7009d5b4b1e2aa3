import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { execute } from "../../lib/cli/client/shell_commands.ts";
import { Exit } from "../../lib/cli/terminal/exit.ts";
import { Shell } from "../../lib/cli/client/shell.ts";
import { explain } from "../../lib/cli/terminal/explain.ts";
import type { Entry } from "../../lib/core/metadata.ts";
import { ConnectionPool } from "../../lib/client/connection_pool.ts";
import type { PoolOptions } from "../../lib/client/pool_connections.ts";
import { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { listAgain } from "../../lib/transfer/listing.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { copyTree, type TreeOptions, type TreeProgress } from "../../lib/transfer/tree.ts";
import type { Address } from "./proxy.ts";
import { bytes, type Random } from "./random.ts";
import { within } from "./raw.ts";
import type { Direction } from "./resuming.ts";
import { at } from "./storage.ts";
import type { Seen } from "./watch_worker.ts";

/** The files of a tree by path; null stands for an empty directory. */
export type Tree = Readonly<Record<string, string | Uint8Array | null>>;

/** A moment long ago, so that no file of a test looks as if it was being written. */
const LONG_AGO_MS = 1_600_000_000_000;

/** Makes a tree in a directory; each file has a time of its own. */
export function makeTree(root: string, tree: Tree): void {
  for (const [i, [path, content]] of Object.entries(tree).entries()) {
    const full = join(root, path);
    Deno.mkdirSync(content === null ? full : dirname(full), { recursive: true });
    if (content === null) continue;
    Deno.writeFileSync(full, typeof content === "string" ? new TextEncoder().encode(content) : content);
    const time = new Date(LONG_AGO_MS + i * 1001);
    Deno.utimeSync(full, time, time);
  }
}

/** A tree of `files` files of up to `most` bytes in directories up to five deep, some of them empty. */
export function randomTree(random: Random, files: number, most: number): Tree {
  const tree: Record<string, Uint8Array | null> = { "leer": null, "天线/空": null };
  const directories = ["", "a/", "a/b/", "a.b/", "天线/", "天线/测试/x/y/", "deep/er/and/deep/er/"] as const;
  for (let i = 0; i < files; i++) {
    const size = random.pick([0, 100, most >> 3, random.below(most), random.below(most)]);
    tree[`${random.pick(directories)}f${i}.dat`] = bytes(size, i);
  }
  return tree;
}

/** What is in a directory, one line for each entry, sorted: path, and of files time and SHA-256. */
export function linesOf(root: string, directory = ""): string[] {
  return Array.from(Deno.readDirSync(join(root, directory))).flatMap(({ name, isDirectory, isFile }) => {
    const path = directory + name;
    if (isDirectory) return [`${path}/`, ...linesOf(root, `${path}/`)];
    if (!isFile) return [`${path} (special)`];
    const hash = createHash("sha256").update(Deno.readFileSync(join(root, path))).digest("hex");
    return [`${path} ${Deno.statSync(join(root, path)).mtime?.getTime()} ${hash}`];
  }).sort();
}

/** The paths in a directory, sorted; directories end in a slash. */
export function pathsIn(root: string): string[] {
  return linesOf(root).map((line) => line.replace(/ \d+ [0-9a-f]{64}$/, ""));
}

/** Fails unless two directories hold the same: names, kinds, contents and the files' times. */
export function assertSameTree(found: string, wanted: string): void {
  assertEquals(linesOf(found), linesOf(wanted));
}

/** The two ends of a transfer with the library. */
export interface Ends {
  readonly direction: Direction;
  readonly address: Address;
  /** A local directory. */
  readonly local: string;
  readonly remote?: string;
}

/** What a transfer did. */
export interface Transferred extends TreeProgress {
  readonly failures: readonly string[];
}

/** How to transfer a tree with the library. */
export interface TransferOptions extends TreeOptions {
  /** How long to go on trying without progress, in ms. */
  readonly retryMs?: number;
  readonly pool?: Partial<PoolOptions>;
  /** How long it may take, in ms; 20 s when absent. */
  readonly deadlineMs?: number;
  /** What is transferred in place of what is listed. */
  readonly entries?: (listed: AsyncIterable<Entry>) => AsyncIterable<Entry>;
}

/** Transfers a tree with the library. */
export async function transferTree(
  { direction, address, local, remote = "" }: Ends,
  { retryMs, pool: poolOptions, entries: change = (listed) => listed, deadlineMs = 20_000, ...options }:
    TransferOptions = {},
): Promise<Transferred> {
  const failures: string[] = [];
  const pool = new ConnectionPool({ ...address, connections: options.connections, ...poolOptions });
  try {
    const retry = new Retry({ retryMs });
    const onFailure = (path: string, { code }: { code: string }) => failures.push(`${path} ${code}`);
    const there = { storage: new RemoteStorage(pool), path: at(remote), shown: remote };
    const here = { storage: DirectoryStorage.open(local), path: at(""), shown: "local" };
    const [source, target] = direction === "get" ? [there, here] : [here, there];
    const listed = listAgain(source, { retry, recursive: true, signal: options.signal });
    const all = { verb: direction, retry, onFailure, ...options };
    const copying = copyTree(source, target, change(listed), all);
    return { ...await within(copying, `the end of the ${direction}`, deadlineMs), failures };
  } finally {
    await pool.close().catch(() => {});
  }
}

/** What a command printed and how it ended. */
export interface Ran {
  readonly code: number;
  /** Results: what a program would read. */
  readonly output: string;
  /** News, failures and sums: what a person would read. */
  readonly news: string;
}

/** Runs a command as the command line does, in a local directory. */
export async function runCommand(
  address: Address,
  directory: string,
  words: string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const printed: string[] = [];
  const news: string[] = [];
  const output = {
    print: (text: string) => Promise.resolve(void printed.push(text)),
    inform: (line: string) => void news.push(line),
  };
  const shell = new Shell(address, output, false);
  shell.localDirectory = directory;
  let code: number = Exit.done;
  try {
    await within(execute(shell, words, signal), words.join(" "), 20_000);
  } catch (error) {
    const explained = explain(error);
    code = explained.code;
    news.push(explained.message);
  } finally {
    await shell.close();
  }
  return { code, output: printed.join(""), news: news.join("\n") };
}

/** Looks at directories all the time, in a thread of its own, and finds files that are not whole. */
export class Watcher implements AsyncDisposable {
  readonly #worker = new Worker(import.meta.resolve("./watch_worker.ts"), { type: "module" });

  private constructor() {}

  /** Begins to watch directories, in which each name must have the content that the tree says, or be absent. */
  static async of(watched: readonly { root: string; tree: Tree }[]): Promise<Watcher> {
    const watcher = new Watcher();
    const all = watched.map(({ root, tree }) => ({ root, wanted: new Map(Object.entries(tree)) }));
    await watcher.#ask(all);
    return watcher;
  }

  /** Stops, and says what was seen. */
  async stop(): Promise<Seen> {
    return await this.#ask("stop") as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.terminate();
  }

  #ask(message: unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage(message);
    return within(promise, "the watcher's answer", 20_000);
  }
}
