import { basename, dirname, join } from "@std/path";
import type { CommandLine } from "../helpers/process.ts";
import type { Transfer } from "./peer.ts";

/** How many transfers curl has under way at once when there are many. */
const PARALLEL = 50;

const OPTIONS = ["--silent", "--show-error", "--fail", "--noproxy", "*"];

/** Text for curl's list of options. */
function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Writes down what to do with each file, since curl knows no directories. */
function manyFiles(base: string, { kind, remote, local, names, notes }: Transfer): CommandLine {
  const target = kind === "getTree" ? join(local, basename(remote)) : `${remote}/${basename(local)}`;
  const lines = names.map((name) =>
    kind === "getTree"
      ? `url = ${quoted(`${base}/${remote}/${name}`)}\noutput = ${quoted(join(target, name))}\n`
      : `url = ${quoted(`${base}/${target}/${name}`)}\nupload-file = ${quoted(join(local, name))}\n`
  );
  const list = join(notes, "curl.txt");
  Deno.mkdirSync(dirname(list), { recursive: true });
  Deno.writeTextFileSync(list, lines.join(""));
  const parallel = ["--parallel", "--parallel-immediate", "--parallel-max", String(PARALLEL)];
  return { program: "curl", args: [...OPTIONS, ...parallel, "--create-dirs", "--config", list] };
}

/** The curl that does a transfer. Its list for a tree is made before, which is not timed. */
export function curl(transfer: Transfer, port: number): CommandLine {
  const { kind, remote, local, host } = transfer;
  const base = `http://${host}:${port}`;
  if (kind === "get") return { program: "curl", args: [...OPTIONS, "--output", local, `${base}/${remote}`] };
  if (kind === "put") return { program: "curl", args: [...OPTIONS, "--upload-file", local, `${base}/${remote}`] };
  return manyFiles(base, transfer);
}
