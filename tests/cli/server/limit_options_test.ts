import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describeLimits, LIMIT_NAMES } from "../../../lib/cli/server/limit_options.ts";
import { parseServerArguments } from "../../../lib/cli/server/server_arguments.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { DEFAULT_LIMITS, type Limits } from "../../../lib/access/limits.ts";
import { PROJECT } from "../../helpers/process.ts";
import { Cases, KIB, sizes } from "../../helpers/quantities.ts";

/** What the server's command line says of limits. */
function limitsOf(...args: string[]): Partial<Limits> {
  const options = parseServerArguments(args);
  assert(typeof options === "object");
  return options.limits;
}

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
