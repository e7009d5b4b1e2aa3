import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Secret } from "../../lib/auth/secret.ts";
import { decodeTicket, encodeTicket } from "../../lib/auth/ticket.ts";
import {
  DENO,
  eventually,
  hasTerminal,
  inTerminal,
  PROJECT,
  runClient,
  serverAccess,
  type ServerProcess,
  startServer,
} from "../helpers/process.ts";
import { RawPeer } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { linesOf } from "../helpers/audit_lines.ts";

const NO_TERMINAL = { ignore: !hasTerminal };
const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };

/** Starts a server with an audit log beside the served directory. */
async function audited(
  dir: string,
  ...args: string[]
): Promise<{ server: ServerProcess; served: string; audit: string }> {
  const [served, audit] = [join(dir, "served"), join(dir, "audit")];
  Deno.mkdirSync(served);
  return { server: await startServer(served, ["--audit", audit, ...args], serverAccess(dir)), served, audit };
}

async function ticketsOf(server: ServerProcess, count: number): Promise<string[]> {
  const tickets: string[] = [];
  while (tickets.length < count) tickets.push((await server.stdout.until(/ferry:[a-z2-7]+(?="|\n)/)).trim());
  return tickets;
}

Deno.test(
  "server.ts --audit writes every command with its role, those it refuses too, and failed logins",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await tempDir();
    const others = ["--host", "0.0.0.0", "--address", "127.0.0.1", "--ticket-file", "-"];
    const secrets = ["--read-secret-file", dir.join("r"), "--upload-secret-file", dir.join("u")];
    const { server, served, audit } = await audited(dir.path, ...others, ...secrets, "--quiet");
    await using _server = server;
    const [full = "", read = "", upload = ""] = await ticketsOf(server, 3);
    Deno.writeTextFileSync(dir.join("a"), "abc");
    const evil = "evil\u001b[2J\u202e.txt";
    const commands: [ticket: string, code: number, words: string[]][] = [
      [full, 0, ["put", dir.join("a"), evil]],
      [full, 0, ["rename", evil, "b"]],
      [read, 0, ["get", "b", "-"]],
      [read, 4, ["remove", "b"]],
      [upload, 4, ["get", "b", "-"]],
      [upload, 1, ["put", dir.join("a"), "b"]],
      [encodeTicket({ ...decodeTicket(full), secret: Secret.create() }), 4, ["remove", "b"]],
    ];
    for (const [ticket, code, words] of commands) {
      const outcome = await runClient([ticket, ...words]);
      assertEquals(outcome.code, code, outcome.stderr);
    }
    const lines = linesOf(audit).filter(({ command }) => command !== "close" && command !== "stat");
    const metadata = lines.map((
      { role, command, event, path, to, bytes, outcome },
    ) => [role, command ?? event, path, to, bytes, outcome]);
    assertEquals(metadata, [
      ["full", "put", evil, undefined, 3, "ok"],
      ["full", "rename", evil, "b", 0, "ok"],
      ["read", "get", "b", undefined, 3, "ok"],
      ["read", "remove", "b", undefined, 0, "Refused"],
      ["upload", "get", "b", undefined, 0, "Refused"],
      ["upload", "put", "b", undefined, 0, "AlreadyExists"],
      [undefined, "login", undefined, undefined, undefined, "Unauthorized"],
    ]);
    for (const { time, session, peer, durationMs } of lines) {
      assertMatch(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assertMatch(String(peer), /^127\.0\.0\.1:\d+$/);
      assert(Number.isInteger(session));
      assert(typeof durationMs === "number" && durationMs >= 0);
    }
    const text = Deno.readTextFileSync(audit);
    assert(!text.includes("\u001b") && !text.includes("\u202e"), text);
    for (const ticket of [full, read, upload]) {
      const { secret } = decodeTicket(ticket);
      for (const form of [secret.text, secret.bytes.toHex(), secret.bytes.toBase64(), ticket]) {
        assert(!text.includes(form) && !server.stderr.text.includes(form));
      }
    }
    assertEquals((Deno.statSync(audit).mode ?? 0) & 0o777, 0o600);
    assertEquals(Deno.readTextFileSync(join(served, "b")), "abc");
  },
);

Deno.test("server.ts --audit goes on in a new file on SIGHUP", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const { server, audit } = await audited(dir.path);
  await using _server = server;
  using peer = await RawPeer.greeted(server.address);
  assertEquals((await peer.ask({ command: "mkdir", path: "before" })).outcome, "ok");
  await eventually("the first command is written", () => linesOf(audit).length === 1);
  Deno.renameSync(audit, `${audit}.1`);
  assertEquals((await peer.ask({ command: "mkdir", path: "between" })).outcome, "ok");
  await eventually("the second command is in the old file", () => linesOf(`${audit}.1`).length === 2);
  server.kill("SIGHUP");
  await eventually(
    "the new file is there",
    () => Array.from(Deno.readDirSync(dir.path)).some((f) => f.name === "audit"),
  );
  assertEquals((await peer.ask({ command: "mkdir", path: "after" })).outcome, "ok");
  await eventually("the third command is written", () => linesOf(audit).length === 1);
  assertEquals(linesOf(audit).map(({ path }) => path), ["after"]);
  assertEquals(linesOf(`${audit}.1`).map(({ path }) => path), ["before", "between"]);
  assertEquals((Deno.statSync(audit).mode ?? 0) & 0o777, 0o600);
});

/** Ends a process that a failing test may have left. */
function killQuietly(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Starts a server in a terminal that can be taken from it. */
async function inLostTerminal(dir: string, served: string, ...args: string[]) {
  const program = [DENO, "run", ...serverAccess(dir), join(PROJECT, "server.ts"), served, "--port", "0", ...args];
  const terminal = inTerminal(["sh", "-c", 'echo "pid $$"; exec "$0" "$@"', ...program]);
  const pid = Number((await terminal.stdout.until(/pid \d+/)).slice(4));
  const line = await terminal.stdout.until(/Serving .*:\d+\r\n/);
  await terminal.stdout.until("nothing else.");
  return {
    terminal,
    pid,
    address: { hostname: "127.0.0.1", port: Number(/:(\d+)\r\n$/.exec(line)?.[1]) },
    async [Symbol.asyncDispose]() {
      killQuietly(pid);
      await terminal[Symbol.asyncDispose]();
    },
  };
}

Deno.test("server.ts ends in order when its terminal is gone", NO_TERMINAL, async () => {
  await using dir = await tempDir();
  await using server = await inLostTerminal(dir.path, dir.join("served"));
  using peer = await RawPeer.greeted(server.address);
  server.terminal.kill("SIGKILL");
  assertEquals((await peer.receive())?.kind, "notice");
  assertEquals(await peer.ended(), "closed");
});

Deno.test(
  "server.ts --audit goes on when SIGHUP comes from elsewhere, and not when its terminal is gone",
  NO_TERMINAL,
  async () => {
    await using dir = await tempDir();
    const [served, audit] = [dir.join("served"), dir.join("audit")];
    Deno.mkdirSync(served);
    await using server = await inLostTerminal(dir.path, served, "--audit", audit);
    using peer = await RawPeer.greeted(server.address);
    Deno.removeSync(audit);
    Deno.kill(server.pid, "SIGHUP");
    await eventually("the audit log is there again", () => Array.from(Deno.readDirSync(dir.path)).length === 2);
    assertEquals((await peer.ask({ command: "mkdir", path: "d" })).outcome, "ok");
    server.terminal.kill("SIGKILL");
    assertEquals((await peer.receive())?.kind, "notice");
    assertEquals(await peer.ended(), "closed");
  },
);
