import type { Client } from "../../lib/mod.ts";
import { dirname, join } from "@std/path";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import type { Random } from "../helpers/random.ts";
import { Collector } from "../helpers/raw.ts";
import { isInTree, upload } from "./actions/action.ts";
import { contentOf, sha256 } from "./contents.ts";
import { type Model, Wrong } from "./model.ts";
import type { SoakServer } from "./server.ts";
import { type Lane, Worker } from "./worker.ts";

/** A partial file that nobody has touched for so long is swept; see `partial.ts`. In ms: eight days. */
const LONG_AGO_MS = 8 * 24 * 3600 * 1000;

/** Larger files are not kept from round to round, so that the disk does not fill up. In bytes. */
const KEPT_BYTES = 3_000_000;

const PARTIAL = /^\.ferry-[0-9a-f]{16}\.part$/;

/** The paths of all files in a directory, and in those in it. */
function* filesIn(directory: string, prefix = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(directory, prefix))) {
    if (isDirectory) yield* filesIn(directory, `${prefix}${name}/`);
    else yield prefix + name;
  }
}

/** The partial files in a directory. Fails for any that somebody still writes, and for other hidden files. */
function partialsIn(directory: string): string[] {
  return [...filesIn(directory)].filter((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (!name.startsWith(".")) return false;
    if (!PARTIAL.test(name)) throw new Wrong(`${path} is hidden, and no partial file`);
    using file = Deno.openSync(join(directory, path), { read: true, write: true });
    if (!file.tryLockSync(true)) throw new Wrong(`${path} is still locked`);
    return true;
  });
}

/** Ages partial files and has them swept, as a server does once a day. @returns How many. */
async function sweep(directory: string): Promise<number> {
  const partials = partialsIn(directory);
  const then = new Date(Date.now() - LONG_AGO_MS);
  for (const path of partials) Deno.utimeSync(join(directory, path), then, then);
  await DirectoryStorage.open(directory).sweep(ROOT, { recursive: true });
  const left = partialsIn(directory);
  if (left.length > 0) throw new Wrong(`${left} were not swept`);
  return partials.length;
}

/**
 * Goes on with some uploads that have left a partial file, or with another content that has the same size but does not
 * begin like it. Nothing may fail, and nothing may be left of them.
 */
async function resumeSome(worker: Worker, random: Random): Promise<void> {
  const { place: { root, server, tally }, model } = worker;
  const partials = new Set(partialsIn(root));
  for (const name of model.names.values()) {
    const { path, uploaded } = name;
    const partial = join(dirname(path), temporaryName(path.slice(path.lastIndexOf("/") + 1), server.owner));
    if (!uploaded || !partials.has(partial) || random.below(4) === 0) continue;
    const content = random.below(3) === 0 ? contentOf(random, uploaded.bytes.length) : uploaded;
    await upload(worker, name, content, (from) => worker.link.copy("put", path, from, {}));
    if (partialsIn(root).includes(partial)) throw new Wrong(`${partial} is still there after ${path} was put again`);
    tally.resumed++;
  }
}

/** Removes what those have left who only do harm, however deep, and wherever links have led them. */
async function removeHarmed(client: Client, root: string): Promise<void> {
  const isTheirs = (name: string) => !/^w\d+$/.test(name);
  for (const { name, isSymlink } of Array.from(Deno.readDirSync(root))) {
    // One that leads outside by now does not exist for clients.
    if (isTheirs(name) && isSymlink) Deno.removeSync(join(root, name));
    else if (isTheirs(name)) await client.remove(name, { recursive: true });
  }
}

/** Compares some files with what the server says and gives, then removes some, on the server and here. */
async function compareAndRemove(worker: Worker, random: Random, removeAll: boolean): Promise<void> {
  const { model, place: { root, local, remote, tally } } = worker;
  const client = await worker.link.client();
  for (const name of model.names.values()) {
    const [state] = name.allowed;
    tally.files++;
    if (typeof state !== "string") continue;
    const { size } = await client.stat(name.path);
    if (random.below(4) === 0) {
      const stream = new Collector();
      await name.check(async () => (await client.sum(name.path)).sha256, "the sum");
      await client.get(name.path, stream);
      await name.check(() => Promise.resolve(sha256(stream.bytes)), "what the server gives");
    }
    const isKept = !removeAll && size <= KEPT_BYTES && (isInTree(name.path) || random.below(2) === 0);
    if (!isKept) await worker.change(new Map([[name.path, null]]), () => client.remove(name.path));
  }
  for (const [path, { allowed }] of model.names) if (allowed.has(null)) model.names.delete(path);
  for (const path of filesIn(local)) Deno.removeSync(join(local, path));
  await removeHarmed(client, root);
  if (removeAll) await client.remove(remote, { recursive: true });
}

/** Fails for a file on the server that nobody has put there. */
function checkStrangers(root: string, remote: string, { names }: Model): void {
  for (const path of filesIn(join(root, remote))) {
    const isPartial = PARTIAL.test(path.slice(path.lastIndexOf("/") + 1));
    if (!isPartial && !names.has(`${remote}/${path}`)) throw new Wrong(`${remote}/${path} should not be there`);
  }
}

/**
 * Looks at everything while no client is there but ours, without faults, and brings it back to where it began: every
 * file has the content that it must have, and no partial file is in use or left.
 *
 * @param removeAll Whether nothing shall be left on the server.
 */
export async function checkQuiet(
  server: SoakServer,
  lanes: readonly Lane[],
  random: Random,
  removeAll: boolean,
): Promise<void> {
  const workers = lanes.map((lane) => new Worker(lane, server.address, 0, new AbortController().signal));
  for (const { place: { root, remote }, model } of workers) {
    await model.settle();
    checkStrangers(root, remote, model);
  }
  for (const worker of workers) await resumeSome(worker, random);
  for (const { place: { root, local, tally } } of workers) tally.swept += await sweep(root) + await sweep(local);
  for (const worker of workers) {
    await compareAndRemove(worker, random, removeAll);
    await worker.link.close();
  }
  await server.idle();
}

/** Fails unless the served directory is empty, as it was at first, and nothing is left here. */
export function checkEmpty(lanes: readonly Lane[]): void {
  for (const { place: { root, local } } of lanes) {
    const left = [...Deno.readDirSync(root), ...Deno.readDirSync(local)].map(({ name }) => name);
    if (left.length > 0) throw new Wrong(`${left} were left in the end`);
  }
}
