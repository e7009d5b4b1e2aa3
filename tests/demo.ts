/**
 * A short demonstration with real processes: serves a copy of `fixtures/tree`, runs a client against it, shows what
 * both say, and checks every byte. Run it with `deno task demo`.
 */
import { assertEquals } from "@std/assert";
import { copy } from "@std/fs/copy";
import { walk } from "@std/fs/walk";
import { fromFileUrl, join, relative } from "@std/path";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const TREE = join(PROJECT, "fixtures", "tree");

/** A file with a Chinese name, and one with spaces in it, in `fixtures/tree`. */
const SLIDES = "射频仿真.pptx";
const REPORT = "天线 测试 报告.pdf";

function deno(args: string[], stdin: "null" | "piped", stdout: "piped" | "inherit"): Deno.Command {
  return new Deno.Command(Deno.execPath(), { args, cwd: PROJECT, stdin, stdout, stderr: "inherit" });
}

async function startServer(directory: string): Promise<{ server: Deno.ChildProcess; address: string }> {
  const access = [`--allow-read=${directory}`, `--allow-write=${directory}`];
  const args = ["run", "--allow-net", ...access, "server.ts", directory, "--port", "0"];
  const server = deno(args, "null", "piped").spawn();
  for await (const text of server.stdout.pipeThrough(new TextDecoderStream())) {
    console.log(text.trimEnd());
    return { server, address: text.trimEnd().replace(/.* on /, "") };
  }
  throw new Error("the server did not start");
}

/** Runs a client on these commands; it shows each before it runs it. */
async function runClient(address: string, commands: string[]): Promise<void> {
  const access = ["--allow-net", "--allow-read", "--allow-write"];
  const client = deno(["run", ...access, "client.ts", address], "piped", "inherit").spawn();
  const writer = client.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${commands.join("\n")}\n`));
  await writer.close();
  const { code } = await client.status;
  assertEquals(code, 0, `the client failed with exit code ${code}`);
}

async function assertSameBytes(a: string, b: string): Promise<void> {
  assertEquals(await Deno.readFile(a), await Deno.readFile(b), `${a} and ${b} differ`);
}

const scratch = await Deno.makeTempDir({ prefix: "ferry-demo-" });
let server: Deno.ChildProcess | undefined;
try {
  const served = join(scratch, "served");
  await copy(TREE, served);
  const started = await startServer(served);
  server = started.server;
  const { address } = started;
  await runClient(address, [
    "dir",
    `get ${SLIDES} "${join(scratch, SLIDES)}"`,
    `put "${join(TREE, REPORT)}" "measurements/报告 副本.pdf"`,
    "dir measurements",
    "close",
  ]);
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0, "the server did not end in order");

  await assertSameBytes(join(scratch, SLIDES), join(TREE, SLIDES));
  await assertSameBytes(join(served, "measurements", "报告 副本.pdf"), join(TREE, REPORT));
  for await (const { path } of walk(TREE, { includeDirs: false })) {
    await assertSameBytes(path, join(served, relative(TREE, path)));
  }
  console.log("\nEvery byte arrived, in both directions.");
} finally {
  try {
    server?.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await server?.stdout.cancel().catch(() => {});
  await Deno.remove(scratch, { recursive: true });
}
