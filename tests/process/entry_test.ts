import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs/walk";
import { join, relative } from "@std/path";
import { serve } from "../../lib/server/server.ts";
import configuration from "../../deno.json" with { type: "json" };
import {
  clientInTerminal,
  eventually,
  type Outcome,
  Process,
  PROJECT,
  runClient,
  runServer,
  serverAccess,
  serverInTerminal,
  startClient,
  startServer,
} from "../helpers/process.ts";
import { UNSAFE } from "../helpers/nasty.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import {
  assertNoTrace,
  at,
  BIG,
  MIB,
  NO_TERMINAL,
  NOT_ON_WINDOWS,
  partialBytes,
  Places,
  places,
  STALL,
} from "../helpers/places.ts";

const TREE = join(PROJECT, "fixtures", "tree");
const CHINESE = "天线 测试 报告.pdf";

/** How soon something happens that does not wait for a transfer; the grace for those is 10 s. */
const AT_ONCE_MS = 5_000;

function assertOutcome(outcome: Outcome, code: number, message: RegExp | string): void {
  assertNoTrace(outcome.stderr);
  if (typeof message === "string") assertEquals(outcome.stderr, message);
  else assertMatch(outcome.stderr, message);
  assertEquals(outcome.code, code, outcome.stderr);
}

// The server

Deno.test("server.ts says on stdout where it serves and keeps its log on stderr", async () => {
  await using dir = await places({ [CHINESE]: "report" });
  await using server = await startServer(dir.served);
  const { port } = server.address;
  assertEquals((await runClient([server.at, "stat", CHINESE])).code, 0);
  assertEquals((await runClient([server.at, "stat", "a\u001b[2Jb\n"])).code, 5);
  server.kill("SIGTERM");
  assertEquals(await server.ended(), 0);
  assertEquals(server.stdout.text, `Serving ${dir.served} on 127.0.0.1:${port}\n`);
  const [first, ...log] = server.stderr.text.trimEnd().split("\n");
  assertEquals(first, `Ferry may read and write ${dir.served}, and nothing else.`);
  assertEquals(log.pop(), "Stopped.");
  for (const line of log) assertMatch(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z #[12] 127\.0\.0\.1:\d+ /);
  assertStringIncludes(log.join("\n"), ` stat "${CHINESE}" `);
  assertMatch(log.join("\n"), / stat "a\\u\{1b\}\[2Jb\\n" \d+ ms NotFound$/m);
  assertEquals(log.filter((line) => line.endsWith(" connected")).length, 2);
});

Deno.test("server.ts writes nothing but JSON with --log-format json", async () => {
  await using dir = await places();
  await using server = await startServer(dir.served, ["--log-format", "json"]);
  const name = "a\u001b[2Jb\n\u202e天线";
  assertEquals((await runClient([server.at, "stat", name])).code, 5);
  server.kill("SIGTERM");
  assertEquals(await server.ended(), 0);
  const { hostname, port } = server.address;
  const listening = { event: "listening", hostname, port, root: dir.served, created: false };
  assertEquals(server.stdout.text, `${JSON.stringify(listening)}\n`);
  const lines = server.stderr.text.trimEnd().split("\n");
  const events = lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assertEquals(events.map(({ event }) => event), ["permissions", "open", "command", "command", "close", "stopped"]);
  for (const { time } of events) assertMatch(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assertEquals(events[2].path, name);
  assertEquals(events[2].outcome, "NotFound");
  assertEquals(lines.filter((line) => !line.startsWith("{")), [], "a program that reads the log cannot read this");
});

Deno.test("server.ts logs no sessions with --quiet, and says what --read-only means", async () => {
  await using dir = await places();
  await using server = await startServer(dir.served, ["--quiet", "--read-only"], [
    "--allow-net",
    `--allow-read=${dir.served}`,
  ]);
  assertEquals((await runClient([server.at, "dir"])).code, 0);
  server.kill("SIGTERM");
  assertEquals(await server.ended(), 0);
  assertEquals(server.stderr.text, `Ferry may read ${dir.served}, and nothing else.\n`);
});

Deno.test("server.ts and client.ts answer --help and --version on stdout", async () => {
  for (const run of [runServer, (args: string[]) => runClient(args)]) {
    const help = await run(["--help"]);
    assertOutcome(help, 0, "");
    assertMatch(help.stdout, /Usage: (server|client)\.ts/);
    assertEquals(help.stdout.split("\n").filter((line) => line.length > 80 || line.endsWith(" ")), []);
    const version = await run(["--version"]);
    assertOutcome(version, 0, "");
    assertEquals(version.stdout, `${configuration.version}\n`);
  }
});

Deno.test("server.ts and client.ts exit with 2 when the command line cannot be understood", async () => {
  const cases: [Promise<Outcome>, RegExp][] = [
    [runServer(["--prot", "1"]), /"--prot" does not exist/],
    [runServer(["--port", "x"]), /"x" is not a port/],
    [runServer(["a", "b"]), /only one directory/],
    [runClient(["--nope"]), /"--nope" does not exist/],
    [runClient(["127.0.0.1:x", "dir"]), /"x" is not a port/],
    [runClient([]), /write the server's address/],
    [runClient(["127.0.0.1:1", "frob"]), /There is no command frob/],
    [runClient(["127.0.0.1:1", "sum"]), /Usage: sum NAME/],
    [runClient(["127.0.0.1:1", "get"]), /Usage: get \[OPTION\.\.\.\] REMOTE\.\.\. \[LOCAL\]/],
  ];
  for (const [running, message] of cases) {
    const outcome = await running;
    assertOutcome(outcome, 2, message);
    assertEquals(outcome.stdout, "");
  }
});

/** Takes the command that a server printed, runs it in a shell and waits until it serves `directory`. */
async function assertCommandServes(text: string, directory: string): Promise<void> {
  const command = /^ {2}(deno run .*)$/m.exec(text)?.[1];
  assert(command, `there is no command in: ${text}`);
  await using shell = new Process("sh", ["-c", `exec ${command}`]);
  const line = await shell.stdout.until(/^.*\n/);
  assertStringIncludes(line.replace(" (created)", ""), `Serving ${directory} on 127.0.0.1:`);
  shell.kill("SIGTERM");
  assertEquals(await shell.ended(), 0);
  assertNoTrace(shell.stderr.text);
  assert(!shell.stderr.text.includes("more than it needs"), shell.stderr.text);
}

Deno.test("server.ts without permission prints the command that grants it", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  for (const name of ["plain", "it's 天线"]) {
    const root = dir.join(name);
    const denied = await runServer([root, "--port", "0"], ["--allow-net"]);
    assertOutcome(denied, 2, /^Ferry needs access to the directory it serves\. This command grants it:\n {2}deno run /);
    assertEquals(denied.stdout, "");
    // It makes the directory, too.
    await assertCommandServes(denied.stderr, root);
    assert((await Deno.stat(root)).isDirectory);
  }
  const readOnly = await runServer([dir.join("plain"), "--port", "0", "--read-only"], ["--allow-net"]);
  assert(!readOnly.stderr.includes("--allow-write"), readOnly.stderr);
  await assertCommandServes(readOnly.stderr, dir.join("plain"));
});

Deno.test(
  "server.ts prints a command that a shell understands, whatever the directory's name",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await tempDir();
    for (const name of ["a;b", "$HOME", "a&b", "(a)", "it's $HOME `x`", 'say "x"', "a*", "~"]) {
      const root = dir.join(name);
      const denied = await runServer([root, "--port", "0"], ["--allow-net"]);
      await assertCommandServes(denied.stderr, root);
    }
  },
);

Deno.test("server.ts serves a directory that is named by a link, or says how", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "a.txt": "a" });
  const link = dir.join("link");
  await Deno.symlink(dir.served, link);
  const denied = await runServer([link, "--port", "0"], ["--allow-net"]);
  // With access to the link alone the server cannot go on; what it prints then must be enough.
  const [command = ""] = /deno run .*/.exec(denied.stderr) ?? [];
  await using shell = new Process("sh", ["-c", `exec ${command}`]);
  await shell.endInput();
  const serving = shell.stdout.until(`Serving ${dir.served} on`).then(() => true, () => false);
  if (!await serving) {
    assertEquals(await shell.ended(), 2);
    await assertCommandServes(shell.stderr.text, dir.served);
  }
});

