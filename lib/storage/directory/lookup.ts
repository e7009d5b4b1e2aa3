import { setTimeout } from "node:timers/promises";
import { join } from "@std/path";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { endMoment } from "./watch.ts";
import { mtimeMs } from "./system_metadata.ts";

/** Where a path leads: `info` is what is there now, or undefined when there is nothing. */
export interface Location {
  /** The real path of the directory that holds it; inside the root. */
  readonly directory: string;
  readonly name: string;
  readonly info: Deno.FileInfo | undefined;
  /** Whether the path itself is a link, which was followed. */
  readonly isLink?: boolean | undefined;
}

/** A `Location` where something is. */
export type Found = Location & { readonly info: Deno.FileInfo };

/** What is at `path`, a link not followed, or undefined when nothing is. */
export function lstatOrNothing(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Where `path` really is, or undefined when it leads nowhere: dangling, circular, or through something unreadable. */
export function realPathOrNothing(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const { NotFound, NotADirectory, FilesystemLoop, PermissionDenied } = Deno.errors;
    if ([NotFound, NotADirectory, FilesystemLoop, PermissionDenied].some((type) => error instanceof type)) {
      return undefined;
    }
    throw error;
  }
}

/** The same for a link, which may also lead to what no path can be that long for: wherever it leads, nobody can tell. */
export function targetOrNothing(link: string): string | undefined {
  try {
    return realPathOrNothing(link);
  } catch (error) {
    if (toFerryError(error).code === "InvalidPath") return undefined;
    throw error;
  }
}

/** What tells one file from all others of a system. */
type FileIdentity = Pick<Deno.FileInfo, "ino" | "dev">;

/** Whether two results of `stat` are about the same file. Where the system has no inode numbers, they are taken to be. */
export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.ino === null || b.ino === null || (a.ino === b.ino && a.dev === b.dev);
}

/**
 * Whether a path still leads to what was found there. To be asked after it was used: someone may have put a link in
 * the place of a directory on the way, and even the directory back by now.
 */
export function isInPlace({ directory, name, info }: Found): boolean {
  if (realPathOrNothing(directory) !== directory) return false;
  const now = lstatOrNothing(join(directory, name));
  return now !== undefined && isSameFile(now, info);
}

/** How often something is looked for again that was replaced meanwhile. */
const MAX_LOOKS = 3;

/** What `look` finds, which gives undefined when things were replaced while it looked. */
export function again<T>(look: () => T | undefined): T {
  for (let i = 0; i < MAX_LOOKS; i++) {
    const found = look();
    if (found !== undefined) return found;
    endMoment();
  }
  throw new FerryError("Changed", "it was replaced just now; try again");
}

/**
 * What an open file is now. Deno checks the path of an open file, too, before it looks at it, which takes longer than
 * to look at the name: so that comes first, and is enough as long as it is the name of this file.
 *
 * @param path Where the file was opened, or where it was moved since.
 * @param known An earlier look at the file.
 */
export function lookAgain(file: Deno.FsFile, path: string, known: Deno.FileInfo): Deno.FileInfo {
  const named = lstatOrNothing(path);
  return named && named.ino !== null && isSameFile(named, known) ? named : file.statSync();
}

/**
 * Two writes within one tick of the file system's clock give the same time of change. The tick is at most 10 ms on
 * Linux (CONFIG_HZ=100), so a file is relied on only when its last change is longer ago than this.
 */
const CLOCK_TICK_MS = 20;

/** What an open file is as soon as any change from then on will be seen in its time of change. */
export async function settled(info: Deno.FileInfo, file: Deno.FsFile): Promise<Deno.FileInfo> {
  if (Math.abs(Date.now() - mtimeMs(info)) >= CLOCK_TICK_MS) return info;
  await setTimeout(CLOCK_TICK_MS);
  return file.statSync();
}
