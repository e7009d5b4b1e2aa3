import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseClientArguments } from "../../../lib/cli/client/client_arguments.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { KIB, sizes } from "../../helpers/quantities.ts";

Deno.test("parseClientArguments() leaves everything after the address to the command", () => {
  const options = {
    secretFile: undefined,
    caFile: undefined,
    insecure: false,
    history: true,
    bytesPerSecond: undefined,
  };
  assertEquals(parseClientArguments([]), { ...options, address: undefined, words: [] });
  const address = { hostname: "h", port: 1 };
  assertEquals(parseClientArguments(["h:1"]), { ...options, address, words: [] });
  assertEquals(parseClientArguments(["h:1", "get", "007", "--help"]), {
    ...options,
    address,
    words: ["get", "007", "--help"],
  });
  assertEquals(parseClientArguments(["h:1", "put", "-", "-x"]), { ...options, address, words: ["put", "-", "-x"] });
  const [silent, anywhere] = [["--no-history", "h:1"], ["h:1", "--no-history"]].map(parseClientArguments);
  assertEquals(silent, { ...options, history: false, address, words: [] });
  assertEquals(anywhere, silent);
  assertEquals(parseClientArguments(["--help", "h"]), "help");
  assertEquals(parseClientArguments(["--version"]), "version");
  assertThrows(() => parseClientArguments(["--nope", "h"]), UsageError, '"--nope" does not exist');
  assertThrows(() => parseClientArguments(["h:x", "dir"]), UsageError, "is not a port");
});

Deno.test("parseClientArguments() leaves a -- behind the command to the command", () => {
  const wordsOf = (...args: string[]) => {
    const parsed = parseClientArguments(args);
    assert(typeof parsed === "object");
    assertEquals(parsed.address, { hostname: "h", port: 1 }, args.join(" "));
    return parsed.words;
  };
  assertEquals(wordsOf("h:1", "get", "--", "-r"), ["get", "--", "-r"]);
  assertEquals(wordsOf("h:1", "get", "--", "-r", "--", "a"), ["get", "--", "-r", "--", "a"]);
  assertEquals(wordsOf("h:1", "get", "a", "--"), ["get", "a", "--"]);
  assertEquals(wordsOf("--", "h:1", "get", "--", "-r"), ["get", "--", "-r"]);
  assertEquals(wordsOf("--insecure", "h:1", "--", "get", "--", "-r"), ["get", "--", "-r"]);
  assertEquals(wordsOf("--", "h:1"), []);
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

Deno.test("parseClientArguments() takes the client's options before the server and before the command", () => {
  const optionsOf = (...args: string[]) => {
    const parsed = parseClientArguments(args);
    assert(typeof parsed === "object", args.join(" "));
    const { address, insecure, secretFile, bytesPerSecond, words } = parsed;
    assertEquals(address, { hostname: "h", port: 1 }, args.join(" "));
    return { insecure, secretFile, bytesPerSecond, words };
  };
  const all = { insecure: true, secretFile: "f", bytesPerSecond: KIB, words: ["dir", "--insecure"] };
  const [a, b, c] = [["--insecure"], ["--secret-file", "f"], ["--limit-rate=1K"]] as const;
  assertEquals(optionsOf(...a, ...b, ...c, "h:1", "dir", "--insecure"), all);
  assertEquals(optionsOf(...a, "h:1", ...b, ...c, "dir", "--insecure"), all);
  assertEquals(optionsOf("h:1", ...c, ...b, ...a, "--", "dir", "--insecure"), all);
  assertEquals(optionsOf("h:1", "--insecure"), { ...all, secretFile: undefined, bytesPerSecond: undefined, words: [] });
  assertEquals(optionsOf("h:1", "get", "--", "-dash.txt").words, ["get", "--", "-dash.txt"]);
  for (const words of [["h:1", "--help"], ["--help", "h:1", "dir"]]) assertEquals(parseClientArguments(words), "help");
});

Deno.test("parseClientArguments() says where an option belongs, or which was meant", () => {
  const message = (...args: string[]) => assertThrows(() => parseClientArguments(args), UsageError).message;
  const belongs = "is an option of a command, and belongs after the command's name";
  assertEquals(message("-r", "h:1", "get", "a"), `"-r" ${belongs}`);
  assertEquals(message("h:1", "--recursive", "get", "a"), `"--recursive" ${belongs}`);
  assertEquals(message("--retry-for=5m", "h:1", "get", "a"), `"--retry-for=5m" ${belongs}`);
  assertEquals(
    message("--insecur", "h"),
    'the option "--insecur" does not exist; did you mean "--insecure"?',
  );
  assertEquals(message("h", "--nope"), 'the option "--nope" does not exist; try --help');
  assertEquals(message("h", "--secret-file"), "--secret-file needs a value");
});