Deno.test("server.ts says so when the port is in use", async () => {
  await using dir = await places();
  await using server = await startServer(dir.served);
  const second = await runServer([dir.served, "--port", `${server.address.port}`], serverAccess(dir.served));
  assertOutcome(second, 1, `Cannot listen on ${server.at}: the port is in use; choose another with --port\n`);
  assertEquals(second.stdout, "");
});

Deno.test(
  "server.ts ends in order on SIGINT and SIGTERM, and can be started again at once",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await places({ "a.txt": "a" });
    let port = "0";
    for (const signal of ["SIGINT", "SIGTERM", "SIGINT"] as const) {
      await using server = await startServer(dir.served, ["--port", port]);
      if (port !== "0") assertEquals(`${server.address.port}`, port);
      port = `${server.address.port}`;
      await using client = startClient([server.at]);
      await client.type("dir\n");
      await client.stdout.until("a.txt\n");
      server.kill(signal);
      await client.stderr.until("Server: the server is shutting down\n");
      assertEquals(await server.ended(AT_ONCE_MS), 0);
      assertNoTrace(server.stderr.text);
      await client.endInput();
      assertEquals(await client.ended(), 0);
    }
  },
);

Deno.test("server.ts lets a transfer finish after the first signal", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  await using server = await startServer(dir.served);
  await using client = startClient([server.at, "put", "-", "late.bin"]);
  const content = bytes(2 * MIB);
  await client.type(content.subarray(0, MIB));
  await eventually("the server has the first half", () => partialBytes(dir.served) === MIB);
  server.kill("SIGTERM");
  await client.stderr.until("Server: the server is shutting down\n");
  await server.stderr.until("Waiting for 1 transfer, at most 10 s; Ctrl-C stops the server at once.\n");
  await client.type(content.subarray(MIB));
  await client.endInput();
  assertEquals(await client.ended(), 0, client.stderr.text);
  assertEquals(await server.ended(AT_ONCE_MS), 0);
  assertMatch(server.stderr.text, /\nStopped\.\n$/);
  assertEquals(await Deno.readFile(join(dir.served, "late.bin")), content);
});

Deno.test("server.ts exits at once on the second signal, though a transfer is stuck", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "stuck.bin": "old" });
  await using server = await startServer(dir.served);
  await using client = startClient([server.at, "put", "-", "stuck.bin"]);
  await client.type(bytes(MIB));
  await eventually("the server waits for more", () => partialBytes(dir.served) === MIB);
  server.kill("SIGTERM");
  await client.stderr.until("Server: the server is shutting down\n");
  server.kill("SIGTERM");
  assertEquals(await server.ended(AT_ONCE_MS), 130);
  assertEquals(await Deno.readTextFile(join(dir.served, "stuck.bin")), "old");
});

Deno.test("server.ts shows no directory's name that a terminal would obey as it is", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  const nasty = dir.join("a\u001b[2J\u009b1m\u202eb");
  await Deno.mkdir(nasty);
  for (
    const [options, shown] of [[[], "a\\u{1b}[2J\\u{9b}1m\\u{202e}b"], [
      ["--log-format", "json"],
      "a\\u001b[2J\\u009b1m\\u202eb",
    ]] as const
  ) {
    await using server = await startServer(nasty, options, serverAccess(nasty));
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    const { stdout, stderr } = server;
    assertStringIncludes(stdout.text, shown);
    for (const { text } of [stdout, stderr]) {
      assert(!UNSAFE.test(text.replaceAll("\n", "")), JSON.stringify(text));
    }
  }
  const denied = await runServer([nasty, "--port", "0"]);
  assertEquals(denied.code, 2, denied.stderr);
  assertStringIncludes(denied.stderr, "a\\u{1b}[2J\\u{9b}1m\\u{202e}b");
  assert(!UNSAFE.test(denied.stderr.replaceAll("\n", "")), JSON.stringify(denied.stderr));
});

