import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseServerArguments } from "../../../lib/cli/server/server_arguments.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { DEFAULT_PORT } from "../../../lib/protocol/constants.ts";
import { usageError } from "../../helpers/failures.ts";

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

Deno.test("parseServerArguments() reads the options for encryption, and protects by default", () => {
  const plain = parseServerArguments([]);
  assert(typeof plain === "object");
  assertEquals([plain.insecure, plain.identity, plain.ticketFile], [false, undefined, undefined]);
  assertEquals(plain.addresses, []);
  const all = parseServerArguments([
    "files",
    "--insecure",
    "--identity",
    "id file",
    "--ticket-file=t",
    "--address",
    "ferry.example",
    "--address",
    "10",
  ]);
  assert(typeof all === "object");
  const { directory, insecure, identity, ticketFile, addresses } = all;
  assertEquals({ directory, insecure, identity, ticketFile }, {
    directory: "files",
    insecure: true,
    identity: "id file",
    ticketFile: "t",
  });
  assertEquals(addresses, ["ferry.example", "10"]);
});

Deno.test("parseServerArguments() refuses options without their value", () => {
  for (const name of ["identity", "ticket-file", "address"]) {
    assertStringIncludes(usageError(() => parseServerArguments([`--${name}=`])), `--${name} needs a value`);
    assertStringIncludes(usageError(() => parseServerArguments(["files", `--${name}`])), `--${name} needs a value`);
  }
  assertStringIncludes(usageError(() => parseServerArguments(["--insecur"])), "does not exist");
});
