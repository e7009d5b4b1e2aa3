import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fuzz, FuzzFailure, pureTarget, Tally, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { DENO, PROJECT } from "../helpers/process.ts";

/** How many cases each target gets in every run of the tests; `deno task fuzz` tries far more. */
const CASES: Readonly<Record<string, number>> = {
  frames: 1500,
  codec: 3000,
  names: 3000,
  conversation: 500,
  greeting: 200,
  structure: 6,
  depth: 2,
  unread: 1,
  leftovers: 4,
  impostor: 40,
};

/** Targets with a server in a process of its own look into /proc, and use programs that not every system has. */
const ONLY_LINUX: readonly string[] = ["structure", "depth", "unread", "leftovers"];

/** What must have happened at least once, or the cases do not reach what they are for. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  frames: ["whole", "incomplete", "BadRequest", "Corrupt"],
  codec: ["accepted", "BadRequest", "Unsupported"],
  names: ["accepted", "InvalidPath", "BadRequest"],
  conversation: [
    "whole",
    "refused",
    "incomplete",
    "together",
    "ok",
    "NotFound",
    "InvalidPath",
    "Cancelled",
    "AlreadyExists",
  ],
  greeting: ["welcomed", "Unauthorized", "BadRequest"],
  structure: ["ok", "NotFound"],
  depth: ["ok"],
  unread: ["not read"],
  leftovers: ["ok"],
  impostor: ["ok", "BadRequest", "Disconnected"],
};

for (const target of TARGETS) {
  const ignore = Deno.build.os !== "linux" && ONLY_LINUX.includes(target.name);
  Deno.test(`fuzz() finds nothing wrong with ${target.name}`, { ignore }, async () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const seen = await fuzz(target, seed, CASES[target.name] ?? 0);
    for (const what of REACHED[target.name] ?? ["a list of what it must reach"]) {
      assert(seen.of(what) > 0, `no case reached ${what}, only ${seen}`);
    }
  });
}

Deno.test("TARGETS share all cases among them", () => {
  const shares = TARGETS.reduce((sum, { share }) => sum + share, 0);
  assertEquals(shares.toFixed(6), "100.000000");
});

/** A target that fails in about one case of a hundred. */
const FRAGILE = pureTarget("fragile", 100, (random) => assert(random.below(100) > 0, "it is broken"));

function failureOf(target: Target, seed: number, cases: number): Promise<FuzzFailure> {
  return assertRejects(() => fuzz(target, seed, cases), FuzzFailure);
}

Deno.test("fuzz() says which case has failed and how to try it alone, and alone it fails again", async () => {
  for (const target of [FRAGILE, { ...FRAGILE, atOnce: 64 }]) {
    const { seed, message } = await failureOf(target, 4_294_967_000, 5000);
    assertStringIncludes(message, `fragile fails with seed ${seed}: it is broken`);
    assertStringIncludes(message, `deno task fuzz --only fragile --seed ${seed} --cases 1`);
    assertEquals((await failureOf(FRAGILE, seed, 1)).seed, seed);
  }
});

Deno.test("fuzz() fails a case that leaves a rejected promise behind", async () => {
  const careless: Target = {
    ...FRAGILE,
    open: async () => ({
      seen: new Tally(),
      async run() {
        void Promise.reject(new Error("nobody waits"));
        await setImmediate();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
  assertStringIncludes((await failureOf(careless, 1, 1)).message, "rejected that nobody waits for");
});

async function runTask(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  const command = new Deno.Command(DENO, { args: ["task", "fuzz", ...args], cwd: PROJECT, env: { NO_COLOR: "1" } });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout), errors: decoder.decode(stderr) };
}

Deno.test("deno task fuzz tries the cases that it is told to, with the permissions that it has", async () => {
  const { code, output, errors } = await runTask("--only", "conversation", "--seed", "7", "--cases", "5");
  assertEquals(code, 0, errors);
  assert(/^Seed 7\nconversation: 5 cases in /.test(output), output);
});

Deno.test("deno task fuzz refuses options that it does not have", async () => {
  for (const args of [["--only", "nothing"], ["--cases", "many"], ["--other"], ["frames"]]) {
    const { code, errors } = await runTask(...args);
    assertEquals(code, 2, args.join(" "));
    assertStringIncludes(errors, "Usage: deno task fuzz");
  }
});
