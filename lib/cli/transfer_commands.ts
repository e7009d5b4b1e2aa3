import { basename, join } from "@std/path";
import { exists } from "@std/fs/exists";
import { FerryError } from "../protocol/errors.ts";
import { quote } from "../protocol/text.ts";
import { bytes, took } from "./format.ts";
import { UsageError } from "./options.ts";
import { Progress } from "./progress.ts";
import { remoteBasename, resolveRemote } from "./remote_path.ts";
import type { Shell } from "./shell.ts";

/** Runs a transfer with a progress line, then says how it went. */
async function shown(
  shell: Shell,
  done: string,
  name: string,
  transfer: (onProgress: Progress["update"]) => Promise<{ size: number }>,
): Promise<void> {
  const progress = new Progress(name);
  const began = performance.now();
  try {
    const { size } = await transfer((moved, total) => progress.update(moved, total));
    progress.clear();
    shell.output.inform(`${done} (${bytes(size)} in ${took(performance.now() - began)}).`);
  } finally {
    progress.clear();
  }
}

/** Standard output as a stream that stays open. */
function standardOutput(): WritableStream<Uint8Array> {
  const writer = Deno.stdout.writable.getWriter();
  return new WritableStream({
    write: (chunk) => writer.write(chunk),
    close: () => writer.releaseLock(),
    abort: () => writer.releaseLock(),
  });
}

/** `get REMOTE [LOCAL]` */
export async function get(shell: Shell, [from = "", to]: string[], signal: AbortSignal): Promise<void> {
  const path = shell.remote(from);
  const client = await shell.client(signal);
  if (to === "-") {
    await client.get(path, standardOutput(), { signal });
    return;
  }
  const name = remoteBasename(path);
  const named = shell.local(to ?? name);
  const target = to !== undefined && await exists(named, { isDirectory: true }) ? join(named, name) : named;
  const done = `Got ${quote(from)} as ${quote(target)}`;
  await shown(shell, done, name, (onProgress) => client.get(path, target, { signal, onProgress }));
}

/** The path for `put LOCAL REMOTE`: in the directory `to` when there is one. */
async function remoteTarget(shell: Shell, to: string, name: string, signal: AbortSignal): Promise<string> {
  const path = shell.remote(to);
  if (path === "") return name;
  if (to.endsWith("/")) return `${path}/${name}`;
  try {
    const { kind } = await (await shell.client(signal)).stat(path, { signal });
    return kind === "directory" ? `${path}/${name}` : path;
  } catch (error) {
    if (error instanceof FerryError && error.code === "NotFound") return path;
    throw error;
  }
}

/** `put LOCAL [REMOTE]` */
export async function put(shell: Shell, [from = "", to]: string[], signal: AbortSignal): Promise<void> {
  if (from === "-") return await putStandardInput(shell, to, signal);
  const source = shell.local(from);
  const name = basename(source);
  const path = to === undefined
    ? resolveRemote(shell.remoteDirectory, name)
    : await remoteTarget(shell, to, name, signal);
  const client = await shell.client(signal);
  const done = `Put ${quote(from)} as ${quote(path)}`;
  await shown(shell, done, name, (onProgress) => client.put(source, path, { signal, onProgress }));
}

async function putStandardInput(shell: Shell, to: string | undefined, signal: AbortSignal): Promise<void> {
  if (to === undefined) throw new UsageError("put - needs the name that the file gets on the server");
  if (!shell.inputIsFree) throw new UsageError("standard input holds the commands and cannot be uploaded, too");
  const path = shell.remote(to);
  const client = await shell.client(signal);
  const done = `Put standard input as ${quote(path)}`;
  await shown(shell, done, to, (onProgress) => client.put(Deno.stdin.readable, path, { signal, onProgress }));
}
