import { join } from "@std/path";
import type { Random } from "../../helpers/random.ts";
import { type Content, contentOf, randomSize } from "../contents.ts";
import type { Name } from "../model.ts";
import type { Worker } from "../worker.ts";

/** There was no file to do it with. */
export class NothingToDo extends Error {}

/** Something that a worker does. What it throws as `FerryError` may happen on a bad line, anything else may not. */
export interface Action {
  /** How often it is done, compared with the others. */
  readonly weight: number;
  run(worker: Worker, random: Random, signal: AbortSignal): Promise<void>;
}

/** The directories that each worker finds on the server. */
export const DIRECTORIES = ["", "a/", "a/b/", "天线/"] as const;

/** A file that is certainly there and may be changed. */
export function isFile({ doubtful, allowed, path }: Name): boolean {
  return !doubtful && !allowed.has(null) && !isInTree(path);
}

/** Whether a name belongs to a tree; trees are changed as a whole. */
export function isInTree(path: string): boolean {
  return /^[^/]+\/tree/.test(path);
}

/** A name for an upload: most often a new one. */
export function target(worker: Worker, random: Random): Name {
  const old = random.below(3) === 0 ? worker.model.pick(random, isFile) : undefined;
  return old ?? worker.model.name(`${worker.place.remote}/${random.pick(DIRECTORIES)}${worker.newName("f")}`);
}

/** Writes a local file that can be uploaded, for as long as `use` takes. */
export async function withSource(
  worker: Worker,
  { bytes }: Content,
  use: (path: string) => Promise<unknown>,
): Promise<void> {
  const path = join(worker.place.local, worker.newName("source"));
  await Deno.writeFile(path, bytes);
  try {
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

/** A new content for a name. */
export function newContent(random: Random): Content {
  return contentOf(random, randomSize(random));
}

/** Uploads a content under a name, with `send`. */
export async function upload(
  worker: Worker,
  name: Name,
  content: Content,
  send: (source: string) => Promise<unknown>,
): Promise<void> {
  const to = new Map([[name.path, content.sha256]]);
  await withSource(worker, content, (source) =>
    worker.change(to, () => {
      name.uploaded = content;
      return send(source);
    }));
}