Deno.test("server.ts warns of permissions that it does not need, and says what is enough", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  await using server = await startServer(dir.served, [], ["-A"]);
  server.kill("SIGTERM");
  assertEquals(await server.ended(), 0);
  const { text } = server.stderr;
  assertMatch(text, /has more permissions than it needs: read every file, write every file, run programs/);
  // The server's own port is free again.
  await assertCommandServes(text, dir.served);
});

Deno.test("server.ts obeys its operator at the terminal", NO_TERMINAL, async () => {
  await using dir = await places({ "a.txt": "a" });
  await using server = serverInTerminal([dir.served, "--port", "0"], serverAccess(dir.served));
  const [, address = ""] = / on (\S+)/.exec(await server.stdout.until(/Serving .* on \S+\r\n/)) ?? [];
  await server.type("who\n");
  await server.stdout.until("Nobody is connected.");
  await using client = startClient([address]);
  await client.type("dir\n");
  await client.stdout.until("a.txt\n");
  await server.type("who\n");
  await server.stdout.until(/#1 127\.0\.0\.1:\d+ since \S+Z full idle\r\n/);
  await server.type("say 维护 at   five\n");
  await client.stderr.until("Server: 维护 at   five\n");
  await server.stdout.until("Sent to 1 client.");
  await client.type('say "wait for me"\n');
  await server.stdout.until(/#1 \S+ says: "wait for me"\r\n/);
  await server.type("frob\x1b[2J\n");
  await server.stdout.until("There is no command frob\\u{1b}[2J here.");
  await server.type("wh\n");
  await server.stdout.until('There is no command wh here; did you mean "who"?');
  // Ctrl-D ends neither the server nor its console.
  await server.type("\x04");
  await server.stdout.until('Type "quit" to stop the server.');
  await server.type("kick 7\n");
  await server.stdout.until("There is no session 7.");
  await using other = startClient([address, "put", "-", "b.bin"]);
  await other.type(bytes(MIB));
  await eventually("the server waits for more", () => partialBytes(dir.served) === MIB);
  await server.type("kick 2 please come back at six\n");
  await server.stdout.until("Session 2 was ended.");
  await server.stdout.until(/#2 \S+ disconnected after .* \(the server's operator has ended the session: /);
  assertEquals(await other.ended(), 4);
  assertStringIncludes(other.stderr.text, "the server's operator has ended the session: please come back at six");
  await server.type("close\n");
  await client.stderr.until("Server: the server is shutting down\n");
  assertEquals(await server.ended(AT_ONCE_MS), 0);
  assertNoTrace(server.stdout.text);
});

Deno.test("server.ts tells its operator how far each client has come", NO_TERMINAL, async () => {
  await using dir = await places();
  await using server = serverInTerminal([dir.served, "--port", "0"], serverAccess(dir.served));
  const [, address = ""] = / on (\S+)/.exec(await server.stdout.until(/Serving .* on \S+\r\n/)) ?? [];
  await using client = startClient([address, "put", "-", "a\u001b[2Jb.bin"]);
  await client.type(bytes(MIB));
  await eventually("the server has so much", () => partialBytes(dir.served) === MIB);
  await server.type("who\n");
  await server.stdout.until(/#1 \S+ since \S+Z full put "a\\u\{1b\}\[2Jb\.bin" 1 MB \S+ \S?B\/s\r\n/);
  await server.type("\x03");
  await server.stdout.until("Waiting for 1 transfer, at most 10 s; Ctrl-C stops the server at once.");
  await server.type("\x03");
  assertEquals(await server.ended(AT_ONCE_MS), 130);
});

Deno.test("server.ts makes the directory when all else was found good, and says so", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  const missing = dir.join("new/place");
  await using other = await startServer(dir.served);
  const failures = [
    ["--port", `${other.address.port}`],
    ["--port", "0", "--identity", dir.join("nowhere/id")],
    ["--port", "0", "--audit", dir.join("nowhere/audit")],
    ["--port", "0", "--secret-file", dir.join("new/place/secret")],
    ["--port", "0", "--identity", dir.join("id"), "--ticket-file", dir.join("nowhere/ticket")],
    ["--port", "0", "--read-only"],
  ];
  for (const options of failures) {
    const { code, stdout, stderr } = await runServer([missing, ...options], serverAccess(dir.path));
    assert(code === 1 || code === 2, stderr);
    assertEquals(stdout, "");
    assert(!Array.from(Deno.readDirSync(dir.path)).some(({ name }) => name === "new"), `${options}: ${stderr}`);
  }
  await using server = await startServer(missing, [], serverAccess(dir.path));
  assertEquals(server.stdout.text, `Serving ${missing} (created) on ${server.at}\n`);
  assertEquals(Array.from(Deno.readDirSync(missing)), []);
});

Deno.test("server.ts stops for Ctrl-C at its terminal", NO_TERMINAL, async () => {
  await using dir = await places();
  await using server = serverInTerminal([dir.served, "--port", "0"], serverAccess(dir.served));
  await server.stdout.until("and nothing else.");
  await server.type("\x03");
  assertEquals(await server.ended(AT_ONCE_MS), 0, server.stdout.text);
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using server = serve({ root: PROJECT, port: 0 });
  return server.address.port;
}

Deno.test("server.ts asks for permission at a terminal, before it listens", NO_TERMINAL, async () => {
  await using dir = await places();
  const port = await freePort();
  await using server = serverInTerminal([dir.served, "--port", `${port}`], ["--allow-net"]);
  await server.stdout.until(`read access to "${dir.served}"`);
  await server.stdout.until("Allow?");
  assertEquals((await runClient([`127.0.0.1:${port}`, "dir"])).code, 3);
  // Deno throws away what is typed in the first moments after its question, so it has to be said more than once.
  const granted = async (right: string) => {
    await server.type("y\n");
    return server.stdout.text.includes(`Granted ${right} access to "${dir.served}"`);
  };
  await eventually("read access was granted", () => granted("read"), 200);
  await eventually("write access was granted", () => granted("write"), 200);
  await server.stdout.until(`Serving ${dir.served} on 127.0.0.1:${port}`);
  assertEquals((await runClient([`127.0.0.1:${port}`, "dir"])).code, 0);
  await server.type("quit\n");
  assertEquals(await server.ended(AT_ONCE_MS), 0);
});

// The client, one command at a time

Deno.test("client.ts runs one command and says what it did", async () => {
  await using dir = await places({ "a.txt": "hello" });
  await using server = await startServer(dir.served);
  const run = (...words: string[]) => runClient([server.at, ...words], { cwd: dir.here });
  const put = join(dir.here, "b.txt");
  await Deno.writeTextFile(put, "world!");

  const listing = await run("dir");
  assertOutcome(listing, 0, "");
  assertMatch(listing.stdout, /^5 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}a\.txt\n$/);
  assertOutcome(await run("get", "a.txt"), 0, /^Got "a\.txt" as "a\.txt" \(5 B in \d+ ms\)\.\n$/);
  assertEquals(await Deno.readTextFile(join(dir.here, "a.txt")), "hello");
  assertOutcome(await run("put", "b.txt"), 0, /^Put "b\.txt" as "b\.txt" \(6 B in \d+ ms\)\.\n$/);
  assertEquals(await Deno.readTextFile(join(dir.served, "b.txt")), "world!");
  const stat = await run("stat", "b.txt");
  assertOutcome(stat, 0, "");
  assertMatch(
    stat.stdout,
    /^name: b\.txt\nkind: file\nsize: 6 bytes\n(permissions: [0-7]{3}\n)?changed: .*\nversion: .+\n$/,
  );
  const { mode } = await Deno.stat(join(dir.here, "b.txt"));
  if (mode !== null) assertStringIncludes(stat.stdout, `\npermissions: ${(mode & 0o777).toString(8)}\n`);
  const sum = await run("sum", "a.txt");
  assertOutcome(sum, 0, "");
  assertEquals(sum.stdout, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  a.txt\n");
  for (const words of [["mkdir", "d"], ["rename", "a.txt", "d/c.txt"], ["mv", "d/c.txt", "d/e.txt"], ["rm", "b.txt"]]) {
    const outcome = await run(...words);
    assertOutcome(outcome, 0, "");
    assertEquals(outcome.stdout, "");
  }
  assertEquals(Places.names(dir.served), ["d"]);
  assertEquals(Places.names(join(dir.served, "d")), ["e.txt"]);
  assertOutcome(await run("remove", "d"), 1, /^Cannot remove "d": the directory is not empty\n$/);
  assertOutcome(await run("say", "how", "are you"), 0, "");
  await server.stderr.until(/says: "how are you"\n/);
});

Deno.test("client.ts takes names that begin with a dash, after -- in every command", async () => {
  await using dir = await places({ "-r": "r" });
  await using server = await startServer(dir.served);
  const run = (...words: string[]) => runClient(words, { cwd: dir.here });
  await Deno.writeTextFile(join(dir.here, "-n"), "n");
  const { at } = server;
  const refused = await run(at, "mkdir", "-x");
  assertOutcome(refused, 2, 'The option "-x" does not exist for mkdir\n');
  const lines = [[at, "mkdir", "--", "-x"], [at, "mkdir", "--", "-y"], ["--", at, "mkdir", "--", "-z"], [
    at,
    "--",
    "mkdir",
    "--",
    "--",
  ]];
  for (const words of lines) assertOutcome(await run(...words), 0, "");
  assertOutcome(await run(at, "get", "--", "-r"), 0, /^Got "-r" as "-r" /);
  assertOutcome(await run(at, "put", "--", "-n"), 0, /^Put "-n" as "-n" /);
  assertEquals(Places.names(dir.here), ["-n", "-r"]);
  assertEquals(Places.names(dir.served), ["--", "-n", "-r", "-x", "-y", "-z"]);
  const script = await runClient([at], { input: "rm -- -x\nmv -- -y -a\nrm -r -- -z\nmkdir -- -b\n", cwd: dir.here });
  assertEquals(script.code, 0, script.stderr);
  assertEquals(Places.names(dir.served), ["--", "-a", "-b", "-n", "-r"]);
  assertOutcome(await run(at, "mkdir", "--"), 2, "Usage: mkdir [-p] NAME...\n");
});

Deno.test("client.ts takes names that end in a carriage return, as the README says", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "x": "1", "x\r": "2" });
  await using server = await startServer(dir.served);
  const run = async (...words: string[]) => {
    const outcome = await runClient([server.at, ...words], { cwd: dir.here });
    assertEquals(outcome.code, 0, outcome.stderr);
  };
  await run("get", "x*", ".");
  assertEquals(await Deno.readTextFile(join(dir.here, "x\r")), "2");
  await run("get", "x?", "y");
  assertEquals(await Deno.readTextFile(join(dir.here, "y", "x\r")), "2");
  await run("rm", "x\r/.");
  assertEquals(Places.names(dir.served), ["x"]);
});

Deno.test("client.ts exits with the documented codes", async () => {
  await using dir = await places({ "a.txt": "a" });
  const readOnly = ["--allow-net", `--allow-read=${dir.served}`];
  await using server = await startServer(dir.served, ["--read-only"], readOnly);
  const run = (...words: string[]) => runClient([server.at, ...words], { cwd: dir.here });
  await Deno.writeTextFile(join(dir.here, "b.txt"), "b");

  assertOutcome(await run("get", "nothing"), 5, 'Cannot get "nothing": no such file or directory\n');
  assertOutcome(await run("put", "nothing"), 5, 'Cannot read "nothing": no such file or directory\n');
  assertOutcome(await run("cd", "a.txt"), 1, /not a directory/);
  assertOutcome(await run("get", "a.txt", join(dir.here, "missing", "a.txt")), 5, /no such file or directory/);
  const refused = [["put", "b.txt"], ["mkdir", "d"], ["rename", "a.txt", "c"], ["remove", "a.txt"]];
  for (const words of refused) assertOutcome(await run(...words), 4, /: you may only read here\n$/);
  assertEquals(Places.names(dir.served), ["a.txt"]);
  assertEquals(Places.names(dir.here), ["b.txt"]);
  const nobody = `127.0.0.1:${await freePort()}`;
  const alone = await runClient([nobody, "dir"]);
  assertOutcome(alone, 3, `Cannot connect to ${nobody}: nobody listens there; is the server running?\n`);
});

Deno.test("client.ts moves bytes between the server and standard input and output, and nothing else", async () => {
  const content = bytes(3 * MIB + 17, 5);
  await using dir = await places({ "big.bin": content, empty: "" });
  await using server = await startServer(dir.served);
  const got = await runClient([server.at, "get", "big.bin", "-"], { cwd: dir.here });
  assertOutcome(got, 0, "");
  assertEquals(got.bytes, content);
  assertEquals((await runClient([server.at, "get", "empty", "-"])).bytes.length, 0);
  assertEquals(Places.names(dir.here), []);

  const put = await runClient([server.at, "put", "-", "from input.bin"], { input: content });
  assertOutcome(put, 0, /^Put standard input as "from input\.bin"/);
  assertEquals(put.stdout, "");
  assertEquals(await Deno.readFile(join(dir.served, "from input.bin")), content);
  assertOutcome(await runClient([server.at, "put", "-", "nothing"]), 0, /^Put standard input as "nothing" \(0 B /);
  assertEquals((await Deno.stat(join(dir.served, "nothing"))).size, 0);
  assertOutcome(await runClient([server.at, "put", "-"]), 2, /needs the name/);
});

Deno.test("client.ts puts files into directories that exist, on both sides", async () => {
  await using dir = await places({ [CHINESE]: "report" });
  await using server = await startServer(dir.served);
  const run = (...words: string[]) => runClient([server.at, ...words], { cwd: dir.here });
  await Deno.mkdir(join(dir.here, "down"));
  await Deno.mkdir(join(dir.served, "up"));
  await Deno.writeTextFile(join(dir.here, "b.txt"), "b");
  for (const [to, place] of [["down", "down"], [dir.here, "."], [".", "."], ["down/other", "down"]]) {
    assertOutcome(await run("get", CHINESE, to ?? ""), 0, /^Got /);
    const name = to === "down/other" ? "other" : CHINESE;
    assertEquals(await Deno.readTextFile(join(dir.here, place ?? "", name)), "report");
    await Deno.remove(join(dir.here, place ?? "", name));
  }
  for (const [to, place] of [["up", "up/b.txt"], ["up/", "up/b.txt"], ["/", "b.txt"], ["up/c.txt", "up/c.txt"]]) {
    assertOutcome(await run("put", join(dir.here, "b.txt"), to ?? ""), 0, /^Put /);
    assertEquals(await Deno.readTextFile(join(dir.served, place ?? "")), "b");
    await Deno.remove(join(dir.served, place ?? ""));
  }
});

Deno.test("client.ts refuses names that lead out of the served directory", async () => {
  await using dir = await places({ "a.txt": "a" });
  await Deno.writeTextFile(dir.join("secret"), "secret");
  await using server = await startServer(dir.served);
  for (const name of ["../secret", "..", "a/../../secret", "/../secret", "", dir.join("secret")]) {
    const outcome = await runClient([server.at, "get", name, "copy"], { cwd: dir.here });
    assertNoTrace(outcome.stderr);
    assertEquals(outcome.code, name === dir.join("secret") ? 5 : 1, outcome.stderr);
    assertMatch(outcome.stderr, /^Cannot (get|use) ".*": .+\n$/);
  }
  const outcome = await runClient([server.at, "get", "/etc/passwd", "-"]);
  assertOutcome(outcome, 5, /^Cannot get "etc\/passwd": no such file or directory\n$/);
  assertEquals(outcome.stdout, "");
  await Deno.writeTextFile(join(dir.here, "b.txt"), "b");
  for (const name of ["../b.txt", "/../b.txt", "x/../../b.txt", "..", "../"]) {
    const refused = await runClient([server.at, "put", "b.txt", name], { cwd: dir.here });
    assertOutcome(refused, 1, /it leads out of the served directory\n$/);
  }
  assertEquals(Places.names(dir.here), ["b.txt"]);
  assertEquals(Places.names(dir.path), ["here", "secret", "served"]);
});

Deno.test(
  "client.ts gives a reason, never a trace, for names on this side that cannot be used",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await places({ "a.txt": "a" });
    await using server = await startServer(dir.served);
    await Deno.writeTextFile(join(dir.here, "file"), "x");
    const cases = [["get", "a.txt", "file/b"], ["get", "", "b"], ["get", "-r", "", "b"], ["get", "a.txt", "/proc/x"], [
      "lcd",
      "/proc",
    ]];
    cases.push(["lcd", "file/b"], ["lcd", "missing"], ["put", ""], ["put", "file/b"], ["put", "."]);
    for (const words of cases) {
      const outcome = await runClient([server.at, ...words], { cwd: dir.here });
      assertNoTrace(outcome.stderr);
      assertMatch(outcome.stderr, /^Cannot \w+ ".*": .+\n$/, words.join(" "));
      assertNotEquals(outcome.code, 0);
      assert(!outcome.stderr.includes("unexpected"), outcome.stderr);
    }
    assertEquals(Places.names(dir.here), ["file"]);
  },
);

Deno.test("client.ts ends quietly when nobody reads its output, as ls does", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "a.txt": "a" });
  await using server = await startServer(dir.served);
  for (const line of ["dir", "help", "get a.txt -"]) {
    await using client = startClient([server.at]);
    await client.stdout.close();
    await client.type(`${line}\n`);
    await client.endInput();
    const code = await client.ended();
    assertEquals([code, client.stderr.text], [141, `> ${line}\n`]);
  }
});

