import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { complete } from "../../lib/cli/client/complete.ts";
import { SHELL_COMMANDS } from "../../lib/cli/client/commands.ts";
import { isTrouble, logLine } from "../../lib/cli/server/event_lines.ts";
import { Exit, exitCode } from "../../lib/cli/terminal/exit.ts";
import { bytes, clock, Columns, fit, time, took } from "../../lib/cli/terminal/format.ts";
import { parseClientArguments } from "../../lib/cli/client/client_arguments.ts";
import { parseAddress } from "../../lib/cli/client/server_address.ts";
import { parsePort } from "../../lib/cli/terminal/options.ts";
import { parseServerArguments } from "../../lib/cli/server/server_arguments.ts";
import { UsageError } from "../../lib/cli/terminal/usage.ts";
import { grantingCommand } from "../../lib/cli/server/permissions.ts";
import { remoteBasename, resolveRemote } from "../../lib/cli/client/resolve_path.ts";
import { Shell } from "../../lib/cli/client/shell.ts";
import { quoteWord, scanWords, splitWords } from "../../lib/cli/terminal/words.ts";
import { ERROR_CODES } from "../../lib/core/errors.ts";
import type { ServerEvent } from "../../lib/access/events.ts";
import { DEFAULT_PORT } from "../../lib/protocol/constants.ts";
import { serve } from "../../lib/server/server.ts";
import { parseRemotePath } from "../../lib/core/remote_path.ts";
import type { Entry } from "../../lib/core/metadata.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { Random } from "../helpers/random.ts";
import { tempDir } from "../helpers/temp.ts";

/** A name with what is invisible, moves a cursor or turns text around: C0, C1, line separator, bidi, zero width, tag. */
const NASTY = "a\u0000\n\r\t\u001b[2J\u007f\u009b1m\u2028\u202e\u2066\u200b\u{e0041}b";

/** What of it must never reach a terminal. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u{e0041}]/u;

/** There a backslash separates directories and cannot also be an escape. */
const WINDOWS = Deno.build.os === "windows";

const CHINESE = "天线 测试 报告.pdf";

Deno.test("parsePort() takes 0 to 65535 and nothing else", () => {
  assertEquals([parsePort("0"), parsePort("7878"), parsePort("65535")], [0, 7878, 65535]);
  for (const text of ["", "65536", "99999", "100000", "-1", "+1", " 80", "8e1", "0x50", "80 ", "1.0", "٨٠", "http"]) {
    assertThrows(() => parsePort(text), UsageError, "is not a port");
  }
});

Deno.test("parseAddress() takes HOST and HOST:PORT", () => {
  assertEquals(parseAddress("files.example"), { hostname: "files.example", port: DEFAULT_PORT });
  assertEquals(parseAddress("192.0.2.7:0"), { hostname: "192.0.2.7", port: 0 });
  assertEquals(parseAddress("localhost:65535"), { hostname: "localhost", port: 65535 });
});

Deno.test("parseAddress() takes IPv6 addresses in brackets", () => {
  assertEquals(parseAddress("[::1]"), { hostname: "::1", port: DEFAULT_PORT });
  assertEquals(parseAddress("[2001:db8::1]:80"), { hostname: "2001:db8::1", port: 80 });
  assertEquals(parseAddress("[fe80::1%eth0]:80"), { hostname: "fe80::1%eth0", port: 80 });
});

