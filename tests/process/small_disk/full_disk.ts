/**
 * Tests that need a tmpfs of 8 MiB with 200 inodes at `FERRY_SMALL_DISK`; `tests/process/full_disk_test.ts` mounts it and runs them.
 *
 * @module
 */
import { assert, assertEquals, assertGreater, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { auditLine, AuditLog } from "../../../lib/cli/server/audit.ts";
import { type Client, connect, type ErrorCode } from "../../../lib/mod.ts";
import { ran } from "../../helpers/confined.ts";
import { startServer } from "../../helpers/process.ts";
import { bytes } from "../../helpers/random.ts";
import { assertFile, failsWith, namesIn, Served, within } from "../../helpers/raw.ts";
import { TempDir, tempDir } from "../../helpers/temp.ts";

const DISK = Deno.env.get("FERRY_SMALL_DISK") ?? "";
const MIB = 1024 * 1024;

/** A file that is sent at once, and one that is sent when the server has agreed. */
const SMALL = bytes(100_000, 1);
const LARGE = bytes(5 * MIB, 2);

/** Makes a directory on the small disk. */
async function onDisk(): Promise<TempDir> {
  return new TempDir(await Deno.makeTempDir({ dir: DISK }));
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOSPC";
}

/** Takes all the space of the small disk but `leave` bytes until it is disposed of. */
function fillSpace(leave = 0): Disposable {
  const path = join(DISK, "filler");
  using file = Deno.openSync(path, { write: true, createNew: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(block);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  file.truncateSync(Math.max(0, file.statSync().size - leave));
  return { [Symbol.dispose]: () => Deno.removeSync(path) };
}

/** Takes all the inodes of the small disk until it is disposed of. */
function fillInodes(): Disposable {
  const directory = join(DISK, "inodes");
  Deno.mkdirSync(directory);
  try {
    for (let i = 0;; i++) Deno.openSync(join(directory, `${i}`), { write: true, createNew: true }).close();
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  return { [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }) };
}

/** A server whose directory is on the small disk, a client, and local files on another. */
class Scene implements AsyncDisposable {
  private constructor(
    readonly root: TempDir,
    readonly local: TempDir,
    readonly served: Served,
    readonly client: Client,
  ) {}

  static async of(): Promise<Scene> {
    const [root, local] = [await onDisk(), await tempDir()];
    await Deno.writeFile(local.join("small"), SMALL);
    await Deno.writeFile(local.join("large"), LARGE);
    await Deno.writeTextFile(root.join("old"), "old");
    const served = await Served.with({}, { root: root.path });
    return new Scene(root, local, served, await served.connect());
  }

  /** Fails unless `operation` fails with `code`, the operator sees why, and the same connection and others go on. */
  async assertFails(code: ErrorCode, cause: string, operation: (client: Client) => Promise<unknown>): Promise<void> {
    const { message } = await failsWith(operation(this.client), code);
    assert(!message.includes(this.root.path), message);
    const [logged] = this.served.events.of("command").filter(({ outcome }) => outcome !== "ok").slice(-1);
    assertEquals(logged?.outcome, code);
    assertStringIncludes(logged?.detail ?? "", cause);
    assertEquals((await within(this.client.stat("old"))).size, 3);
    await using other = await this.served.connect();
    assertEquals((await within(other.stat("old"))).size, 3);
    assertEquals(await namesIn(this.root.path), ["old"]);
    await assertFile(this.root.join("old"), "old");
  }

  /** The sizes of the partial files. */
  kept(): number[] {
    return Array.from(Deno.readDirSync(this.root.path))
      .filter(({ name }) => name.startsWith(".ferry-"))
      .map(({ name }) => Deno.statSync(this.root.join(name)).size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.served[Symbol.asyncDispose]();
    await this.root[Symbol.asyncDispose]();
    await this.local[Symbol.asyncDispose]();
  }
}

for (const [size, content] of [["small", SMALL], ["large", LARGE]] as const) {
  for (const name of ["new", "old"]) {
    Deno.test(`put() of a ${size} file as ${name} to a full disk fails with NoSpace, then works`, async () => {
      await using scene = await Scene.of();
      const put = (client: Client) => client.put(scene.local.join(size), name);
      {
        using _full = fillSpace(8192);
        await scene.assertFails("NoSpace", "No space left", put);
        await scene.assertFails("NoSpace", "No space left", put);
      }
      await put(scene.client);
      await assertFile(scene.root.join(name), content);
      assertEquals(scene.kept(), []);
    });
  }
}

Deno.test("put() of a large file keeps what had room, and goes on there", async () => {
  await using scene = await Scene.of();
  let sent = Infinity;
  const onProgress = (done: number) => sent = Math.min(sent, done);
  const put = (client: Client) => client.put(scene.local.join("large"), "new", { onProgress });
  {
    using _full = fillSpace(3 * MIB);
    await scene.assertFails("NoSpace", "No space left", put);
    const [kept = 0, ...others] = scene.kept();
    assertGreater(kept, 2 * MIB);
    assertEquals(others, []);
    // What was kept has all the room now: the resumed upload finds none.
    sent = Infinity;
    await scene.assertFails("NoSpace", "No space left", put);
    assertGreater(sent, MIB);
  }
  sent = Infinity;
  await put(scene.client);
  assertGreater(sent, MIB);
  assertLess(sent, LARGE.length);
  await assertFile(scene.root.join("new"), LARGE);
});

Deno.test("mkdir() and put() on a disk that can hold no more files fail with NoSpace, then work", async () => {
  await using scene = await Scene.of();
  const operations = [
    (client: Client) => client.mkdir("d"),
    (client: Client) => client.put(scene.local.join("small"), "new"),
    (client: Client) => client.put(scene.local.join("large"), "new"),
  ];
  {
    using _full = fillInodes();
    for (const operation of operations) await scene.assertFails("NoSpace", "No space left", operation);
  }
  for (const operation of operations) await operation(scene.client);
  assertEquals(await namesIn(scene.root.path), ["d", "new", "old"]);
  await assertFile(scene.root.join("new"), LARGE);
});

Deno.test("get() to a full disk fails with NoSpace, then goes on where it stopped", async () => {
  await using served = await Served.with({ large: LARGE, small: SMALL });
  await using local = await onDisk();
  await using client = await served.connect();
  for (const [name, content] of [["large", LARGE], ["small", SMALL]] as const) {
    await Deno.writeTextFile(local.join(name), "old");
    let got = Infinity;
    const get = () => client.get(name, local.join(name), { onProgress: (done) => got = Math.min(got, done) });
    {
      using _full = fillSpace(name === "large" ? 3 * MIB : 8192);
      const { message } = await failsWith(get(), "NoSpace");
      assertStringIncludes(message, "no space left");
      assertEquals((await within(client.stat("small"))).size, SMALL.length);
      assertEquals(await namesIn(local.path), name === "large" ? ["large"] : ["large", "small"]);
      await assertFile(local.join(name), "old");
    }
    got = Infinity;
    await get();
    if (name === "large") assertGreater(got, MIB);
    await assertFile(local.join(name), content);
  }
  assertEquals(served.events.of("close"), []);
});

/** Mounts the small disk again with another option. */
async function remount(option: "ro" | "rw"): Promise<void> {
  const result = await ran("mount", ["-o", `remount,${option}`, DISK]);
  assertEquals(result?.code, 0, result?.text);
}

Deno.test("a disk that becomes read-only refuses every change, shows all there is, and is used again later", async () => {
  await using scene = await Scene.of();
  const changes = [
    (client: Client) => client.put(scene.local.join("small"), "new"),
    (client: Client) => client.put(scene.local.join("large"), "new"),
    (client: Client) => client.mkdir("d"),
    (client: Client) => client.rename("old", "renamed"),
    (client: Client) => client.remove("old"),
  ];
  await remount("ro");
  try {
    for (const change of changes) await scene.assertFails("Refused", "Read-only file system", change);
    await scene.client.get("old", scene.local.join("copy"));
    await assertFile(scene.local.join("copy"), "old");
    await using restarted = await Served.with({}, { root: scene.root.path });
    await using client = await restarted.connect();
    assertEquals(await Array.fromAsync(client.dir(), ({ path }) => path), ["old"]);
  } finally {
    await remount("rw");
  }
  for (const change of changes.slice(0, 4)) await change(scene.client);
  assertEquals(await namesIn(scene.root.path), ["d", "new", "renamed"]);
});

/** Times in seconds that this disk can hold, and JavaScript's dates cannot. */
const IMPOSSIBLE_TIMES = ["8640000000001", "-8640000000001", "999999999999999"];

Deno.test("files with times that no date can hold are listed, read and replaced, and partial ones swept", async () => {
  await using scene = await Scene.of();
  const partial = ".ferry-0123456789abcdef.part";
  for (const time of IMPOSSIBLE_TIMES) {
    await Deno.writeTextFile(scene.root.join(partial), "kept");
    for (const name of ["old", partial]) await ran("touch", ["-d", `@${time}`, scene.root.join(name)]);
    assertEquals((await Deno.stat(scene.root.join("old"))).mtime?.getTime(), NaN);
    const entries = await Array.fromAsync(scene.client.dir(), ({ path, mtimeMs }) => [path, mtimeMs]);
    assertEquals(entries, [["old", 0]]);
    assertEquals((await scene.client.stat("old")).mtimeMs, 0);
    await scene.client.get("old", scene.local.join("copy"));
    await assertFile(scene.local.join("copy"), "old");
    await using restarted = await Served.with({}, { root: scene.root.path });
    await restarted.server.shutdown();
    assertEquals(restarted.events.of("warning"), []);
    assertEquals(scene.kept(), []);
  }
  await scene.client.put(scene.local.join("small"), "old");
  await assertFile(scene.root.join("old"), SMALL);
});

const EVENT = {
  event: "command",
  session: 1,
  peer: "127.0.0.1:50000",
  role: "full",
  command: "mkdir",
  path: "p".repeat(4000),
  bytes: 0,
  durationMs: 1,
  outcome: "ok",
} as const;

Deno.test("AuditLog.write() warns once of a full disk, and again after it went well", async () => {
  await using dir = await onDisk();
  const path = dir.join("audit");
  const audit = new AuditLog(path);
  let warning: string | undefined;
  for (let round = 0; round < 2; round++) {
    const before = countLines(path);
    {
      using _full = fillSpace();
      // What is left of the last page may take one line.
      for (let i = 0; i < 3 && warning === undefined; i++) warning = audit.write(auditLine(EVENT));
      assertMatch(warning ?? "", /^Cannot write ".*audit": no space left on the disk$/);
      assertEquals([audit.write(auditLine(EVENT)), audit.write(auditLine(EVENT))], [undefined, undefined]);
    }
    assertEquals(audit.write(auditLine(EVENT)), undefined);
    assertGreater(countLines(path), before);
    const [lost = "", last = ""] = Deno.readTextFileSync(path).trimEnd().split("\n").slice(-2);
    const { event, lines } = JSON.parse(lost);
    assertEquals([event, lines, JSON.parse(last).path], ["lost", 3, EVENT.path]);
    warning = undefined;
  }
});

function countLines(path: string): number {
  return Deno.readTextFileSync(path).split("\n").length;
}

Deno.test("server.ts --audit goes on serving while the disk is full, and warns once", async () => {
  await using dir = await onDisk();
  await using served = await tempDir();
  const audit = dir.join("audit");
  await using server = await startServer(served.path, ["--audit", audit, "--quiet"], ["--allow-all"]);
  {
    using _full = fillSpace();
    await using client = await connect(server.address);
    for (let i = 0; i < 60; i++) await within(client.mkdir(`${"d".repeat(200)}${i}`));
  }
  await server.stderr.until(/warning: Cannot write ".*audit": no space left on the disk\n/);
  server.kill("SIGTERM");
  assertEquals(await server.ended(), 0);
  assertEquals(server.stderr.text.split("warning:").length, 2, server.stderr.text);
  assertEquals((await namesIn(served.path)).length, 60);
});