// The client with commands on its standard input

Deno.test("client.ts runs the commands on its standard input in order", async () => {
  await using dir = await places({ [CHINESE]: "report", "a.txt": "a" });
  await Deno.mkdir(join(dir.served, "测量 数据"));
  await using server = await startServer(dir.served);
  const lines = [
    "# a comment",
    "",
    `get "${CHINESE}"`,
    "   # another",
    "   ",
    `put '${CHINESE}' "测量 数据/副本 1.pdf"`,
    "cd '测量 数据'",
    "pwd",
    "dir",
    `rename '副本 1.pdf' 副本2.pdf`,
    "cd ..",
    'get 测量\\ 数据/副本2.pdf "the copy.pdf"',
    "close",
    "mkdir never",
  ];
  const outcome = await runClient([server.at], { cwd: dir.here, input: lines.join("\n") });
  assertEquals(outcome.code, 0, outcome.stderr);
  assertMatch(outcome.stdout, /^\/测量 数据\n6 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}副本 1\.pdf\n$/);
  assertEquals(Places.names(dir.here), ["the copy.pdf", CHINESE]);
  assertEquals(await Deno.readTextFile(join(dir.here, "the copy.pdf")), "report");
  assertEquals(Places.names(dir.served), ["a.txt", CHINESE, "测量 数据"].sort());
  assertEquals(Places.names(join(dir.served, "测量 数据")), ["副本2.pdf"]);
});