Deno.test("parseAddress() takes bare IPv6 addresses, which have no port", () => {
  const addresses = ["::", "::1", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8:0:0:0:0:0:1", "fe80::1", "fe80::1%eth0"];
  for (const hostname of addresses) assertEquals(parseAddress(hostname), { hostname, port: DEFAULT_PORT });
});

Deno.test("parseAddress() refuses what is no address", () => {
  const wrong = ["", " ", "a b", "host:", "host:x", "host:65536", "host:1:2", "[::1", "[::1]:", "[::1]x"];
  for (const text of wrong) assertThrows(() => parseAddress(text), UsageError, undefined, text);
});

Deno.test("parseAddress() refuses a missing host or port, also where it looks like IPv6", () => {
  for (const text of [":7878", ":", "[]:80", "192.0.2.7:", "cafe:"]) {
    assertThrows(() => parseAddress(text), UsageError, undefined, text);
  }
});

/** What the command line says when nothing is typed. */
const DEFAULTS = {
  directory: "./files",
  hostname: "127.0.0.1",
  port: DEFAULT_PORT,
  policy: { readOnly: false, uploadOnly: false, noOverwrite: false, noDelete: false },
  limits: {},
  json: false,
  quiet: false,
  durable: false,
  insecure: false,
  identity: undefined,
  tlsCert: undefined,
  tlsKey: undefined,
  secretFiles: { full: undefined, read: undefined, upload: undefined },
  ticketFile: undefined,
  addresses: [],
  audit: undefined,
};

Deno.test("parseServerArguments() has defaults for everything", () => {
  assertEquals(parseServerArguments([]), DEFAULTS);
});

Deno.test("parseServerArguments() understands all options, wherever the directory stands", () => {
  const options = ["--host", "::1", "--port=0", "--read-only", "--log-format", "json", "--quiet"];
  const policy = { ...DEFAULTS.policy, readOnly: true };
  const given = { directory: "a b", hostname: "::1", port: 0, policy, json: true, quiet: true };
  const expected = { ...DEFAULTS, ...given };
  assertEquals(parseServerArguments(["a b", ...options]), expected);
  assertEquals(parseServerArguments([...options, "a b"]), expected);
  assertEquals(parseServerArguments([...options, "--", "--dir"]), { ...expected, directory: "--dir" });
  assertEquals(parseServerArguments(["--help"]), "help");
  assertEquals(parseServerArguments(["--version"]), "version");
});

Deno.test("parseServerArguments() leaves a directory's name as it was typed", () => {
  for (const directory of ["2026", "007", "1e3", "0x10", "1.50", "-"]) {
    assertEquals(parseServerArguments(["--port", "0", directory]), { ...DEFAULTS, directory, port: 0 });
  }
});

Deno.test("parseServerArguments() refuses unknown options, missing values and a second directory", () => {
  const wrong: [string[], string][] = [
    [["--prot", "1"], '"--prot" does not exist'],
    [["--readonly"], '"--readonly" does not exist'],
    [["-p", "1"], '"-p" does not exist'],
    [["--no-quiet"], "does not exist"],
    [["--port"], "--port needs a value"],
    [["--port="], "--port needs a value"],
    [["--host", "--port", "1"], "--host needs a value"],
    [["--log-format"], "--log-format needs a value"],
    [["--log-format", "xml"], "text or json"],
    [["--port", "70000"], "is not a port"],
    [["--port", "-1"], ""],
    [["a", "b"], "only one directory"],
    [[""], "empty"],
  ];
  for (const [args, message] of wrong) assertThrows(() => parseServerArguments(args), UsageError, message, args.join());
});

Deno.test("parseClientArguments() leaves everything after the address to the command", () => {
  const options = { secretFile: undefined, caFile: undefined, insecure: false, bytesPerSecond: undefined };
  assertEquals(parseClientArguments([]), { ...options, address: undefined, words: [] });
  const address = { hostname: "h", port: 1 };
  assertEquals(parseClientArguments(["h:1"]), { ...options, address, words: [] });
  assertEquals(parseClientArguments(["h:1", "get", "007", "--help"]), {
    ...options,
    address,
    words: ["get", "007", "--help"],
  });
  assertEquals(parseClientArguments(["h:1", "put", "-", "-x"]), { ...options, address, words: ["put", "-", "-x"] });
  assertEquals(parseClientArguments(["--help", "h"]), "help");
  assertEquals(parseClientArguments(["--version"]), "version");
  assertThrows(() => parseClientArguments(["--nope", "h"]), UsageError, '"--nope" does not exist');
  assertThrows(() => parseClientArguments(["h:x", "dir"]), UsageError, "is not a port");
});

Deno.test("scanWords() says where words begin and which quote is open", () => {
  assertEquals(scanWords("  get\t'a b' "), [
    { text: "get", start: 2, open: "" },
    { text: "a b", start: 6, open: "" },
  ]);
  assertEquals(scanWords(`get "天线 `), [{ text: "get", start: 0, open: "" }, { text: "天线 ", start: 4, open: '"' }]);
  assertEquals(scanWords("put 'it"), [{ text: "put", start: 0, open: "" }, { text: "it", start: 4, open: "'" }]);
  assertEquals(scanWords(" \t "), []);
});

Deno.test("splitWords() understands quotes and backslashes as shells do", () => {
  const lines: [string, string[]][] = [
    ["", []],
    ["a  b", ["a", "b"]],
    [`"a b" 'c d'`, ["a b", "c d"]],
    [`a"b c"d'e f'`, ["ab cde f"]],
    [`"it's" 'say "x"'`, ["it's", 'say "x"']],
    [`"" ''`, ["", ""]],
    ["天线\u3000测试", ["天线", "测试"]],
    ["📡 \u{1f468}\u200d\u{1f469}", ["📡", "\u{1f468}\u200d\u{1f469}"]],
  ];
  if (!WINDOWS) {
    lines.push(
      [String.raw`a\ b \"c \\`, ["a b", '"c', "\\"]],
      [String.raw`"a\"b\\" 'a\b'`, ['a"b\\', "a\\b"]],
      ["a\\", ["a\\"]],
    );
  }
  for (const [line, words] of lines) assertEquals(splitWords(line), words, line);
});

Deno.test("splitWords() refuses an open quote", () => {
  for (const line of ["'", `get "a`, `get a'b`, `"a'`]) {
    assertThrows(() => splitWords(line), UsageError, "is not closed", line);
  }
});

Deno.test("quoteWord() writes any word so that splitWords() gives it back", { ignore: WINDOWS }, () => {
  const words = [
    "",
    " ",
    "a",
    "a b",
    "it's",
    'say "x"',
    `both ' and "`,
    "a\\b",
    "\\",
    "end\\",
    `'"\\`,
    "$HOME",
    "#a",
    "-",
  ];
  words.push(
    CHINESE,
    "it's a test picture.jpg",
    "📡 antenna.png",
    "\ufeffa",
    "a\u00a0b",
    "\t",
    "e\u0301",
    "天线15.doc",
  );
  const random = new Random(7);
  for (let i = 0; i < 500; i++) {
    const alphabet = ["a", " ", "'", '"', "\\", "天", "📡", "$", "\t"] as const;
    words.push(Array.from({ length: random.below(8) }, () => random.pick(alphabet)).join(""));
  }
  for (const word of words) assertEquals(splitWords(`get ${quoteWord(word)} z`), ["get", word, "z"], quoteWord(word));
  assertEquals(quoteWord("天线15.doc"), "天线15.doc");
});

Deno.test("grantingCommand() grants the directory and nothing else", () => {
  const args = ["a b", "--port", "0"];
  assertEquals(
    grantingCommand({ directory: "a b", write: true, files: [], args }),
    "deno run --allow-net --allow-read='a b' --allow-write='a b' server.ts 'a b' --port 0",
  );
  assertEquals(
    grantingCommand({ directory: "./files", write: false, files: [], args: ["--read-only"] }),
    "deno run --allow-net --allow-read=./files server.ts --read-only",
  );
});

Deno.test("resolveRemote() resolves names as cd does", () => {
  const cases: [cwd: string, name: string, path: string][] = [
    ["", "a", "a"],
    ["", ".", ""],
    ["", "/", ""],
    ["", "/a/b", "a/b"],
    ["", "./a/./b", "a/b"],
    ["", "a/", "a"],
    ["", "a/..", ""],
    ["", "a/../b", "b"],
    ["a/b", "..", "a"],
    ["a/b", "../..", ""],
    ["a/b", "../c", "a/c"],
    ["a/b", "/c", "c"],
    ["a/b", "/", ""],
    ["a/b", ".", "a/b"],
    ["a/b", "c/", "a/b/c"],
    ["测量", CHINESE, `测量/${CHINESE}`],
    ["", "...", "..."],
    ["", "a\\..\\b", "a\\..\\b"],
  ];
  for (const [cwd, name, path] of cases) assertEquals(resolveRemote(cwd, name), path, `${cwd} + ${name}`);
});

Deno.test("resolveRemote() refuses to leave the served directory", () => {
  const cases: [string, string][] = [["", ".."], ["", "../x"], ["", "a/../../x"], ["", "/.."], ["a", "/../a"]];
  cases.push(["a", "../.."], ["a/b", "../../../a/b"], ["", "x/../.."]);
  for (const [cwd, name] of cases) {
    const { message } = assertThrowsCode("InvalidPath", () => resolveRemote(cwd, name), `${cwd} + ${name}`);
    assertStringIncludes(message, "leads out of the served directory");
  }
});

Deno.test("resolveRemote() leaves what is wrong in a name for the server to refuse", () => {
  for (const name of ["a//b", "//a", "a//", "//", "a\0b", "", "x/.ferry-1.part"]) {
    assertThrowsCode("InvalidPath", () => parseRemotePath(resolveRemote("", name), false), JSON.stringify(name));
  }
  assertThrowsCode("InvalidPath", () => parseRemotePath(resolveRemote("a", ""), false), "empty in a directory");
});

Deno.test("remoteBasename() gives the last name", () => {
  assertEquals(["a", "a/b", "测量/曲线.csv", ""].map(remoteBasename), ["a", "b", "曲线.csv", ""]);
});

Deno.test("bytes() shows sizes for people", () => {
  const sizes = [0, 1, 999, 1000, 1500, 20_000_000, 2_500_000_000].map(bytes);
  assertEquals(sizes, ["0 B", "1 B", "999 B", "1 kB", "1.5 kB", "20 MB", "2.5 GB"]);
  assertEquals(bytes(12.7), "13 B");
});

Deno.test("time() shows the local time to the minute", () => {
  assertEquals(time(new Date(2026, 10, 20, 9, 5, 59, 999).getTime()), "2026-11-20 09:05");
  assertEquals(time(new Date(2026, 0, 1, 0, 0).getTime()), "2026-01-01 00:00");
});

Deno.test("clock() shows minutes and seconds, and hours if there are any", () => {
  const times = [0, 6.2, 7, 59, 59.5, 60, 725, 3599, 3600, 10921].map(clock);
  const expected = ["0:00", "0:07", "0:07", "0:59", "1:00", "1:00", "12:05", "59:59", "1:00:00", "3:02:01"];
  assertEquals(times, expected);
});

Deno.test("took() shows durations in the unit that fits", () => {
  assertEquals([0, 0.4, 35, 999].map(took), ["0 ms", "0 ms", "35 ms", "999 ms"]);
  assertEquals([1000, 2100, 59_000, 60_000, 182_000].map(took), ["1.0 s", "2.1 s", "59.0 s", "1:00", "3:02"]);
});

Deno.test("took() rounds up into the next unit", () => {
  assertEquals([999.6, 59_960].map(took), ["1.0 s", "1:00"]);
});

Deno.test("fit() leaves what fits and cuts the rest at a whole character", () => {
  assertEquals(fit("abc", 3), "abc");
  assertEquals(fit("abcd", 3), "ab…");
  assertEquals(fit("天线", 4), "天线");
  assertEquals(fit("天线测", 5), "天线…");
  assertEquals(fit("天线测", 4), "天…");
  assertEquals(fit("📡📡", 3), "📡…");
  assertEquals(fit("a📡b", 3), "a…");
});

Deno.test("fit() never takes more columns than it may", () => {
  for (const text of ["plain ascii name.txt", CHINESE, "📡 antenna.png", "Измерения.csv", "e\u0301a\u0301b天"]) {
    for (let columns = 1; columns <= unicodeWidth(text) + 1; columns++) {
      const shown = fit(text, columns);
      assert(unicodeWidth(shown) <= columns, `${columns}: ${shown}`);
      assert(shown.isWellFormed(), `${columns}: ${shown}`);
    }
  }
});

function entry(path: string, size: number, kind: "file" | "directory" = "file"): Entry {
  return { kind, path, size, mtimeMs: new Date(2026, 10, 20, 9, 51).getTime() };
}

Deno.test("Columns.lines() aligns sizes to the right and marks directories", () => {
  assertEquals(
    new Columns().lines([entry("a.txt", 5), entry("天线", 0, "directory"), entry("b", 12345)]),
    "    5  2026-11-20 09:51  a.txt\n    -  2026-11-20 09:51  天线/\n12345  2026-11-20 09:51  b\n",
  );
  assertEquals(new Columns().lines([]), "");
});

Deno.test("Columns.lines() keeps the column as wide as in the batch before", () => {
  const columns = new Columns();
  columns.lines([entry("a", 1000)]);
  assertEquals(columns.lines([entry("b", 1)]), "   1  2026-11-20 09:51  b\n");
  assertEquals(columns.lines([entry("c", 10000)]), "10000  2026-11-20 09:51  c\n");
});

Deno.test("Columns.lines() shows a name on one line, whatever is in it", () => {
  const line = new Columns().lines([entry(NASTY, 1)]);
  assert(line.endsWith("b\n"));
  assert(!UNSAFE.test(line.slice(0, -1)), line);
});

const NOW = new Date(Date.UTC(2026, 10, 20, 8, 51, 0, 7));
const WHO = { session: 3, peer: "127.0.0.1:50000" };
const COMMAND = {
  event: "command",
  ...WHO,
  role: "full",
  command: "get",
  path: CHINESE,
  bytes: 901,
  durationMs: 35,
} as const;

Deno.test("logLine() writes a line of text for every event", () => {
  const lines: [ServerEvent, string][] = [
    [{ event: "open", ...WHO }, "#3 127.0.0.1:50000 connected"],
    [{ ...COMMAND, outcome: "ok" }, `#3 127.0.0.1:50000 get "${CHINESE}" 901 bytes 35 ms ok`],
    [
      { ...COMMAND, path: undefined, bytes: 0, outcome: "Internal", detail: "Error: x" },
      "#3 127.0.0.1:50000 get 35 ms Internal (Error: x)",
    ],
    [{ event: "say", ...WHO, text: "你好" }, '#3 127.0.0.1:50000 says: "你好"'],
    [{ event: "close", ...WHO, durationMs: 2000 }, "#3 127.0.0.1:50000 disconnected after 2.0 s"],
    [
      { event: "close", ...WHO, durationMs: 0, reason: "stalled" },
      "#3 127.0.0.1:50000 disconnected after 0 ms (stalled)",
    ],
    [{ event: "warning", message: "no space" }, "warning: no space"],
  ];
  for (const [event, line] of lines) assertEquals(logLine(event, false, NOW), `2026-11-20T08:51:00.007Z ${line}`);
});

/** Events in which everything that comes from outside is nasty. */
const NASTY_EVENTS: ServerEvent[] = [
  { ...COMMAND, path: NASTY, outcome: "Internal", detail: NASTY },
  { event: "say", ...WHO, text: NASTY },
  { event: "close", ...WHO, durationMs: 1, reason: NASTY },
  { event: "warning", message: NASTY },
];

Deno.test("isTrouble() is true of warnings and of failures of the system", () => {
  const command = { event: "command", ...WHO, role: "full", command: "put", bytes: 0, durationMs: 1 } as const;
  assertEquals(isTrouble({ event: "warning", message: "m" }), true);
  assertEquals(isTrouble({ ...command, outcome: "NoSpace", detail: "No space left on device" }), true);
  assertEquals(isTrouble({ ...command, outcome: "NotFound" }), false);
  assertEquals(isTrouble({ ...command, outcome: "ok" }), false);
  assertEquals(isTrouble({ event: "open", session: 1, peer: "p" }), false);
});

Deno.test("logLine() writes nothing that a terminal would obey", () => {
  for (const event of NASTY_EVENTS) {
    for (const json of [false, true]) {
      const line = logLine(event, json, NOW);
      assert(!UNSAFE.test(line), line);
    }
    assertStringIncludes(logLine(event, false, NOW), String.raw`\n\r\t\u{1b}[2J`);
  }
});

Deno.test("logLine() writes JSON that parses to the same values", () => {
  for (const event of [...NASTY_EVENTS, { ...COMMAND, path: "📡 天线\ud800", outcome: "ok" } as const]) {
    assertEquals(JSON.parse(logLine(event, true, NOW)), { time: "2026-11-20T08:51:00.007Z", ...event });
  }
});

Deno.test("exitCode() has the documented codes and fails for everything else", () => {
  const special = {
    Unreachable: 3,
    Disconnected: 3,
    Refused: 4,
    Unauthorized: 4,
    NotFound: 5,
    Corrupt: 6,
    Cancelled: 130,
  };
  for (const code of ERROR_CODES) {
    const expected = new Map<string, number>(Object.entries(special)).get(code) ?? 1;
    assertEquals(exitCode(code), expected, code);
  }
  assertEquals([Exit.done, Exit.failed, Exit.usage], [0, 1, 2]);
});

/** What `complete` offers on a server that has some files, for a client in a directory that has others. */
async function completions(lines: readonly string[], remoteDirectory = ""): Promise<[string[], string][]> {
  await using dir = await tempDir();
  const served = dir.join("served");
  const here = dir.join("here");
  for (const path of [dir.join("served", "measurements", "射频"), dir.join("served", "my dir"), here]) {
    await Deno.mkdir(path, { recursive: true });
  }
  for (const name of [CHINESE, "天线15.doc", "it's.txt", "my dir/a b.txt", "measurements/notes.md"]) {
    await Deno.writeTextFile(dir.join("served", name), "x");
  }
  await Deno.writeTextFile(dir.join("here", "local file.txt"), "x");
  await using server = serve({ root: served, port: 0 });
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform: () => {} }, false);
  shell.localDirectory = here;
  shell.remoteDirectory = remoteDirectory;
  try {
    const found: [string[], string][] = [];
    for (const line of lines) found.push(await complete(shell, line));
    return found;
  } finally {
    await shell.link.close();
  }
}

