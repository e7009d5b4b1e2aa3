import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { linesOf } from "./audit_lines.ts";
import { CLOSED, describe, EveryKind, openUp, REFUSED } from "./every_kind.ts";
import { CLIENT_ACCESS, DENO, Process, PROJECT, startServer } from "./process.ts";
import { tempDir } from "./temp.ts";

/** The lines that say what was refused, sorted: the paths as they are in the tree, and why. */
function refusedIn(stderr: string, top: string): string[] {
  return stderr.split("\n").filter((line) => line.startsWith("Cannot ")).map((line) => {
    const [, path = "", reason] = /^Cannot \w+ "(.*?)": (.*)$/.exec(line) ?? [];
    const start = path.indexOf(`${top}/`);
    return `${start < 0 ? path : path.slice(start + top.length + 1)}: ${reason}`;
  }).sort();
}

/** How large a round trip is. */
interface RoundTripOptions {
  /** How to run a program that permissions hold for, if that is possible; see `unprivileged`. */
  readonly under: readonly string[] | undefined;
  /** How many files there are in one directory. */
  readonly many: number;
  /** The size of a file with next to nothing in it. */
  readonly sparseBytes: number;
  /** How long each transfer may take, in ms. */
  readonly deadlineMs: number;
}

/** The commands of an audit log that move content, after the first that makes this directory. */
function movedAfter(audit: string, marker: string): unknown[] {
  const lines = linesOf(audit);
  const begin = lines.findIndex(({ command, path }) => command === "mkdir" && path === marker);
  assert(begin > 0, `there is no ${marker}`);
  assert(lines.slice(0, begin).some(({ command }) => command === "put"), "the first run has moved content");
  // What may not be read fails each time.
  const moves = ({ command, outcome }: Record<string, unknown>) =>
    ["get", "put", "part"].includes(String(command)) && outcome !== "Refused";
  return lines.slice(begin).filter(moves);
}

/**
 * Sends a tree of every kind of entry up and gets it back through the real programs, and gets another one that was there.
 * Fails unless all is the same but for what was printed, and a second time nothing is sent, and all stays the same.
 */
export async function roundTrip({ under, many, sparseBytes, deadlineMs }: RoundTripOptions): Promise<void> {
  await using root = await tempDir();
  await using local = await tempDir();
  await using source = new EveryKind(local.join("source"), { many, sparseBytes });
  await using there = new EveryKind(root.join("there"), { many: 10, sparseBytes: 1 });
  const way = { under: under ?? [] };
  const audit = local.join("audit");
  const access = ["--allow-net", `--allow-read=${root.path},${audit}`, `--allow-write=${root.path},${audit}`];
  await using server = await startServer(root.path, ["--audit", audit], access, way);
  const run = async (...words: string[]) => {
    const args = ["run", ...CLIENT_ACCESS, `${PROJECT}client.ts`, server.at, ...words];
    await using client = new Process(DENO, args, { cwd: local.path, ...way });
    return { code: await client.ended(deadlineMs), stderr: client.stderr.text };
  };
  const reasons = under ? { ...REFUSED, ...CLOSED } : REFUSED;
  const refused = Object.entries(reasons).map(([path, reason]) => `${path}: ${reason}`).sort();
  const allBut = (path: string) => describe(path, Object.keys(reasons));
  const [wanted, wantedDown] = [allBut(source.path), allBut(there.path)];
  const sendAll = async () => {
    const put = await run("put", "-r", "source/", "copy");
    assertEquals(refusedIn(put.stderr, "source"), refused, put.stderr);
    assertStringIncludes(put.stderr, `, ${refused.length} failed.`);
    assertEquals(allBut(root.join("copy")), wanted);

    const get = await run("get", "-r", "copy/", "back");
    assertEquals([get.code, refusedIn(get.stderr, "copy")], [0, []], get.stderr);
    assertEquals(allBut(local.join("back")), wanted);

    const down = await run("get", "-r", "there/", "down");
    assertEquals(refusedIn(down.stderr, "there"), refused, down.stderr);
    assertStringIncludes(down.stderr, `, ${refused.length} failed.`);
    assertEquals(allBut(local.join("down")), wantedDown);
    assertEquals([put.code, down.code], [1, 1]);
  };
  try {
    await sendAll();
    assertEquals((await run("mkdir", "second time")).code, 0);
    await sendAll();
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
    assertEquals(movedAfter(audit, "second time"), []);
  } finally {
    for (const path of [root.path, local.path]) await openUp(path);
  }
}
