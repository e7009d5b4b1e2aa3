import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Identity } from "../../lib/transport/tls.ts";
import { isLoopback } from "../../lib/transport/address.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { decodeTicket } from "../../lib/auth/ticket.ts";
import { connect } from "../../lib/client/client.ts";
import { type Role, ROLES } from "../../lib/access/policy.ts";
import { Authority } from "../helpers/authority.ts";
import {
  CLIENT_ACCESS,
  clientInTerminal,
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
  shellQuote,
  startServer,
} from "../helpers/process.ts";
import { failsWith, RawPeer, within } from "../helpers/raw.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };
const NO_TERMINAL = { ignore: !hasTerminal };
const LINUX_ONLY = { ignore: Deno.build.os !== "linux" };

/** Options with which others can reach a server, and clients on this machine do, over loopback. */
const OPEN_TO_OTHERS = ["--host", "0.0.0.0", "--address", "127.0.0.1", "--ticket-file", "-"];

/** The options that name the secrets of the roles. */
const SECRET_OPTIONS: Record<Role, string> = {
  full: "--secret-file",
  read: "--read-secret-file",
  upload: "--upload-secret-file",
};

/** A directory with a served one in it, `files`. */
class Places implements AsyncDisposable {
  private constructor(readonly dir: TempDir, readonly served: string) {}

  static async make(): Promise<Places> {
    const dir = await tempDir();
    Deno.mkdirSync(dir.join("files"));
    Deno.writeTextFileSync(dir.join("files", "a.txt"), "abc");
    return new Places(dir, dir.join("files"));
  }

  join(...names: string[]): string {
    return this.dir.join(...names);
  }

  /** Writes a file that only its owner may read. */
  write(name: string, content: string, mode = 0o600): string {
    const path = this.join(name);
    Deno.writeTextFileSync(path, content, { mode });
    Deno.chmodSync(path, mode);
    return path;
  }

  start(...args: string[]): Promise<ServerProcess> {
    return startServer(this.served, args, serverAccess(this.dir.path));
  }