Deno.test("client.ts stops at the first command that fails, with its exit code", async () => {
  await using dir = await places({ "a.txt": "a" });
  await using server = await startServer(dir.served);
  const cases: [line: string, code: number, message: RegExp][] = [
    ["get nothing", 5, /^Cannot get "nothing": no such file or directory$/m],
    ["get ../x", 1, /^Cannot use "\.\.\/x": it leads out of the served directory$/m],
    ["rename a.txt", 2, /^Usage: rename NAME\.\.\. TARGET$/m],
    ['get "a', 2, /^the quote " is not closed$/m],
    ["put - x", 2, /^standard input holds the commands/m],
    ["x".repeat(3e6), 2, /^There is no command x{32,}… \(\d+ more characters\)$/m],
    [`get ${"y".repeat(3e6)}`, 1, /^Cannot get "y{32,}…": /m],
  ];
  for (const [line, code, message] of cases) {
    const outcome = await runClient([server.at], { cwd: dir.here, input: `mkdir before\n${line}\nmkdir after\n` });
    assertOutcome(outcome, code, message);
    assertEquals(Places.names(dir.served), ["a.txt", "before"], line);
    assertEquals(Places.names(dir.here), []);
    await Deno.remove(join(dir.served, "before"));
  }
});

/** The paths of all files in a directory and below it, relative to it, sorted. */
async function filesIn(directory: string): Promise<string[]> {
  const files = await Array.fromAsync(walk(directory, { includeDirs: false }), ({ path }) => relative(directory, path));
  return files.sort();
}

async function assertSameTree(actual: string, expected: string): Promise<void> {
  const files = await filesIn(expected);
  assert(files.length >= 12);
  assertEquals(await filesIn(actual), files);
  for (const file of files) {
    assertEquals(await Deno.readFile(join(actual, file)), await Deno.readFile(join(expected, file)), file);
  }
}

Deno.test("client.ts moves every file of fixtures/tree in both directions, byte for byte", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  await using server = await startServer(dir.served);
  const files = await filesIn(TREE);
  for (const file of files) assert(!/["\\]/.test(file));
  const directories = (await Array.fromAsync(walk(TREE, { includeFiles: false }), ({ path }) => relative(TREE, path)))
    .filter((path) => path !== "").sort();
  const up = [...directories.map((path) => `mkdir "${path}"`), ...files.map((path) => `put "${path}" "${path}"`)];
  const sent = await runClient([server.at], { cwd: TREE, input: up.join("\n") });
  assertEquals(sent.code, 0, sent.stderr);
  await assertSameTree(dir.served, TREE);

  for (const path of directories) await Deno.mkdir(join(dir.here, path));
  const down = files.map((path) => `get "${path}" "${path}"`).join("\n");
  const got = await runClient([server.at], { cwd: dir.here, input: down });
  assertEquals(got.code, 0, got.stderr);
  await assertSameTree(dir.here, TREE);
});

// Transfers that are broken off

Deno.test("client.ts gives up a get on SIGINT and leaves nothing under the name", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "big.bin": BIG });
  await using server = await startServer(dir.served);
  await using proxy = await FaultProxy.to(server.address, { toClient: { stallAfter: STALL } });
  await using client = startClient([at(proxy.address), "get", "big.bin"], { cwd: dir.here });
  await proxy.stalled;
  await eventually("a part was kept", () => partialBytes(dir.here) > 0);
  client.kill("SIGINT");
  assertEquals(await client.ended(AT_ONCE_MS), 130);
  const kept = /^Cannot get "big\.bin": cancelled \([\d.]+ [kM]?B kept; run the same command to resume\)\n$/;
  assertMatch(client.stderr.text, kept);
  assertEquals(Places.names(dir.here).filter((name) => !name.startsWith(".ferry-")), []);
});

