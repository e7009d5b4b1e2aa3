import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { decodeTicket } from "../../lib/auth/ticket.ts";
import { isLoopback } from "../../lib/transport/address.ts";
import { Authority } from "../helpers/authority.ts";
import { sameBytes } from "../helpers/frames.ts";
import {
  CLIENT_ACCESS,
  DENO,
  hasTerminal,
  type Outcome,
  Process,
  PROJECT,
  runClient,
  runServer,
  serverAccess,
  serverInTerminal,
  type ServerProcess,
  startServer,
} from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { assertSameTree } from "../helpers/trees.ts";

const TREE = join(PROJECT, "fixtures", "tree");
const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };
const NO_TERMINAL = { ignore: !hasTerminal };
const LINUX_ONLY = { ignore: Deno.build.os !== "linux" };

/** Options with which others can reach a server, and clients on this machine do, over loopback. */
const OPEN_TO_OTHERS = ["--host", "0.0.0.0", "--address", "127.0.0.1", "--ticket-file", "-"];

/** Waits for the ticket that a server prints. */
async function ticketOf(server: ServerProcess): Promise<string> {
  return (await server.stdout.until(/ferry:[a-z2-7]+(?="|\n)/)).trim();
}

function assertDone(outcome: Outcome): void {
  assertEquals(outcome.code, 0, outcome.stderr);
}

function assertRefused(outcome: Outcome, code: number, message: RegExp): void {
  assertMatch(outcome.stderr, message);
  assertEquals(outcome.code, code, outcome.stderr);
  assert(!/Uncaught|^\s+at |Error:/m.test(outcome.stderr), `this is no message for people: ${outcome.stderr}`);
  assertEquals(outcome.stdout, "");
}

/** How `secret` may be written in a text. */
function formsOf(ticket: string): string[] {
  const { secret } = decodeTicket(ticket);
  return [secret.text, secret.text.toUpperCase(), secret.bytes.toHex(), secret.bytes.toBase64(), ticket.slice(6, 60)];
}

/** The command lines and environments of all processes that were started with `word` in their command line. */
function processesWith(word: string): string[] {
  const texts: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      if (!line.includes(word)) continue;
      texts.push(
        [line, ...["comm", "environ"].map((file) => Deno.readTextFileSync(`/proc/${name}/${file}`))].join("\n"),
      );
    } catch (error) {
      // Others may end meanwhile.
      if (!(error instanceof Error) || !/NotFound|No such process|PermissionDenied/.test(String(error))) throw error;
    }
  }
  return texts;
}

Deno.test(
  "server.ts where others can reach it prints a ticket, and that is all a client needs",
  LINUX_ONLY,
  async () => {
    await using dir = await tempDir();
    const [served, back] = [dir.join("served"), dir.join("back")];
    Deno.mkdirSync(served);
    Deno.mkdirSync(back);
    await using server = await startServer(served, OPEN_TO_OTHERS);
    const ticket = await ticketOf(server);
    const { addresses, port, keyHash } = decodeTicket(ticket);
    assertEquals({ addresses, port }, { addresses: ["127.0.0.1"], port: server.address.port });
    assert(keyHash);
    assert(ticket.length < 120, `${ticket.length} characters`);

    const content = bytes(3_000_001, 7);
    Deno.writeFileSync(dir.join("a.dat"), content);
    assertDone(await runClient([ticket, "put", dir.join("a.dat"), "天线.dat"]));
    await assertFile(join(served, "天线.dat"), content);
    const listed = await runClient([ticket, "dir"]);
    assertDone(listed);
    assertStringIncludes(listed.stdout, "天线.dat");
    const got = await runClient([ticket, "get", "天线.dat", "-"]);
    assertDone(got);
    assert(sameBytes(got.bytes, content));
    Deno.removeSync(join(served, "天线.dat"));
    assertDone(await runClient([ticket, "put", "-r", TREE]));
    assertSameTree(join(served, "tree"), TREE);
    assertDone(await runClient([ticket, "get", "-r", "tree"], { cwd: back }));
    assertSameTree(join(back, "tree"), TREE);

    // Every server has a secret of its own.
    await using other = await startServer(served, OPEN_TO_OTHERS);
    const othersTicket = decodeTicket(await ticketOf(other));
    assertNotEquals(othersTicket.secret.text, decodeTicket(ticket).secret.text);

    const titles = processesWith(served);
    assertEquals(titles.length, 2);
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    const output = server.stdout.text.replaceAll(ticket, "");
    assertEquals(server.stdout.text.split(ticket).length, 2, "the ticket is printed once");
    const said = [output, server.stderr.text, listed.stdout, listed.stderr, got.stderr];
    for (const text of [...said, ...titles]) {
      for (const form of formsOf(ticket)) assert(!text.includes(form), `${form} is in ${JSON.stringify(text)}`);
    }
    assert(server.stderr.text.includes("天线.dat"), "the log is there");
  },
);

Deno.test("server.ts --identity keeps tickets good over a restart, also on loopback", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const [served, identity, ticketFile] = [dir.join("served"), dir.join("identity"), dir.join("ticket")];
  Deno.mkdirSync(served);
  Deno.writeTextFileSync(join(served, "a.txt"), "abc");
  Deno.writeTextFileSync(ticketFile, "old", { mode: 0o644 });
  const access = [
    "--allow-net",
    `--allow-read=${served},${identity},${ticketFile}`,
    `--allow-write=${served},${identity},${ticketFile}`,
  ];
  const options = ["--identity", identity, "--ticket-file", ticketFile, "--log-format", "json"];
  let ticket: string;
  let port: number;
  {
    await using server = await startServer(served, options, access);
    port = server.address.port;
    await server.stderr.until('"event":"tickets"');
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    // It is in its file, and nowhere else.
    assertEquals(server.stdout.text.split("\n").map((line) => line.slice(0, 20)), ['{"event":"listening"', ""]);
    ticket = Deno.readTextFileSync(ticketFile).trim();
    assert(!server.stderr.text.includes("ferry:"), server.stderr.text);
  }
  for (const file of [identity, ticketFile]) assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600, file);
  Deno.removeSync(ticketFile);
  await using server = await startServer(served, ["--port", String(port), ...options], access);
  await server.stderr.until('"event":"tickets"');
  assertEquals(Deno.readTextFileSync(ticketFile), `${ticket}\n`);
  const got = await runClient([Deno.readTextFileSync(ticketFile), "get", "a.txt", "-"]);
  assertDone(got);
  assertEquals(got.stdout, "abc");
  const secret = JSON.parse(Deno.readTextFileSync(identity)).secret;
  assertEquals(decodeTicket(ticket).secret.text, secret);
  assert(!server.stderr.text.includes(secret) && !server.stdout.text.includes(secret));
});