Deno.test("complete() offers commands and their aliases", async () => {
  const [all, re, none, quoted] = await completions(["", "re", "zz", "ge"]);
  assertEquals(all?.[0].length, SHELL_COMMANDS.reduce((n, { aliases }) => n + 1 + aliases.length, 0));
  assertEquals(re, [["rename ", "remove "], "re"]);
  assertEquals(none, [[], "zz"]);
  assertEquals(quoted, [["get "], "ge"]);
});

Deno.test("complete() offers names on the server, with quotes where they are needed", async () => {
  const [chinese, spaces, quote, nothing, second] = await completions([
    "get 天",
    "get '天线 ",
    'get "it',
    "get zz",
    "mv x 天线1",
  ]);
  assertEquals(chinese, [[`'${CHINESE}' `, "天线15.doc "].sort(), "天"]);
  assertEquals(spaces, [[`'${CHINESE}' `], "'天线 "]);
  assertEquals(quote, [[`"it's.txt" `], '"it']);
  assertEquals(nothing, [[], "zz"]);
  assertEquals(second, [["天线15.doc "], "天线1"]);
});

Deno.test("complete() leaves a directory open so that typing can go on", async () => {
  const [plain, quoted, inside, insideQuoted] = await completions([
    "dir meas",
    "dir my",
    "get measurements/",
    "get 'my dir/a",
  ]);
  assertEquals(plain, [["measurements/"], "meas"]);
  assertEquals(quoted, [["'my dir/"], "my"]);
  assertEquals(inside, [["measurements/notes.md ", "measurements/射频/"], "measurements/"]);
  assertEquals(insideQuoted, [["'my dir/a b.txt' "], "'my dir/a"]);
});

