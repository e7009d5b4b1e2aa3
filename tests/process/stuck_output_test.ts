import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import {
  CLIENT_ACCESS,
  DENO,
  eventually,
  hasTerminal,
  inTerminal,
  Process,
  PROJECT,
  runClient,
  serverAccess,
  ServerProcess,
  startServer,
} from "../helpers/process.ts";
import type { Address } from "../helpers/proxy.ts";
import { namesIn, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { makeTree } from "../helpers/trees.ts";

const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };
const NO_TERMINAL = { ignore: !hasTerminal };

/** How soon a process ends that waits for nobody, in ms. */
const AT_ONCE_MS = 5_000;

/** Makes a server log some MiB, and fails unless every request is answered. */
async function chatter(address: Address, requests: number): Promise<void> {
  await using client = await within(connect(address), "a session");
  const name = "n".repeat(200);
  for (let sent = 0; sent < requests;) {
    const batch = Array.from(
      { length: 500 },
      () => client.stat(`${name}${sent++}`).then(() => "ok", ({ code }) => code),
    );
    const answers = await within(Promise.all(batch), "the answers", AT_ONCE_MS);
    assertEquals(new Set(answers), new Set(["NotFound"]));
  }
}

/** A server whose standard error is a pipe; the test has its other end, and need not read it. */
async function serverWithPipe(dir: string, served: string, ...options: string[]) {
  const pipe = `${dir}/pipe`;
  assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  const opening = Deno.open(pipe, { read: true });
  const program = [DENO, "run", ...serverAccess(served), `${PROJECT}/server.ts`, served, "--port", "0", ...options];
  const server = new ServerProcess("sh", ["-c", 'exec "$@" 2>"$0"', pipe, ...program]);
  const log = await within(opening, "the pipe");
  await server.ready();
  return { server, log };
}

Deno.test("server.ts serves, and ends on SIGTERM, while nobody reads its log", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  makeTree(dir.path, { "served/a.txt": "a" });
  const { server, log } = await serverWithPipe(dir.path, dir.join("served"));
  await using _server = server;
  using _log = log;
  await chatter(server.address, 6000);
  assertEquals((await runClient([server.at, "get", "a.txt", "-"])).stdout, "a");
  server.kill("SIGTERM");
  assertEquals(await server.ended(AT_ONCE_MS), 0);
});

Deno.test("server.ts says how many lines were left out when its log is read again", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  makeTree(dir.path, { "served/a.txt": "a" });
  const { server, log } = await serverWithPipe(dir.path, dir.join("served"), "--log-format", "json");
  await using _server = server;
  await chatter(server.address, 6000);
  const reading = new Response(log.readable).text();
  // The number comes with the next line at the latest.
  await chatter(server.address, 500);
  server.kill("SIGTERM");
  assertEquals(await server.ended(AT_ONCE_MS), 0);
  const events = (await within(reading, "the log")).trimEnd().split("\n").map((line) => JSON.parse(line));
  const commands = events.filter(({ event, command }) => event === "command" && command === "stat").length;
  const said = events.filter(({ event }) => event === "warning").map(({ message }) => message);
  const counts = said.map((message) => Number(/^(\d+) lines? w\w+ dropped: nobody was reading$/.exec(message)?.[1]));
  const leftOut = counts.reduce((sum, n) => sum + n, 0);
  assert(leftOut > 100, said.join());
  // Lines about the sessions may be among them.
  assert(commands + leftOut >= 6500 && commands + leftOut <= 6510, `${commands} and ${leftOut}`);
});

Deno.test("server.ts serves, and ends on SIGTERM, while its terminal is paused", NO_TERMINAL, async () => {
  await using dir = await tempDir();
  makeTree(dir.path, { "served/a.txt": "a" });
  const served = dir.join("served");
  const program = [DENO, "run", ...serverAccess(served), `${PROJECT}/server.ts`, served, "--port", "0"];
  await using terminal = inTerminal(["sh", "-c", 'echo "pid $$"; exec "$0" "$@"', ...program]);
  const pid = Number((await terminal.stdout.until(/pid \d+/)).slice(4));
  const line = await terminal.stdout.until(/Serving .*:\d+\r\n/);
  const address = { hostname: "127.0.0.1", port: Number(/:(\d+)\r\n$/.exec(line)?.[1]) };
  await terminal.stdout.until("nothing else.");
  await terminal.type("\x13");
  await chatter(address, 2000);
  Deno.kill(pid, "SIGTERM");
  await eventually("the server has ended", () => !isRunning(pid));
});

function isRunning(pid: number): boolean {
  try {
    // A process that has ended stays in the list until its parent has seen it.
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("client.ts sends everything while nobody reads its messages", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  // Directories are in the way of the first files: their failures fill the pipe before the last file is reached.
  const names = Array.from({ length: 1200 }, (_, i) => `${"f".repeat(150)}${String(i).padStart(5, "0")}`);
  makeTree(dir.path, {
    ...Object.fromEntries(names.map((name) => [`here/t/${name}`, "x"])),
    "here/t/last": "last",
    ...Object.fromEntries(names.map((name) => [`served/t/${name}`, null])),
  });
  await using server = await startServer(dir.join("served"), ["--quiet"]);
  const pipe = dir.join("pipe");
  assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  const opening = Deno.open(pipe, { read: true });
  const program = [DENO, "run", ...CLIENT_ACCESS, `${PROJECT}/client.ts`, server.at, "put", "-r", "t"];
  await using client = new Process("sh", ["-c", 'exec "$@" 2>"$0"', pipe, ...program], { cwd: dir.join("here") });
  const messages = await within(opening, "the pipe");
  await eventually(
    "the last file has arrived",
    () => namesIn(dir.join("served", "t")).then((all) => all.includes("last")),
  );
  // It has left the server in order, and now waits for its reader.
  const text = await within(new Response(messages.readable).text(), "the messages");
  assertEquals(await client.ended(), 1);
  assertEquals(text.match(/it is a directory/g)?.length, 1200);
  assertMatch(text, /\nPut 1 file \(.*\), 1200 failed\.\n1200 entries could not be transferred\n$/);
});