Deno.test(
  "client.ts refuses a server with another certificate or another secret, with exit code 4",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await tempDir();
    const served = dir.join("served");
    Deno.mkdirSync(served);
    const identity = dir.join("identity");
    const access = serverAccess(dir.path);
    let ticket: string;
    let port: string;
    {
      await using server = await startServer(served, ["--identity", identity, "--ticket-file", "-"], access);
      ticket = await ticketOf(server);
      port = String(server.address.port);
    }
    const file = JSON.parse(Deno.readTextFileSync(identity));
    const restarted = async (content: string | undefined) => {
      Deno.removeSync(identity);
      if (content !== undefined) Deno.writeTextFileSync(identity, content, { mode: 0o600 });
      await using _server = await startServer(served, ["--identity", identity, "--port", port], access);
      return await runClient([ticket, "mkdir", "x"]);
    };
    const wrongSecret = JSON.stringify({ ...file, secret: "a".repeat(26) });
    const secretRefused = await restarted(wrongSecret);
    assertRefused(secretRefused, 4, /the secret is wrong or missing/);
    const certificateRefused = await restarted(undefined);
    assertRefused(certificateRefused, 4, /the server did not show the ticket's key/);
    for (const { stderr } of [secretRefused, certificateRefused]) {
      for (const form of [...formsOf(ticket), file.secret]) assert(!stderr.includes(form), stderr);
    }
    assertEquals(Array.from(Deno.readDirSync(served)), []);
  },
);

/** Whether clients on other machines could reach this one. */
const HAS_ADDRESS = Deno.networkInterfaces().some(({ address }) => !isLoopback(address) && !/^fe80:/i.test(address));

Deno.test("server.ts on all addresses says why it needs to know them, and prints a command that works as it is", async () => {
  await using dir = await tempDir();
  for (const host of ["0.0.0.0", "::"]) {
    const outcome = await runServer([dir.path, "--port", "0", "--host", host], serverAccess(dir.path));
    assertRefused(
      outcome,
      2,
      /^Ferry needs access to this machine's addresses, since clients get them with the ticket/,
    );
    if (!HAS_ADDRESS) continue;
    const command = /This command grants it:\n {2}(.*)\n$/.exec(outcome.stderr)?.[1] ?? "";
    await using server = new Process("sh", ["-c", `exec ${command}`]);
    await server.stdout.until("Serving ");
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
  }
});

Deno.test("server.ts --insecure neither encrypts nor asks for a secret", async () => {
  await using dir = await tempDir();
  Deno.writeTextFileSync(dir.join("a.txt"), "abc");
  await using server = await startServer(dir.path, ["--host", "0.0.0.0", "--insecure"]);
  const got = await runClient([`127.0.0.1:${server.address.port}`, "get", "a.txt", "-"]);
  assertDone(got);
  assertEquals(got.stdout, "abc");
  assert(!server.stdout.text.includes("ferry:"), server.stdout.text);
});