Deno.test("client.ts clears the progress line of a single command before a notice", NO_TERMINAL, async () => {
  await using dir = await places({ "big.bin": BIG });
  await using server = serve({ root: dir.served, port: 0 });
  await using client = clientInTerminal(["--limit-rate", "1M", at(server.address), "get", "big.bin"], {
    cwd: dir.here,
  });
  await client.stdout.until("%");
  await server.say("hello");
  await client.stdout.until("\r\x1b[KServer: hello\r\n");
  await client.type("\x03");
  assertEquals(await client.ended(AT_ONCE_MS), 130);
});

Deno.test("client.ts gives up a put on SIGINT and leaves the old file under the name", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "big.bin": "old" });
  // More than the system's buffers take.
  await Deno.writeFile(join(dir.here, "big.bin"), new Uint8Array(0));
  await Deno.truncate(join(dir.here, "big.bin"), 256 * MIB);
  await using server = await startServer(dir.served);
  await using proxy = await FaultProxy.to(server.address, { toServer: { stallAfter: STALL } });
  await using client = startClient([at(proxy.address), "put", "big.bin"], { cwd: dir.here });
  await proxy.stalled;
  await eventually("the server has a part", () => partialBytes(dir.served) > 0);
  client.kill("SIGINT");
  assertEquals(await client.ended(AT_ONCE_MS), 130);
  const kept = 'Cannot put "big.bin": cancelled (what has arrived is kept; run the same command to resume)\n';
  assertEquals(client.stderr.text, kept);
  proxy.release();
  await server.stderr.until(/ disconnected /);
  assertEquals(await Deno.readTextFile(join(dir.served, "big.bin")), "old");
});