Deno.test("complete() looks in the current directory and never outside the served one", async () => {
  const [here, parent, outside] = await completions(["get no", "get ../天线1", "get ../../"], "measurements");
  assertEquals(here, [["notes.md "], "no"]);
  assertEquals(parent, [["../天线15.doc "], "../天线1"]);
  assertEquals(outside, [[], "../../"]);
});

Deno.test("complete() offers local names where a command takes them", async () => {
  const [put, get, none] = await completions(["put loc", "get x loc", "say loc"]);
  assertEquals(put, [["'local file.txt' "], "loc"]);
  assertEquals(get, [["'local file.txt' "], "loc"]);
  assertEquals(none, [[], "loc"]);
});

Deno.test("complete() goes on after a space that a backslash made part of the name", { ignore: WINDOWS }, async () => {
  const [before, after] = await completions(["get 天线\\ 测", "get 天线\\ "]);
  assertEquals(before, [[`'${CHINESE}' `], "天线\\ 测"]);
  assertEquals(after, [[`'${CHINESE}' `], "天线\\ "]);
});

Deno.test("complete() is silent when there is no server", async () => {
  await using server = serve({ root: Deno.cwd(), port: 0 });
  const { address } = server;
  await server.shutdown();
  const shell = new Shell(address, { print: () => Promise.resolve(), inform: () => {} }, false);
  assertEquals(await complete(shell, "get a"), [[], "a"]);
  assertMatch((await complete(shell, "g"))[0].join(), /^get $/);
});
