import { assert, assertEquals, assertGreater, assertStringIncludes, assertThrows } from "@std/assert";
import { describeLimits, LIMIT_NAMES } from "../../lib/cli/server/limit_options.ts";
import { parseClientArguments } from "../../lib/cli/client/client_arguments.ts";
import { parseServerArguments } from "../../lib/cli/server/server_arguments.ts";
import { UsageError } from "../../lib/cli/terminal/usage.ts";
import { DEFAULT_LIMITS, type Limits } from "../../lib/access/limits.ts";
import { PROJECT, runClient, runServer, serverAccess, startServer } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, namesIn, RawPeer } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

const KIB = 1024;
const MIB = KIB ** 2;
const GIB = KIB ** 3;

/** What the server's command line says of limits. */
function limitsOf(...args: string[]): Partial<Limits> {
  const options = parseServerArguments(args);
  assert(typeof options === "object");
  return options.limits;
}

/** What is typed, and what it means or the words in which it is refused. */
type Cases = readonly (readonly [typed: string, meaning: number | string])[];

const counts = (most: number): Cases => [
  ["1", 1],
  [String(most), most],
  ...["0", "-1", String(most + 1), "1.5", "1k", "many", "", " ", "Infinity", "1e3", "9999999999999"].map((typed) =>
    [typed, typed === "" ? "needs a value" : `must be a number from 1 to ${most}`] as const
  ),
];

const DURATIONS: Cases = [
  ["1", 1_000],
  ["90", 90_000],
  ["90s", 90_000],
  ["15m", 900_000],
  ["2h", 7_200_000],
  ["2H", 7_200_000],
  ["596h", 2_145_600_000],
  ...["0", "0s", "597h", "999999999999"].map((typed) => [typed, "must be from 1 second to 24 days"] as const),
  ...["-1", "1.5h", "1d", "1ms", "soon", "1 h"].map((typed) => [typed, "must be a time such as"] as const),
];

const sizes = (least: number): Cases => [
  ["1500", 1500],
  ["64K", 64 * KIB],
  ["64k", 64 * KIB],
  ["20M", 20 * MIB],
  ["3G", 3 * GIB],
  ["1T", KIB ** 4],
  ["8191T", 8191 * KIB ** 4],
  ...["-1", "1.5G", "64KB", "64Ki", "all", "1e9", "9999999T", "9007199254740992", "0x10"].map((typed) =>
    [typed, "must be a number of bytes such as"] as const
  ),
  ["0", least === 0 ? 0 : `must be at least ${least} bytes a second`],
  [String(least), least],
  ...(least > 0 ? [[String(least - 1), `must be at least ${least} bytes a second`] as const] : []),
];

/** Every option: the limit that it sets and what may be typed. */
const OPTIONS: Record<typeof LIMIT_NAMES[number], readonly [keyof Limits, Cases]> = {
  "max-connections": ["connections", counts(1_000_000)],
  "max-per-address": ["connectionsPerAddress", counts(1_000_000)],
  "max-unauthenticated": ["unauthenticated", counts(1_000_000)],
  "hello-timeout": ["helloMs", DURATIONS],
  "idle-timeout": ["idleMs", DURATIONS],
  "stall-timeout": ["stallMs", DURATIONS],
  "max-requests": ["requests", counts(1024)],
  "max-file-size": ["fileBytes", sizes(0)],
  "keep-free": ["keepFreeBytes", sizes(0)],
  "max-depth": ["depth", counts(128)],
  "limit-rate": ["bytesPerSecond", sizes(KIB)],
  "limit-rate-each": ["connectionBytesPerSecond", sizes(KIB)],
};

Deno.test("parseServerArguments() sets no limits without options", () => {
  assertEquals(limitsOf(), {});
});

for (const name of LIMIT_NAMES) {
  Deno.test(`parseServerArguments() takes --${name}, and refuses what makes no sense`, () => {
    const [limit, cases] = OPTIONS[name];
    for (const [typed, meaning] of cases) {
      const parse = () => limitsOf(`--${name}=${typed}`);
      if (typeof meaning === "number") assertEquals(parse(), { [limit]: meaning }, typed);
      else assertStringIncludes(assertThrows(parse, UsageError, `--${name}`).message, meaning, typed);
    }
    assertThrows(() => limitsOf(`--${name}`), UsageError);
  });
}

Deno.test("LIMIT_NAMES cover every limit there is", () => {
  const all = Object.values(OPTIONS).map(([limit]) => limit);
  assertEquals(all.sort(), (Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]).sort());
});

Deno.test("describeLimits() and the README give every option with its default", async () => {
  const help = describeLimits();
  const readme = await Deno.readTextFile(`${PROJECT}/README.md`);
  for (const name of LIMIT_NAMES) {
    const [, usual = ""] = new RegExp(String.raw`^  --${name} [A-Z]+ .*\((\w+)\)$`, "m").exec(help) ?? [];
    assert(usual !== "", name);
    const row = new RegExp(String.raw`^\| .--${name} [A-Z]+.\s*\| (\S+)`, "m").exec(readme);
    assertEquals(row?.[1], usual, name);
  }
});