Deno.test("client.ts gives up put - on SIGINT while it waits for input", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  await using server = await startServer(dir.served);
  await using client = startClient([server.at, "put", "-", "x.bin"]);
  await client.type(bytes(MIB));
  await eventually("the server has a part", () => partialBytes(dir.served) === MIB);
  client.kill("SIGINT");
  assertEquals(await client.ended(AT_ONCE_MS), 130);
  assertEquals(client.stderr.text, 'Cannot put "x.bin": cancelled\n');
  await server.stderr.until(/ disconnected /);
  assertEquals(Places.names(dir.served).filter((name) => !name.startsWith(".ferry-")), []);
});

Deno.test("client.ts put - says at once that the server has refused", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  await using server = await startServer(dir.served, ["--read-only"]);
  await using client = startClient([server.at, "put", "-", "x.bin"]);
  // Its input stays open and silent.
  assertEquals(await client.ended(AT_ONCE_MS), 4);
  assertEquals(client.stderr.text, 'Cannot put "x.bin": you may only read here\n');
});

Deno.test(
  "client.ts put - says at once that the server is gone, though its input is silent",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await places();
    await using server = await startServer(dir.served);
    await using client = startClient([server.at, "put", "-", "x.bin"]);
    await client.type(bytes(MIB));
    await eventually("the server has a part", () => partialBytes(dir.served) === MIB);
    server.kill("SIGKILL");
    assertEquals(await client.ended(AT_ONCE_MS), 3);
    assertNoTrace(client.stderr.text);
    assertStringIncludes(client.stderr.text, 'Cannot put "x.bin": ');
  },
);

Deno.test(
  "server.ts keeps the old file, or none, when a client is killed in the middle of a put",
  NOT_ON_WINDOWS,
  async () => {
    // Far more than what the system takes of a client that is gone.
    const content = bytes(64 * MIB);
    for (const old of ["old", undefined]) {
      await using dir = await places(old === undefined ? {} : { "big.bin": old });
      await Deno.writeFile(join(dir.here, "big.bin"), content);
      await using server = await startServer(dir.served);
      await using proxy = await FaultProxy.to(server.address, { toServer: { stallAfter: STALL } });
      await using client = startClient([at(proxy.address), "put", "big.bin"], { cwd: dir.here });
      await proxy.stalled;
      await eventually("the server has a part", () => partialBytes(dir.served) > 0);
      client.kill("SIGKILL");
      await client.ended();
      proxy.release();
      await server.stderr.until(/ put "big\.bin" \d+ bytes .* Disconnected\n/);
      const names = Places.names(dir.served).filter((name) => !name.startsWith(".ferry-"));
      assertEquals(names, old === undefined ? [] : ["big.bin"]);
      if (old !== undefined) assertEquals(await Deno.readTextFile(join(dir.served, "big.bin")), old);
      // The name can be written again at once.
      assertEquals((await runClient([server.at, "put", "big.bin"], { cwd: dir.here })).code, 0);
      await assertFile(join(dir.served, "big.bin"), content);
    }
  },
);

Deno.test("server.ts goes on after it was killed in the middle of a put", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "big.bin": "old" });
  await Deno.writeFile(join(dir.here, "big.bin"), BIG);
  {
    await using server = await startServer(dir.served);
    await using client = startClient([server.at, "put", "-", "big.bin"]);
    await client.type(bytes(MIB));
    await eventually("the server has a part", () => partialBytes(dir.served) === MIB);
    server.kill("SIGKILL");
    await server.ended();
    assertEquals(await Deno.readTextFile(join(dir.served, "big.bin")), "old");
  }
  await using server = await startServer(dir.served);
  assertMatch((await runClient([server.at, "dir"])).stdout, /^3 {2}\S+ \S+ {2}big\.bin\n$/);
  assertOutcome(await runClient([server.at, "put", "big.bin"], { cwd: dir.here }), 0, /^Put /);
  assertEquals(await Deno.readFile(join(dir.served, "big.bin")), BIG);
});

// The prompt