Deno.test("server.ts on loopback neither encrypts nor asks for a secret unless it is told to", async () => {
  await using dir = await tempDir();
  Deno.writeTextFileSync(dir.join("a.txt"), "abc");
  await using server = await startServer(dir.path);
  assertEquals((await runClient([server.at, "get", "a.txt", "-"])).stdout, "abc");
  assert(!server.stdout.text.includes("ferry:"), server.stdout.text);
});

Deno.test("server.ts refuses an identity that others can read or that is none", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const served = dir.join("served");
  Deno.mkdirSync(served);
  const identity = dir.join("identity");
  const start = () => runServer([served, "--port", "0", "--identity", identity], serverAccess(dir.path));
  Deno.writeTextFileSync(identity, "{}", { mode: 0o600 });
  assertRefused(await start(), 1, /identity.* is not a file that --identity has written/);
  Deno.chmodSync(identity, 0o644);
  assertRefused(await start(), 1, /identity.*chmod 600/);
  const without = await runServer([served, "--port", "0", "--identity", identity], serverAccess(served));
  assertRefused(without, 2, /This command grants it:\n.*--allow-write=\S*identity/);
});

Deno.test("client.ts exits with 2 for a ticket that is cut or mistyped, and does not repeat it", async () => {
  await using dir = await tempDir();
  await using server = await startServer(dir.path, OPEN_TO_OTHERS);
  const ticket = await ticketOf(server);
  const wrong = ticket.replace(/.$/, (last) => last === "a" ? "b" : "a");
  for (const text of [ticket.slice(0, -1), ticket.slice(0, 60), "ferry:", wrong]) {
    const outcome = await runClient([text, "dir"]);
    assertRefused(outcome, 2, /^the ticket is mistyped or not complete; copy it again, from beginning to end\n$/);
  }
  assertEquals(server.stderr.text.includes("connect"), false, server.stderr.text);
});

Deno.test("client.ts takes a ticket in capitals, and commands from standard input", async () => {
  await using dir = await tempDir();
  await using server = await startServer(dir.path, OPEN_TO_OTHERS);
  const ticket = (await ticketOf(server)).toUpperCase();
  await using client = new Process(DENO, ["run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), ticket]);
  await client.type("mkdir one\nmkdir two\n");
  await client.endInput();
  assertEquals(await client.ended(), 0, client.stderr.text);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name).sort(), ["one", "two"]);
});

Deno.test("server.ts ends on SIGUSR1 rather than let Deno open a debugger to everybody", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  await using server = await startServer(dir.join());
  server.kill("SIGUSR1");
  assertEquals(await server.ended(), 1);
  assertStringIncludes(
    server.stderr.text,
    "SIGUSR1 would open a debugger to everyone on this machine; the server stops instead.\n",
  );
});

/** Where others can reach it, and nothing is said about tickets. */
const WITHOUT_WORD = ["--host", "0.0.0.0", "--address", "127.0.0.1"];

const HINT = "Clients need a ticket: --ticket-file FILE writes it to FILE, --ticket-file - to standard output.";
const NEW_SECRET =
  "The secret changes at every start: old tickets stop working, and interrupted uploads start over. To keep it, add";

Deno.test("server.ts prints no ticket where nobody asked for it and there is no terminal", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const [served, identity, file] = [dir.join("served"), dir.join("identity"), dir.join("ticket")];
  Deno.mkdirSync(served);
  Deno.writeTextFileSync(join(served, "a.txt"), "abc");
  const cases: [options: string[], tickets: number, hint: boolean][] = [
    [[], 0, true],
    [["--quiet"], 0, true],
    [["--log-format", "json"], 0, true],
    [["--ticket-file", file, "--quiet"], 0, false],
    [["--ticket-file", file], 0, false],
    [["--ticket-file", "-"], 1, false],
    [["--ticket-file=-", "--quiet", "--log-format", "json"], 1, false],
  ];
  for (const [options, tickets, hint] of cases) {
    const all = [...WITHOUT_WORD, "--identity", identity, ...options];
    await using server = await startServer(served, all, serverAccess(dir.path));
    if (tickets > 0) await server.stdout.until("ferry:");
    const secretFile = dir.join("secret");
    const { secret } = JSON.parse(Deno.readTextFileSync(identity));
    Deno.writeTextFileSync(secretFile, secret, { mode: 0o600 });
    if (hint) await server.stderr.until(HINT);
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    const { stdout: { text: output }, stderr: { text: log } } = server;
    assertEquals([output.split("ferry:").length - 1, log.split("ferry:").length - 1], [tickets, 0], options.join(" "));
    assertEquals(log.includes(HINT), hint, log);
    assertEquals(output.split("\n").filter((line) => line !== "").length, 1 + tickets * (options.length > 2 ? 1 : 2));
    assert(!log.includes(secret) && !output.replace(/ferry:[a-z2-7]+/, "").includes(secret));
    if (!options.includes(file)) continue;
    assertEquals(Deno.readTextFileSync(file).slice(0, 6), "ferry:");
    assertEquals(log.includes(`Clients connect with this ticket: "${file}"\n`), !options.includes("--quiet"));
    Deno.removeSync(file);
  }
});