Deno.test("parseClientArguments() takes --limit-rate, and refuses what makes no sense", () => {
  const rateOf = (typed: string) => {
    const options = parseClientArguments([`--limit-rate=${typed}`, "127.0.0.1", "dir"]);
    assert(typeof options === "object");
    return options.bytesPerSecond;
  };
  for (const [typed, meaning] of sizes(KIB)) {
    if (typeof meaning === "number") assertEquals(rateOf(typed), meaning, typed);
    else assertStringIncludes(assertThrows(() => rateOf(typed), UsageError, "--limit-rate").message, meaning, typed);
  }
});

// Real processes

Deno.test("server.ts without the permission for --keep-free prints the command that grants it", async () => {
  await using dir = await tempDir();
  const args = [dir.path, "--port", "0", "--keep-free", "1G"];
  const { code, stderr, stdout } = await runServer(args, serverAccess(dir.path));
  assertEquals([code, stdout], [2, ""]);
  const command = `deno run ${serverAccess(dir.path).join(" ")} --allow-sys=statfs server.ts ${args.join(" ")}`;
  assertStringIncludes(stderr, command);
});

Deno.test("server.ts with --keep-free and exactly that permission keeps so much free", async () => {
  await using dir = await tempDir();
  const access = [...serverAccess(dir.path), "--allow-sys=statfs"];
  await using server = await startServer(dir.path, ["--keep-free", "8000T"], access);
  const { code, stderr } = await runClient([server.at, "put", "-", "a.txt"], { input: "abc" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, `Cannot put "a.txt": the server keeps ${8000 * KIB ** 4} bytes of its disk free`);
  await server.stderr.until(/offer "a.txt" .* NoSpace\n/);
  assertEquals(await namesIn(dir.path), []);
});

Deno.test("server.ts with limits refuses what is beyond them, and says so at both ends", async () => {
  await using dir = await tempDir();
  const limits = ["--max-file-size", "4", "--max-depth", "1", "--max-connections", "1", "--max-requests", "7"];
  await using server = await startServer(dir.path, limits);
  const large = await runClient([server.at, "put", "-", "large"], { input: "abcde" });
  assertEquals(large.code, 1);
  assertStringIncludes(large.stderr, 'Cannot put "large": a file may have at most 4 bytes here');
  await server.stderr.until(/put "large" .* TooLarge\n/);
  assertEquals((await runClient([server.at, "put", "-", "fits"], { input: "abcd" })).code, 0);
  await assertFile(dir.join("fits"), "abcd");
  assertEquals((await runClient([server.at, "mkdir", "a"])).code, 0);
  const deep = await runClient([server.at, "mkdir", "a/b"]);
  assertEquals(deep.code, 1);
  assertStringIncludes(deep.stderr, "more than 1 directories deep");
  using peer = await RawPeer.connect(server.address);
  await peer.receive();
  await peer.send("hello", { ferry: 1 });
  assertEquals((await peer.receive())?.value, { allows: ["read", "add", "overwrite", "remove"], window: 7 });
  const late = await runClient([server.at, "dir"]);
  assertEquals(late.code, 3);
  assertStringIncludes(late.stderr, "the server's limit of 1 connections is reached");
  await server.stderr.until("disconnected after");
  await server.stderr.until("(the server's limit of 1 connections is reached; try again later)");
});

Deno.test("server.ts with --hello-timeout and --stall-timeout ends who is too slow, by itself", async () => {
  await using dir = await tempDir();
  await using server = await startServer(dir.path, [
    "--hello-timeout",
    "1",
    "--stall-timeout",
    "1",
    "--idle-timeout=1",
  ]);
  using silent = await RawPeer.connect(server.address);
  await silent.receive();
  using stalled = await RawPeer.greeted(server.address);
  await stalled.send("request", { command: "put", path: "x", size: 5 });
  using idle = await RawPeer.greeted(server.address);
  const messages = await Promise.all([silent, stalled, idle].map(async (peer) => (await peer.answer()).fields.message));
  assertEquals(messages, ["no hello within 1 s", "no progress within 1 s", "no request within 1 s"]);
  for (const peer of [silent, stalled, idle]) peer[Symbol.dispose]();
  for (const _ of messages) await server.stderr.until(/disconnected after .* \(no \w+ within 1 s\)\n/);
});

for (const connections of ["1", "4"]) {
  Deno.test(`client.ts --limit-rate keeps to it with --connections ${connections}`, async () => {
    await using dir = await tempDir();
    await Deno.mkdir(dir.join("root"));
    const [files, size] = [12, 50_000];
    for (let i = 0; i < files; i++) await Deno.writeFile(dir.join("root", `f${i}`), bytes(size, i));
    await using server = await startServer(dir.join("root"));
    const began = performance.now();
    const args = ["--limit-rate", "300K", server.at, "get", "-r", "--connections", connections, ".", "copy"];
    const { code, stderr } = await runClient(args, { cwd: dir.path });
    assertEquals(code, 0, stderr);
    assertGreater(performance.now() - began, files * size / (300 * KIB) * 1000 * 0.85);
    await assertFile(dir.join("copy", "f11"), bytes(size, 11));
  });
}