Deno.test("client.ts asks for host and port at a terminal, and has a prompt", NO_TERMINAL, async () => {
  await using dir = await places({ [CHINESE]: "report", "天线15.doc": "doc" });
  await Deno.mkdir(join(dir.served, "measurements"));
  await using server = serve({ root: dir.served, port: 0 });
  await using client = clientInTerminal([], { cwd: dir.here });
  const { stdout } = client;
  await stdout.until(/Host.*127\.0\.0\.1/);
  await client.type("\r");
  await stdout.until(/Port.*7878/);
  // The default stands in the line and can be edited; Ctrl-U removes it.
  await client.type(`\x15${server.address.port}\r`);
  await stdout.until(`Connected to ${at(server.address)}. Type "help" for the commands.`);
  await stdout.until("ferry:/> ");
  await client.type("dir\r");
  await stdout.until(/\n3 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}天线15\.doc\r\n/);
  // The tab key completes.
  await client.type("get '天线 \t");
  // The terminal may have shown what was typed already.
  await stdout.until("测试 报告.pdf' ");
  await client.type("\r");
  await stdout.until(`Got "${CHINESE}" as "${CHINESE}"`);
  assertEquals(await Deno.readTextFile(join(dir.here, CHINESE)), "report");
  await client.type("cd measurements\r");
  await stdout.until("ferry:/measurements> ");

  // Ctrl-C throws the line away and does not end the session.
  await client.type("remove everything");
  await stdout.until("remove everything");
  await client.type("\x03");
  await stdout.until("ferry:/measurements> ");
  await client.type("pwd\r");
  await stdout.until("\n/measurements\r\n");
  await stdout.until("ferry:/measurements> ");
  assert(!stdout.text.includes("to leave"), stdout.text);
  await client.type("\x03");
  await stdout.until('Type "quit" to leave.');
  await stdout.until("ferry:/measurements> ");

  // A notice does not disturb what is being typed.
  await client.type("pw");
  await stdout.until("pw");
  await server.say("back in five\u001b[2J minutes");
  await stdout.until(String.raw`Server: back in five\u{1b}[2J minutes`);
  await stdout.until("> pw");
  await client.type("d\r");
  await stdout.until("\n/measurements\r\n");

  await client.type("close\r");
  assertEquals(await client.ended(), 0);
  assertNoTrace(stdout.text);
});

Deno.test("client.ts goes on at the prompt after commands that fail", NO_TERMINAL, async () => {
  await using dir = await places({ "a.txt": "a" });
  await Deno.writeTextFile(dir.join("x"), "secret");
  await using server = serve({ root: dir.served, port: 0 });
  await using client = clientInTerminal([at(server.address)], { cwd: dir.here });
  await client.stdout.until("ferry:/> ");
  const cases: [line: string, reason: string][] = [
    ["get ../x", 'Cannot use "../x": it leads out of the served directory'],
    ["get a/../../x", 'Cannot use "a/../../x": it leads out of the served directory'],
    ["cd ..", 'Cannot use "..": it leads out of the served directory'],
    ["get /etc/passwd", 'Cannot get "etc/passwd": no such file or directory'],
    ["get a//b", 'Cannot get "a/b": no such file or directory'],
    ['get ""', 'Cannot get "": the name is empty'],
    ['get "a', 'the quote " is not closed'],
    ["frob", "There is no command frob"],
    ["put missing", 'Cannot read "missing": no such file or directory'],
    ["lcd missing", 'Cannot enter "missing": there is no such directory here'],
  ];
  for (const [line, reason] of cases) {
    await client.type(`${line}\r`);
    await client.stdout.until(reason);
    await client.stdout.until("ferry:/> ");
  }
  await client.type("get a.txt\r");
  await client.stdout.until('Got "a.txt"');
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
  assertEquals(Places.names(dir.here), ["a.txt"]);
});

Deno.test("client.ts goes on at the prompt after local names that cannot be used", NO_TERMINAL, async () => {
  await using dir = await places({ "a.txt": "a" });
  await Deno.writeTextFile(join(dir.here, "file"), "x");
  await using server = serve({ root: dir.served, port: 0 });
  await using client = clientInTerminal([at(server.address)], { cwd: dir.here });
  await client.stdout.until("ferry:/> ");
  for (const line of ["get a.txt file/b", 'get a.txt ""', "lcd /proc", 'put ""']) {
    await client.type(`${line}\r`);
    await client.stdout.until(/Cannot \w+ ".*": |The last word is empty/);
    await client.stdout.until("ferry:/> ");
  }
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
});

Deno.test("client.ts cancels a transfer for Ctrl-C at the prompt and keeps the session", NO_TERMINAL, async () => {
  await using dir = await places({ "big.bin": BIG, "a.txt": "a" });
  await using server = serve({ root: dir.served, port: 0 });
  await using proxy = await FaultProxy.to(server.address, { toClient: { stallAfter: STALL } });
  await using client = clientInTerminal([at(proxy.address)], { cwd: dir.here });
  await client.stdout.until("ferry:/> ");
  await client.type("get big.bin\r");
  await proxy.stalled;
  await eventually("a part was kept", () => partialBytes(dir.here) > 0);
  await client.type("\x03");
  await client.stdout.until('Cannot get "big.bin": cancelled');
  await client.stdout.until("ferry:/> ");
  proxy.release();
  await client.type("get a.txt\r");
  await client.stdout.until('Got "a.txt"');
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
  assertEquals(Places.names(dir.here).filter((name) => !name.startsWith(".ferry-")), ["a.txt"]);
});

Deno.test(
  "client.ts says at the prompt that the server is gone, and connects again for a command",
  NO_TERMINAL,
  async () => {
    await using dir = await places({ "a.txt": "a" });
    await using first = serve({ root: dir.served, port: 0 });
    const { address } = first;
    await using client = clientInTerminal([at(address)], { cwd: dir.here });
    await client.stdout.until("ferry:/> ");
    await client.type("dir\r");
    await client.stdout.until("a.txt\r\n");
    await first.shutdown();
    await client.stdout.until("Server: the server is shutting down");
    await client.stdout.until(`The connection to ${at(address)} has ended`);
    await client.stdout.until("ferry:/> ");
    await client.type("dir\r");
    await client.stdout.until(`Cannot connect to ${at(address)}: nobody listens there; is the server running?`);
    await using second = serve({ root: dir.served, port: address.port });
    await client.type("dir\r");
    await client.stdout.until("a.txt\r\n");
    assertEquals(second.sessions.length, 1);
    await client.type("close\r");
    assertEquals(await client.ended(), 0);
    assertNoTrace(client.stdout.text);
  },
);