Deno.test("server.ts --ticket-file has a file for each role, for its owner only", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const [served, file] = [dir.join("served"), dir.join("ticket")];
  Deno.mkdirSync(served);
  Deno.writeTextFileSync(join(served, "a.txt"), "abc");
  const secrets = ["--read-secret-file", dir.join("r"), "--upload-secret-file", dir.join("u")];
  const options = [...WITHOUT_WORD, "--ticket-file", file, ...secrets];
  const names = [file, `${file}.read`, `${file}.upload`];
  // It is asked for access to all of them.
  const denied = await runServer([served, "--port", "0", ...options], serverAccess(served));
  assertRefused(denied, 2, new RegExp(`--allow-write=\\S*${names.join(",")}`));
  await using server = await startServer(served, options, serverAccess(dir.path));
  await server.stderr.until(`This ticket only lets clients add files: "${file}.upload"\n`);
  for (const name of names) assertEquals((Deno.statSync(name).mode ?? 0) & 0o777, 0o600, name);
  assertEquals((await runClient([file, "get", "a.txt", "-"])).stdout, "abc");
  assertEquals((await runClient([`${file}.read`, "get", "a.txt", "-"])).stdout, "abc");
  assertRefused(await runClient([`${file}.read`, "mkdir", "d"]), 4, /you may only read here/);
  assertEquals((await runClient([`${file}.upload`, "mkdir", "d"])).code, 0);
  assertRefused(await runClient([`${file}.upload`, "dir"]), 4, /you may not list or read/);
  assert(!server.stdout.text.includes("ferry:"), server.stdout.text);
  const clash = await runServer([served, "--port", "0", ...options, "--audit", `${file}.read`], serverAccess(dir.path));
  assertRefused(clash, 2, /is named by two options/);
});

Deno.test(
  "server.ts prints its ticket at a terminal, unless it is quiet or has a file for it",
  NO_TERMINAL,
  async () => {
    await using dir = await tempDir();
    const [served, file] = [dir.join("served"), dir.join("ticket")];
    Deno.mkdirSync(served);
    for (const [options, tickets] of [[[], 1], [["--quiet"], 0], [["--ticket-file", file], 0]] as const) {
      await using server = serverInTerminal(
        [served, "--port", "0", ...WITHOUT_WORD, ...options],
        serverAccess(dir.path),
      );
      await server.stdout.until(NEW_SECRET);
      await server.type("quit\n");
      assertEquals(await server.ended(), 0);
      const { text } = server.stdout;
      assertEquals(text.split("ferry:").length - 1, tickets, text);
      assertEquals(text.includes(HINT), options.includes("--quiet" as never), text);
    }
  },
);

Deno.test("server.ts says when tickets and interrupted uploads do not outlive it", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const served = dir.join("served");
  Deno.mkdirSync(served);
  const { certificate, key } = new Authority().issue(["127.0.0.1"]);
  for (const [name, text] of [["cert", certificate], ["key", key]] as const) {
    Deno.writeTextFileSync(dir.join(name), text, { mode: 0o600 });
  }
  const own = ["--tls-cert", dir.join("cert"), "--tls-key", dir.join("key")];
  const cases: [options: string[], said: string | undefined][] = [
    [OPEN_TO_OTHERS, `${NEW_SECRET} --identity FILE.\n`],
    [[...OPEN_TO_OTHERS, "--identity", dir.join("identity")], undefined],
    [[...OPEN_TO_OTHERS, "--secret-file", dir.join("secret")], undefined],
    [[...OPEN_TO_OTHERS, ...own], `${NEW_SECRET} --secret-file FILE.\n`],
    [[...OPEN_TO_OTHERS, ...own, "--secret-file", dir.join("secret")], undefined],
    [[...OPEN_TO_OTHERS, "--read-secret-file", dir.join("r")], `${NEW_SECRET} --identity FILE.\n`],
    [["--secret-file", dir.join("secret")], undefined],
    [[], undefined],
  ];
  for (const [options, said] of cases) {
    await using server = await startServer(served, options, serverAccess(dir.path));
    if (said !== undefined) await server.stderr.until(said);
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    assertEquals(server.stderr.text.includes("changes at every start"), said !== undefined, options.join(" "));
  }
});
