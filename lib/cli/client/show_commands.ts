import { printable } from "../../core/text.ts";
import { readToStream } from "../../transfer/streams.ts";
import { escapedText } from "../terminal/escaped_text.ts";
import { bytes, localTime } from "../terminal/format.ts";
import { printBytes } from "../terminal/terminal.ts";
import { forEach } from "./each.ts";
import { sayGrown } from "./file_command.ts";
import type { Invocation } from "./invocation.ts";
import { remoteTargets } from "./remote_matches.ts";
import type { RemotePath } from "../../core/remote_path.ts";

/** `stat [NAME...]` */
export async function stat(invocation: Invocation): Promise<void> {
  const { shell, args, signal } = invocation;
  const show = async (path: RemotePath) => {
    const { kind, size, mtimeMs, mode, version } = await shell.storage.stat(path, { signal });
    const lines = [`name: ${printable(path || "/")}`, `kind: ${kind}`];
    if (kind === "file") lines.push(`size: ${size} bytes`);
    if (mode !== undefined) lines.push(`permissions: ${mode.toString(8).padStart(3, "0")}`);
    lines.push(`changed: ${localTime(mtimeMs)}`, `version: ${printable(version)}`);
    return `${lines.join("\n")}\n`;
  };
  const targets = await remoteTargets(invocation, args.length > 0 ? args : ["."], "stat");
  await forEach(invocation, targets, async (path) => (path === targets[0] ? "" : "\n") + await show(path));
}

/** `sum NAME...` */
export async function sum(invocation: Invocation): Promise<void> {
  const { shell, args, signal } = invocation;
  await forEach(invocation, await remoteTargets(invocation, args, "sum"), async (path) => {
    const { sha256 } = await shell.storage.digest(path, { signal });
    // As sha256sum does it, which can check this line.
    const escaped = path.replace(/[\\\n\r]/g, (c) => c === "\\" ? "\\\\" : c === "\n" ? "\\n" : "\\r");
    const mark = escaped === path ? "" : "\\";
    return `${mark}${printable(sha256)}  ${printable(escaped)}\n`;
  });
}

/** `cat NAME...` */
export async function cat(invocation: Invocation): Promise<void> {
  const { shell, args, signal } = invocation;
  const isTerminal = Deno.stdout.isTerminal();
  await forEach(invocation, await remoteTargets(invocation, args, "get"), async (path) => {
    const source = { storage: shell.storage, path, shown: path };
    const raw = () => new WritableStream({ write: printBytes });
    const options = { signal, onGrown: sayGrown(shell, path) };
    await readToStream(source, isTerminal ? escapedText(shell.output.print) : raw(), options);
  }, 1);
}

/** `df` */
export async function df({ shell, signal }: Invocation): Promise<void> {
  const { free, total } = await shell.storage.space({ signal });
  await shell.output.print(`free: ${bytes(free)} (${free} bytes)\ntotal: ${bytes(total)} (${total} bytes)\n`);
}
