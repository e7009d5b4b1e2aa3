import { join, resolve, SEPARATOR } from "@std/path";
import { toPath } from "./_path.ts";
import { ensureDir } from "./ensure_dir.ts";

/** Options of {@linkcode copy}. */
export interface CopyOptions {
  /** Overwrite what exists at the destination. Default: false. */
  overwrite?: boolean;
  /** Give the copies the access and modification times of the originals. Default: false. */
  preserveTimestamps?: boolean;
}

type CopyOne = (src: string, dest: string, options: CopyOptions) => Promise<void>;

/** Throws if `src` may not be copied to `dest`; says whether something is there. */
async function checkDestination(src: string, dest: string, { overwrite }: CopyOptions, isDirectory = false) {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(dest);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  if (isDirectory && !info.isDirectory) {
    throw new Error(`Cannot overwrite non-directory '${dest}' with directory '${src}'`);
  }
  if (!overwrite) throw new Deno.errors.AlreadyExists(`'${dest}' already exists.`);
  return true;
}

async function copyTimes({ atime, mtime }: Deno.FileInfo, dest: string): Promise<void> {
  if (atime === null || mtime === null) throw new Error(`statInfo.${atime ? "mtime" : "atime"} is unavailable`);
  await Deno.utime(dest, atime, mtime);
}

const copyFile: CopyOne = async (src, dest, options) => {
  await checkDestination(src, dest, options);
  await Deno.copyFile(src, dest);
  if (options.preserveTimestamps) await copyTimes(await Deno.stat(src), dest);
};

const copySymlink: CopyOne = async (src, dest, options) => {
  await checkDestination(src, dest, options);
  const target = await Deno.readLink(src);
  if (Deno.build.os === "windows") {
    const { isDirectory } = await Deno.lstat(src);
    await Deno.symlink(target, dest, { type: isDirectory ? "dir" : "file" });
  } else {
    await Deno.symlink(target, dest);
  }
  if (options.preserveTimestamps) await copyTimes(await Deno.lstat(src), dest);
};

const copyDirectory: CopyOne = async (src, dest, options) => {
  if (!await checkDestination(src, dest, options, true)) await ensureDir(dest);
  if (options.preserveTimestamps) await copyTimes(await Deno.stat(src), dest);
  const copies: Promise<void>[] = [];
  for await (const entry of Deno.readDir(src)) {
    copies.push(copyOne(entry, join(src, entry.name), join(dest, entry.name), options));
  }
  await Promise.all(copies);
};

async function copyOne(
  kind: Pick<Deno.DirEntry, "isFile" | "isDirectory" | "isSymlink">,
  src: string,
  dest: string,
  options: CopyOptions,
): Promise<void> {
  if (kind.isSymlink) await copySymlink(src, dest, options);
  else if (kind.isDirectory) await copyDirectory(src, dest, options);
  else if (kind.isFile) await copyFile(src, dest, options);
}

/**
 * Copies a file, a symlink, or a directory with everything in it.
 *
 * @param src What to copy. Of a directory the contents are copied into `dest`.
 * @param dest The path of the copy itself, not the directory it goes into.
 * @param options What to do about existing files and about times.
 * @throws {Deno.errors.AlreadyExists} If the destination exists and `overwrite` is not set, or is a symlink's.
 * @throws {Error} If the two are the same, `dest` lies in `src`, or a directory would replace something else.
 */
export async function copy(src: string | URL, dest: string | URL, options: CopyOptions = {}): Promise<void> {
  const from = resolve(toPath(src));
  const to = resolve(toPath(dest));
  if (from === to) throw new Error("Source and destination cannot be the same");
  const info = await Deno.lstat(from);
  if (info.isDirectory && to.startsWith(from + SEPARATOR)) {
    throw new Error(`Cannot copy '${from}' to a subdirectory of itself: '${to}'`);
  }
  await copyOne(info, from, to, options);
}