  /** Runs a server that is not to start. */
  run(...args: string[]): Promise<Outcome> {
    return runServer([this.served, "--port", "0", ...args], serverAccess(this.dir.path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dir[Symbol.asyncDispose]();
  }
}

async function ticketsOf(server: ServerProcess, count: number): Promise<string[]> {
  const tickets: string[] = [];
  while (tickets.length < count) tickets.push((await server.stdout.until(/ferry:[a-z2-7]+(?="|\n)/)).trim());
  return tickets;
}

function assertRefused(outcome: Outcome, code: number, message: RegExp | string): void {
  if (typeof message === "string") assertStringIncludes(outcome.stderr, message);
  else assertMatch(outcome.stderr, message);
  assertEquals(outcome.code, code, outcome.stderr);
  assert(!/Uncaught|^\s+at |Error:/m.test(outcome.stderr), `this is no message for people: ${outcome.stderr}`);
  assertEquals(outcome.stdout, "");
}

function assertGot(outcome: Outcome): void {
  assertEquals([outcome.code, outcome.stdout], [0, "abc"], outcome.stderr);
}

/** How a secret may be written in a text. */
function formsOf(secret: Secret): string[] {
  return [secret.text, secret.text.toUpperCase(), secret.bytes.toHex(), secret.bytes.toBase64()];
}

function assertWithout(secret: Secret, texts: readonly string[]): void {
  for (const text of texts) {
    for (const form of formsOf(secret)) assert(!text.includes(form), `${form} is in ${JSON.stringify(text)}`);
  }
}

/** Runs a client with a secret in its environment. */
async function runWithVariable(value: string, args: readonly string[], maySee = true): Promise<Outcome> {
  const access = maySee ? ["--allow-env=FERRY_SECRET"] : [];
  const line = ["run", "--no-prompt", ...CLIENT_ACCESS, ...access, join(PROJECT, "client.ts"), ...args];
  await using client = new Process(DENO, line, { env: { FERRY_SECRET: value } });
  await client.endInput();
  const code = await client.ended();
  return { code, stdout: client.stdout.text, bytes: client.stdout.bytes, stderr: client.stderr.text };
}

// Tickets and secrets of the roles

Deno.test("server.ts prints a ticket for each role, which may do what it says", NOT_ON_WINDOWS, async () => {
  await using places = await Places.make();
  const file = places.write("new.txt", "new");
  const secrets = ["--read-secret-file", places.join("r"), "--upload-secret-file", places.join("u")];
  await using server = await places.start(...OPEN_TO_OTHERS, ...secrets);
  const [full = "", read = "", upload = ""] = await ticketsOf(server, 3);
  assertEquals(server.stdout.text.split("\n").slice(1), [
    "Clients connect with this ticket:",
    full,
    "This ticket only lets clients list and read:",
    read,
    "This ticket only lets clients add files:",
    upload,
    "",
  ]);
  assertEquals(new Set([full, read, upload].map((ticket) => decodeTicket(ticket).secret.text)).size, 3);
  assertEquals(decodeTicket(read).secret.text, Deno.readTextFileSync(places.join("r")).trim());
  assertEquals(decodeTicket(upload).secret.text, Deno.readTextFileSync(places.join("u")).trim());
  assertGot(await runClient([full, "get", "a.txt", "-"]));
  assertGot(await runClient([read, "get", "a.txt", "-"]));
  assertRefused(await runClient([read, "put", file]), 4, 'Cannot put "new.txt": you may only read here\n');
  assertRefused(await runClient([upload, "get", "a.txt"]), 4, "you may not list or read anything here\n");
  assertEquals((await runClient([upload, "put", file])).code, 0);
  assertRefused(await runClient([upload, "put", file]), 1, "it exists already, and you may not replace files here\n");
  assertEquals(Deno.readTextFileSync(join(places.served, "new.txt")), "new");
  await server.stderr.until(/ \(upload\) put "new\.txt" .*AlreadyExists\n/);
  for (const ticket of [full, read, upload]) assertWithout(decodeTicket(ticket).secret, [server.stderr.text]);
});

Deno.test(
  "server.ts makes secret files for their owner only, and gives the same tickets again",
  NOT_ON_WINDOWS,
  async () => {
    await using places = await Places.make();
    const files = ROLES.map((role) => [SECRET_OPTIONS[role], places.join(role)]).flat();
    const options = [...OPEN_TO_OTHERS, "--identity", places.join("id"), ...files, "--log-format", "json"];
    const printed: unknown[][] = [];
    for (let i = 0; i < 2; i++) {
      await using server = await places.start(...options);
      const tickets = await ticketsOf(server, 3);
      const lines = server.stdout.text.split("\n").slice(1, -1).map((line) => JSON.parse(line));
      assertEquals(lines, tickets.map((ticket, j) => ({ event: "ticket", role: ROLES[j], ticket })));
      printed.push(tickets.map((ticket) => decodeTicket(ticket).secret.text));
    }
    assertEquals(printed[0], printed[1]);
    for (const name of [...ROLES, "id"]) {
      assertEquals((Deno.statSync(places.join(name)).mode ?? 0) & 0o777, 0o600, name);
    }
  },
);

Deno.test("server.ts and client.ts refuse a secret that others can read, or that is none", NOT_ON_WINDOWS, async () => {
  await using places = await Places.make();
  const secret = Secret.create();
  const open = places.write("open", secret.text, 0o644);
  const wrong = places.write("wrong", `${secret.text}a`);
  for (const option of Object.values(SECRET_OPTIONS)) {
    const outcome = await places.run(option, open);
    assertRefused(
      outcome,
      1,
      /^Cannot use the secret in ".*open": other users may read or write it; run: chmod 600 .*\n$/,
    );
    const second = await places.run(option, wrong);
    assertRefused(second, 1, /^Cannot use the secret in ".*wrong": a secret has 26 characters, this has 27\n$/);
    assertWithout(secret, [outcome.stderr, second.stderr]);
  }
  for (const [file, reason] of [[open, "chmod 600"], [wrong, "26 characters"], [places.join("no"), "no such file"]]) {
    const outcome = await runClient(["--secret-file", file ?? "", "127.0.0.1:1", "dir"]);
    assertRefused(outcome, exitOf(reason ?? ""), reason ?? "");
    assertWithout(secret, [outcome.stderr]);
  }
});

/** The exit code of a client that cannot use a file for a reason. */
function exitOf(reason: string): number {
  return reason === "chmod 600" ? 4 : reason === "no such file" ? 5 : 1;
}

Deno.test(
  "server.ts refuses to keep its own files in the served directory, also by way of links",
  NOT_ON_WINDOWS,
  async () => {
    await using places = await Places.make();
    const { served } = places;
    Deno.symlinkSync(served, places.join("way"));
    Deno.writeTextFileSync(join(served, "there"), "x", { mode: 0o600 });
    Deno.symlinkSync(join(served, "there"), places.join("link"));
    Deno.symlinkSync(join(served, "nothing"), places.join("dangling"));
    const inside = [
      join(served, "x"),
      places.join("way", "x"),
      places.join("link"),
      places.join("files", "..", "way", "x"),
    ];
    const names = ["--audit", "--identity", "--ticket-file", ...Object.values(SECRET_OPTIONS)];
    for (const [i, option] of names.entries()) {
      const file = inside[i % inside.length] ?? "";
      const outcome = await places.run(...OPEN_TO_OTHERS, option, file);
      assertRefused(outcome, 2, `"${file}" is in the served directory, where clients could get it; move it out\n`);
    }
    for (const file of inside) assertRefused(await places.run("--audit", file), 2, "is in the served directory");
    // Where it leads would show only when the file has been made, which Deno allows with all permissions only.
    const dangling = await runServer([served, "--port", "0", "--audit", places.join("dangling")], ["--allow-all"]);
    assertRefused(dangling, 1, "it is a link; name the file itself\n");
    assert(!Array.from(Deno.readDirSync(served), ({ name }) => name).includes("nothing"));
    const { certificate, key } = new Authority().issue(["127.0.0.1"]);
    const tls = ["--tls-cert", places.write("cert", certificate), "--tls-key", places.write("files/key", key)];
    assertRefused(await places.run(...tls), 2, 'key" is in the served directory');
    assert(!Array.from(Deno.readDirSync(served), ({ name }) => name).includes("x"));
  },
);

Deno.test("server.ts refuses options that contradict each other, and says which", NOT_ON_WINDOWS, async () => {
  await using places = await Places.make();
  const secret = Secret.create();
  const [one, same] = [places.write("one", secret.text), places.write("same", ` ${secret.text.toUpperCase()}\n`)];
  const { certificate, key } = new Authority().issue(["127.0.0.1"]);
  const [cert, keyFile] = [places.write("cert", certificate), places.write("key", key)];
  const [identity, shared] = [places.join("id"), places.write("shared", key, 0o640)];
  const cases: [args: string[], code: number, message: RegExp][] = [
    [["--read-only", "--upload-only"], 2, /^--read-only and --upload-only together leave nothing to do\n$/],
    [["--read-only", "--upload-secret-file", one], 2, /^--upload-secret-file and --read-only together leave nothing/],
    [["--upload-only", "--read-secret-file", one], 2, /^--read-secret-file and --upload-only together leave nothing/],
    [["--secret-file", one, "--read-secret-file", same], 2, /^two roles have the same secret; give each its own\n$/],
    [["--secret-file", one, "--read-secret-file", one], 2, /^".*one" is named by two options; each needs a file/],
    [["--identity", identity, "--ticket-file", identity], 2, /^".*id" is named by two options/],
    [["--identity", identity, "--audit", `${places.dir.path}/./id`], 2, /^".*id" is named by two options/],
    [["--tls-cert", cert], 2, /^--tls-cert and --tls-key go together\n$/],
    [["--tls-key", keyFile], 2, /^--tls-cert and --tls-key go together\n$/],
    [
      ["--tls-cert", cert, "--tls-key", keyFile, "--identity", identity],
      2,
      /^use either --identity or --tls-cert, not both\n$/,
    ],
    [["--ticket-file", places.join("t")], 2, /need encryption, which is off here\n$/],
    [["--insecure", "--identity", identity], 2, /need encryption, which is off here\n$/],
    [["--insecure", "--tls-cert", cert, "--tls-key", keyFile], 2, /need encryption, which is off here\n$/],
    ...Object.values(SECRET_OPTIONS).map((option): [string[], number, RegExp] => [
      ["--host", "0.0.0.0", "--insecure", option, one],
      2,
      /^a secret is not used without encryption; leave out --insecure, or the secret\n$/,
    ]),
    [["--tls-cert", keyFile, "--tls-key", cert], 1, /^Cannot use ".*key": it holds no certificate in PEM form\n$/],
    [["--tls-cert", places.join("no"), "--tls-key", keyFile], 1, /^Cannot read ".*no": no such file/],
    [["--tls-cert", cert, "--tls-key", shared], 1, /^Cannot read ".*shared": other users .*; run: chmod 600 .*\n$/],
  ];
  for (const [args, code, message] of cases) {
    const outcome = await places.run(...args);
    assertRefused(outcome, code, message);
    assertWithout(secret, [outcome.stderr]);
  }
  assert(!Array.from(Deno.readDirSync(places.dir.path), ({ name }) => name).includes("id"));
});

Deno.test(
  "server.ts asks at its terminal for nothing beyond what it was given for its files",
  NO_TERMINAL,
  async () => {
    await using places = await Places.make();
    const files = ["--secret-file", "--audit"].map((option) => [option, places.join(option.slice(2))]).flat();
    const paths = [places.served, files[1], files[3]].join();
    const access = ["--allow-net", `--allow-read=${paths}`, `--allow-write=${paths}`];
    for (let i = 0; i < 2; i++) {
      await using server = serverInTerminal([places.served, "--port", "0", ...files], access);
      await server.stdout.until("Clients need the secret in");
      assert(!server.stdout.text.includes("Allow?"), server.stdout.text);
      await server.type("quit\r");
      assertEquals(await server.ended(), 0);
    }
    // A file that was made by way of a link is found where it really is.
    Deno.symlinkSync(places.served, places.join("way"));
    const audit = places.join("way", "audit");
    const narrow = ["--allow-net", ...["read", "write"].map((kind) => `--allow-${kind}=${places.served},${audit}`)];
    const outcome = await runServer([places.served, "--port", "0", "--audit", audit], narrow);
    assertRefused(outcome, 2, "is in the served directory");
  },
);

// Own certificates

/** Starts a server with a certificate of its own and a secret. */
async function startCertified(places: Places, { certificate, key }: Identity): Promise<ServerProcess> {
  const files = ["--tls-cert", places.write("cert", certificate), "--tls-key", places.write("key", key)];
  return await places.start(...OPEN_TO_OTHERS, ...files, "--secret-file", places.join("secret"));
}

Deno.test(
  "client.ts --ca reaches a server with a certificate of an authority, with its ticket or its secret",
  NOT_ON_WINDOWS,
  async () => {
    await using places = await Places.make();
    const authority = new Authority();
    await using server = await startCertified(places, authority.issue(["127.0.0.1", "localhost"]));
    const [ticket = ""] = await ticketsOf(server, 1);
    assertEquals(decodeTicket(ticket).keyHash, undefined);
    const ca = places.write("ca", authority.certificate);
    const { port } = server.address;
    assertGot(await runClient(["--ca", ca, ticket, "get", "a.txt", "-"]));
    for (const host of ["127.0.0.1", "localhost"]) {
      const outcome = await runClient([
        "--ca",
        ca,
        "--secret-file",
        places.join("secret"),
        `${host}:${port}`,
        "get",
        "a.txt",
        "-",
      ]);
      assertGot(outcome);
    }
    const text = Deno.readTextFileSync(places.join("secret"));
    assertGot(await runWithVariable(text, ["--ca", ca, `127.0.0.1:${port}`, "get", "a.txt", "-"]));
  },
);

Deno.test(
  "client.ts refuses a certificate that is not good, before the secret is of any use",
  NOT_ON_WINDOWS,
  async () => {
    await using places = await Places.make();
    const authority = new Authority();
    const ca = places.write("ca", authority.certificate);
    const other = places.write("other", new Authority("Test authority").certificate);
    const cases: [hosts: string[], days: number, options: string[]][] = [
      [["127.0.0.1"], 30, []],
      [["127.0.0.1"], 30, ["--ca", other]],
      [["ferry.example", "127.0.0.2"], 30, ["--ca", ca]],
      [["127.0.0.1"], -1, ["--ca", ca]],
    ];
    for (const [hosts, days, options] of cases) {
      await using server = await startCertified(places, authority.issue(hosts, days));
      const [ticket = ""] = await ticketsOf(server, 1);
      const outcome = await runClient([...options, ticket, "get", "a.txt", "-"]);
      assertRefused(outcome, 4, "the server did not show a certificate that is valid now, for this host name, ");
      await server.stderr.until("did not complete the encryption");
      assert(!server.stderr.text.includes("connected"), "nothing was said over it");
      assertWithout(decodeTicket(ticket).secret, [outcome.stderr, server.stderr.text]);
    }
    const useless = await runClient(["--ca", places.write("no", "none"), "127.0.0.1:1", "dir"]);
    assertRefused(useless, 1, /^Cannot use ".*no": it holds no certificate in PEM form\n$/);
  },
);

// A secret by itself

Deno.test(
  "client.ts needs the secret of a server on this machine, from a file or the environment",
  NOT_ON_WINDOWS,
  async () => {
    await using places = await Places.make();
    const file = places.join("secret");
    await using server = await places.start("--secret-file", file, "--audit", places.join("audit"));
    await server.stdout.until(`Clients need the secret in "${file}".\n`);
    const secret = Secret.parse(Deno.readTextFileSync(file));
    const get = [server.at, "get", "a.txt", "-"];
    const outcomes = [
      await runClient(["--secret-file", file, ...get]),
      await runWithVariable(secret.text, get),
      await runWithVariable("a".repeat(26), ["--secret-file", file, ...get]),
    ];
    outcomes.forEach(assertGot);
    const none = await runClient(get);
    assertRefused(none, 4, "the server wants a secret: give its ticket, or --secret-file\n");
    const wrong = await runWithVariable("a".repeat(26), get);
    assertRefused(wrong, 4, "the secret is wrong or missing\n");
    const mistyped = await runWithVariable(secret.text.slice(1), get);
    assertRefused(mistyped, 1, 'Cannot use the secret in "FERRY_SECRET": a secret has 26 characters, this has 25\n');
    Deno.chmodSync(file, 0o640);
    const shared = await runClient(["--secret-file", file, ...get]);
    assertRefused(shared, 4, /^Cannot use the secret in ".*secret": other users .*; run: chmod 600 .*\n$/);
    assert(!mistyped.stderr.includes(secret.text.slice(1)));
    const hidden = await runWithVariable(secret.text, ["ferry.example", "dir"], false);
    assertRefused(hidden, 2, "FERRY_SECRET with --allow-env=FERRY_SECRET");
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    const texts = [...outcomes, none, wrong].map(({ stderr }) => stderr);
    assertWithout(secret, [
      ...texts,
      server.stdout.text,
      server.stderr.text,
      Deno.readTextFileSync(places.join("audit")),
    ]);
  },
);

Deno.test("client.ts --insecure uses no secret, also when the environment has one", async () => {
  await using places = await Places.make();
  const secret = Secret.create();
  await using server = await places.start();
  const get = [server.at, "get", "a.txt", "-"];
  const message = "the server does not ask for a secret; it is not the one that ours is for\n";
  assertRefused(await runWithVariable(secret.text, get), 4, message);
  assertGot(await runWithVariable(secret.text, ["--insecure", ...get]));
  const both = await runClient(["--insecure", "--secret-file", places.write("s", secret.text), ...get]);
  assertRefused(
    both,
    2,
    /^--insecure turns encryption and secrets off; leave out either it, or --secret-file and --ca\n$/,
  );
});

Deno.test("client.ts exits with 2 rather than meet another machine without a secret", async () => {
  for (const args of [["ferry.example", "dir"], ["ferry.example:7000", "get", "a"], ["[2001:db8::1]", "dir"]]) {
    assertRefused(
      await runClient(args),
      2,
      /^there is no secret for \S+: give the server's ticket instead of its address/,
    );
  }
});

/** An address of this machine that others could reach, too. */
const REACHABLE = Deno.networkInterfaces().map(({ address }) => address)
  .find((address) => !isLoopback(address) && !/^fe80:/i.test(address));
if (REACHABLE === undefined) console.log("skipped: this machine has loopback addresses only");

Deno.test("connect() uses no secret without encryption where others can listen", { ignore: !REACHABLE }, async () => {
  using listener = Deno.listen({ hostname: REACHABLE ?? "", port: 0 });
  const { port } = listener.addr;
  const accepting = listener.accept();
  const connecting = connect({ hostname: REACHABLE ?? "", port, secret: Secret.create() });
  const { message } = await failsWith(connecting, "Unauthorized");
  assertStringIncludes(message, "a secret is not used without encryption");
  using conn = await within(accepting, "the connection");
  assertEquals(await within(conn.read(new Uint8Array(1)), "its end"), null);
  // With encryption it goes on, and finds that the other end uses none.
  const accepted = listener.accept();
  const secured = failsWith(
    connect({ hostname: REACHABLE ?? "", port, secret: Secret.create(), tls: {} }),
    "Unauthorized",
  );
  using peer = new RawPeer(await within(accepted, "the connection") as Deno.TcpConn);
  await peer.send("hello", { ferry: [1], nonce: new Uint8Array(32).toBase64() });
  assertStringIncludes((await secured).message, "the server does not use encryption; --insecure connects");
});

Deno.test("client.ts asks for the secret at a terminal, and does not show it", NO_TERMINAL, async () => {
  await using places = await Places.make();
  const file = places.join("secret");
  await using server = await places.start("--secret-file", file);
  const secret = Secret.parse(Deno.readTextFileSync(file));
  await using client = clientInTerminal([server.at]);
  const { stdout } = client;
  await stdout.until("Secret: ");
  await client.type(`${secret.text.slice(1)}\r`);
  await stdout.until('Cannot use "the secret": a secret has 26 characters, this has 25');
  await stdout.until("Secret: ");
  // As somebody types it who reads it from a paper; the last character is corrected.
  await client.type(`${secret.text.toUpperCase()}x\x7f\r`);
  await stdout.until(`Connected to ${server.at}. Type "help" for the commands.`);
  await stdout.until("ferry:/> ");
  await client.type("get a.txt -\r");
  await stdout.until("abc");
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
  assertWithout(secret, [stdout.text]);
  assert(!stdout.text.toLowerCase().includes(secret.text.slice(1, 9)), stdout.text);
  assert(!stdout.text.includes("*"), "not even its length shows");
});

Deno.test(
  "client.ts leaves when it is given no secret at its terminal, and says what is needed",
  NO_TERMINAL,
  async () => {
    await using places = await Places.make();
    await using server = await places.start("--secret-file", places.join("secret"));
    await using client = clientInTerminal([server.at]);
    await client.stdout.until("Secret: ");
    await client.type("\r");
    await client.stdout.until("the server wants a secret: give its ticket, or --secret-file");
    assertEquals(await client.ended(), 4);
  },
);

Deno.test("client.ts asks before it meets another machine, but not amid what goes to a pipe", NO_TERMINAL, async () => {
  // An address that is not loopback, and leads to this machine all the same.
  const line = `${DENO} run ${CLIENT_ACCESS.join(" ")} ${join(PROJECT, "client.ts")} 0.0.0.0:1 get a.txt -`;
  await using piped = new Process("script", ["-qec", `${line} | cat`, "/dev/null"], { env: { SHELL: "/bin/sh" } });
  await piped.stdout.until("there is no secret for 0.0.0.0:1: ");
  await piped.ended();
  assert(!piped.stdout.text.includes("Secret"), piped.stdout.text);
  const secret = Secret.create();
  await using client = clientInTerminal(["0.0.0.0:1", "get", "a.txt", "-"]);
  await client.stdout.until("Secret (Enter for none, and no encryption): ");
  await client.type(`${secret.text}\r`);
  await client.stdout.until("Cannot connect to 0.0.0.0:1");
  assertEquals(await client.ended(), 3);
  assertWithout(secret, [client.stdout.text]);
});

Deno.test("client.ts asks for the secret for one command, too", NO_TERMINAL, async () => {
  await using places = await Places.make();
  const file = places.join("secret");
  await using server = await places.start("--secret-file", file);
  await using client = clientInTerminal([server.at, "get", "a.txt", "-"]);
  await client.stdout.until("Secret: ");
  // Ctrl-U begins again.
  await client.type(`wrong\x15${Deno.readTextFileSync(file).trim()}\r`);
  await client.stdout.until("abc");
  assertEquals(await client.ended(), 0);
});

Deno.test(
  "client.ts leaves the terminal as it was when Ctrl-C or Ctrl-D answers its question",
  NO_TERMINAL,
  async () => {
    const client = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), "0.0.0.0:1", "dir"].map(shellQuote);
    // The shell survives the signal that a terminal may send to both.
    const line = `trap : INT; ${client.join(" ")}; echo code $?; stty -a`;
    for (const key of ["\x03", "\x04"]) {
      await using terminal = new Process("script", ["-qec", line, "/dev/null"], { env: { SHELL: "/bin/sh" } });
      await terminal.stdout.until("Secret (Enter for none, and no encryption): ");
      await terminal.type(key);
      await terminal.stdout.until("code 130");
      assertEquals(await terminal.stdout.until(/[ -]echo\b/), " echo");
      await terminal.ended();
    }
  },
);

// Where tickets may come from

Deno.test(
  "client.ts takes the path of a file with a ticket, on the command line and when it asks",
  NO_TERMINAL,
  async () => {
    await using places = await Places.make();
    const file = places.join("office.ticket");
    await using server = await places.start(...OPEN_TO_OTHERS, "--ticket-file", file);
    await server.stderr.until(`Clients connect with this ticket: "${file}"\n`);
    const ticket = Deno.readTextFileSync(file).trim();
    assertGot(await runClient([file, "get", "a.txt", "-"]));
    assertGot(await runClient(["./office.ticket", "get", "a.txt", "-"], { cwd: places.dir.path }));
    assertRefused(await runClient([places.join("no"), "dir"]), 2, /^Cannot read the ticket in ".*no": no such file/);
    const cut = places.write("cut", ticket.slice(0, 60));
    assertRefused(await runClient([cut, "dir"]), 2, "the ticket is mistyped or not complete");
    assertRefused(await runClient([places.write("none", "x"), "dir"]), 2, /^there is no ticket in ".*none"\n$/);
    for (const mode of [0o644, 0o640, 0o602]) {
      Deno.chmodSync(file, mode);
      const outcome = await runClient([file, "get", "a.txt", "-"]);
      assertRefused(outcome, 2, /^Cannot read the ticket in ".*office.ticket": other users .*; run: chmod 600 .*\n$/);
    }
    Deno.chmodSync(file, 0o600);

    await using client = clientInTerminal([]);
    await client.stdout.until(/Host or ticket .*127\.0\.0\.1/);
    await client.type(`\x15${file}\r`);
    await client.stdout.until("Connected to ");
    assert(!client.stdout.text.includes("Port ["), client.stdout.text);
    await client.stdout.until("ferry:/> ");
    await client.type("get a.txt -\r");
    await client.stdout.until("abc");
    await client.type("quit\r");
    assertEquals(await client.ended(), 0);
  },
);

Deno.test(
  "server.ts and client.ts keep secrets out of the list of processes",
  { ...LINUX_ONLY, ...NO_TERMINAL },
  async () => {
    await using places = await Places.make();
    const [ticketFile, file] = [places.join("ticket"), places.join("r")];
    const options = ["--ticket-file", ticketFile, "--read-secret-file", file];
    await using server = await places.start(...OPEN_TO_OTHERS, ...options);
    await server.stderr.until(`This ticket only lets clients list and read: "${ticketFile}.read"\n`);
    const tickets = [ticketFile, `${ticketFile}.read`].map((path) => Deno.readTextFileSync(path).trim());
    await using client = clientInTerminal([ticketFile]);
    await client.stdout.until("ferry:/> ");
    const seen: string[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const line = Deno.readTextFileSync(`/proc/${name}/cmdline`);
        if (!line.includes(places.dir.path)) continue;
        seen.push(line, ...["comm", "environ"].map((each) => Deno.readTextFileSync(`/proc/${name}/${each}`)));
      } catch {
        // It has ended meanwhile, or is none of ours.
      }
    }
    assert(seen.length >= 6, "both processes were seen");
    for (const ticket of tickets) {
      const { secret } = decodeTicket(ticket);
      assertNotEquals(secret.text, "");
      assertWithout(secret, seen);
      for (const text of seen) assert(!text.includes(ticket.slice(6, 60)), text);
    }
    await client.type("quit\r");
    assertEquals(await client.ended(), 0);
  },
);
