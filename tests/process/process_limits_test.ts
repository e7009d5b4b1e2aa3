import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Client, connect, type ErrorCode } from "../../lib/mod.ts";
import { limited, unprivileged } from "../helpers/confined.ts";
import {
  CLIENT_ACCESS,
  DENO,
  Process,
  PROJECT,
  runClient,
  serverAccess,
  type ServerProcess,
  startServer,
} from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, namesIn, within } from "../helpers/raw.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";
import { pathsIn } from "../helpers/trees.ts";

const POSIX = { ignore: Deno.build.os === "windows" };
const MIB = 1024 * 1024;

/** A server in a process of its own that runs under `under`, its directory, a local one, and a client. */
class Scene implements AsyncDisposable {
  private constructor(
    readonly root: TempDir,
    readonly local: TempDir,
    readonly server: ServerProcess,
    readonly client: Client,
  ) {}

  static async of(under: readonly string[], flags: readonly string[] = []): Promise<Scene> {
    const [root, local] = [await tempDir(), await tempDir()];
    await Deno.writeTextFile(root.join("f"), "content");
    await Deno.writeTextFile(local.join("source"), "new");
    const server = await startServer(root.path, [], [...serverAccess(root.path), ...flags], { under });
    return new Scene(root, local, server, await connect(server.address));
  }

  /** Fails unless `operation` fails with `code`, the operator sees why, and the same connection goes on. */
  async assertFails(code: ErrorCode, cause: string, operation: () => Promise<unknown>): Promise<void> {
    const { message } = await failsWith(operation(), code);
    assert(!message.includes(this.root.path), message);
    assertStringIncludes(await this.server.stderr.until(new RegExp(`${code}.*\n`)), cause);
    assertEquals((await within(this.client.stat("f"))).kind, "file");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await this.root[Symbol.asyncDispose]();
    await this.local[Symbol.asyncDispose]();
  }
}

/** More connections than the server may have files open. */
const CONNECTIONS = 100;

Deno.test("a server without free file descriptors says so once, keeps its sessions, and recovers", POSIX, async () => {
  await using scene = await Scene.of(limited("-n 64"));
  const { client, local, root, server } = scene;
  const operations = {
    get: () => client.get("f", local.join("got")),
    dir: () => Array.fromAsync(client.dir()),
    put: () => client.put(local.join("source"), "new"),
    sum: () => client.sum("f"),
  };
  const silent = await Promise.all(Array.from({ length: CONNECTIONS }, () => Deno.connect(server.address)));
  try {
    await server.stderr.until(/warning: Cannot accept connections: too many open files.*\n/);
    for (const operation of Object.values(operations)) {
      await scene.assertFails("Busy", "Too many open files", operation);
    }
    assertEquals(await namesIn(local.path), ["source"]);
    assertEquals(await namesIn(root.path), ["f"]);
    // The server tries to accept several times a second.
    for (const until = performance.now() + 500; performance.now() < until;) await client.stat("f");
    assertEquals(server.stderr.text.match(/Cannot accept/g)?.length, 1);
  } finally {
    for (const conn of silent) conn.close();
  }
  await using other = await within(connect(server.address), "a new connection");
  assertEquals((await other.stat("f")).size, 7);
  for (const operation of Object.values(operations)) await operation();
  await assertFile(local.join("got"), "content");
  await assertFile(root.join("new"), "new");
  assertEquals(server.stderr.text.match(/Cannot accept/g)?.length, 1);
});

/** In blocks of 512 bytes, or 1024 in some shells. */
const FILE_SIZE_LIMIT = "-f 16384";

/** Deno's own cache of compiled code may be larger. */
const NO_CACHE = ["--no-code-cache"];

Deno.test(
  "a server with a limit on the size of files refuses larger ones with TooLarge, and goes on",
  POSIX,
  async () => {
    await using scene = await Scene.of(limited(FILE_SIZE_LIMIT), NO_CACHE);
    const { client, local, root, server } = scene;
    await Deno.writeFile(local.join("large"), new Uint8Array(20 * MIB));
    await scene.assertFails("TooLarge", "File too large", () => client.put(local.join("large"), "large"));
    await scene.assertFails("TooLarge", "File too large", () => client.put(local.join("large"), "f"));
    assertEquals(await namesIn(root.path), ["f"]);
    await assertFile(root.join("f"), "content");
    const fits = bytes(4 * MIB);
    await Deno.writeFile(local.join("large"), fits);
    await client.put(local.join("large"), "large");
    await assertFile(root.join("large"), fits);
    server.kill("SIGTERM");
    assertEquals(await server.ended(), 0);
  },
);

Deno.test("a client with a limit on the size of files says so, and leaves no file", POSIX, async () => {
  await using root = await tempDir();
  await using local = await tempDir();
  await Deno.writeFile(root.join("large"), new Uint8Array(20 * MIB));
  await using server = await startServer(root.path);
  const get = [server.at, "get", "large", local.join("large")];
  const command = ["run", ...NO_CACHE, ...CLIENT_ACCESS, "client.ts", ...get];
  await using client = new Process(DENO, command, { under: limited(FILE_SIZE_LIMIT) });
  assertEquals(await client.ended(), 1);
  const kept = "8.4 MB kept; run the same command to resume";
  const said = new RegExp(`^Cannot write ".*large": the file is larger than the system allows \\(${kept}\\)\n$`);
  assertMatch(client.stderr.text, said);
  assertEquals(await namesIn(local.path), []);
  assertEquals((await runClient(get)).code, 0);
  assertEquals((await Deno.stat(local.join("large"))).size, 20 * MIB);
});

const plain = await unprivileged();

Deno.test({
  name: "a server that may not read or write something refuses it, tells why, and serves it when it may",
  ignore: plain === undefined,
  async fn() {
    await using scene = await Scene.of(plain ?? []);
    const { client, local, root } = scene;
    for (const name of ["d", "locked"]) await Deno.mkdir(root.join(name));
    for (const name of ["secret", "d/f", "d/other", "locked/f"]) await Deno.writeTextFile(root.join(name), "content");
    const changes: Record<string, () => Promise<unknown>> = {
      "put over": () => client.put(local.join("source"), "d/f"),
      "put": () => client.put(local.join("source"), "d/new"),
      "mkdir": () => client.mkdir("d/sub"),
      "rename": () => client.rename("d/f", "d/renamed"),
      "remove": () => client.remove("d/other"),
    };
    const looks: Record<string, () => Promise<unknown>> = {
      "get": () => client.get("secret", local.join("got")),
      "sum": () => client.sum("secret"),
      "dir": () => Array.fromAsync(client.dir("locked")),
      "get below": () => client.get("locked/f", local.join("below")),
      "stat below": () => client.stat("locked/f"),
    };
    await Deno.chmod(root.join("secret"), 0o000);
    await Deno.chmod(root.join("locked"), 0o000);
    await Deno.chmod(root.join("d"), 0o555);
    for (const operation of [...Object.values(looks), ...Object.values(changes)]) {
      await scene.assertFails("Refused", "Permission denied", operation);
    }
    assertEquals(await namesIn(local.path), ["source"]);
    assertEquals(await namesIn(root.join("d")), ["f", "other"]);
    await Deno.chmod(root.join("secret"), 0o644);
    await Deno.chmod(root.join("locked"), 0o755);
    await Deno.chmod(root.join("d"), 0o755);
    for (const operation of [...Object.values(looks), ...Object.values(changes)]) await operation();
    await assertFile(local.join("got"), "content");
    assertEquals(await namesIn(root.join("d")), ["new", "renamed", "sub"]);
  },
});

Deno.test({
  name: "get -r, put -r and dir -r say which directory may not be listed, take the rest, and fail",
  ignore: plain === undefined,
  async fn() {
    await using scene = await Scene.of(plain ?? []);
    const { local, root, server } = scene;
    for (const tree of [root.join("there"), local.join("here")]) {
      await Deno.mkdir(`${tree}/d/locked`, { recursive: true });
      for (const name of ["a", "d/locked/f", "d/z"]) await Deno.writeTextFile(`${tree}/${name}`, name);
      await Deno.chmod(`${tree}/d/locked`, 0o000);
    }
    const run = async (...words: string[]) => {
      const args = ["run", ...CLIENT_ACCESS, `${PROJECT}client.ts`, server.at, ...words];
      await using client = new Process(DENO, args, { cwd: local.path, under: plain ?? [] });
      return { code: await client.ended(), stdout: client.stdout.text, stderr: client.stderr.text };
    };
    const get = await run("get", "-r", "there");
    assertStringIncludes(
      get.stderr,
      'Cannot list "there/d/locked": permission denied\n',
    );
    assertMatch(get.stderr, /Got 2 files .*, 1 failed\./);
    const put = await run("put", "-r", "here");
    assertMatch(
      put.stderr,
      /Cannot list ".*here\/d\/locked": permission denied/,
    );
    assertMatch(put.stderr, /Put 2 files .*, 1 failed\./);
    const dir = await run("dir", "-r", "there");
    assertEquals(dir.stdout.match(/\S+$/gm), ["a", "d/", "d/locked/", "d/z"]);
    assertStringIncludes(
      dir.stderr,
      'Cannot list "there/d/locked": permission denied\n',
    );
    assertEquals([get.code, put.code, dir.code], [1, 1, 4]);
    for (const tree of [root.join("here"), local.join("there")]) {
      assertEquals(pathsIn(tree), ["a", "d/", "d/locked/", "d/z"]);
    }
    for (const tree of [root.join("there"), local.join("here")]) await Deno.chmod(`${tree}/d/locked`, 0o755);
    assertEquals((await run("get", "-r", "there", ".")).code, 0);
    assertEquals((await run("put", "-r", "here", ".")).code, 0);
  },
});

Deno.test({
  name: "get -r and put -r work twice with a directory that its owner may not write in, and keep its permissions",
  ignore: plain === undefined,
  async fn() {
    await using scene = await Scene.of(plain ?? []);
    const { local, root, server } = scene;
    for (const tree of [root.join("there"), local.join("here")]) {
      await Deno.mkdir(`${tree}/d`, { recursive: true });
      await Deno.writeTextFile(`${tree}/d/f`, "f");
      await Deno.writeTextFile(`${tree}/top`, "top");
      for (const path of [`${tree}/d`, tree]) await Deno.chmod(path, 0o555);
    }
    for (const options of [[], ["--all"], ["--all", "."]]) {
      for (const words of [["get", "-r", "there", ...options], ["put", "-r", "here", ...options]]) {
        const args = ["run", ...CLIENT_ACCESS, `${PROJECT}client.ts`, server.at, ...words];
        await using client = new Process(DENO, args, { cwd: local.path, under: plain ?? [] });
        assertEquals([await client.ended(), client.stderr.text.match(/failed/)], [0, null], client.stderr.text);
      }
    }
    for (const path of [local.join("there", "d"), local.join("there"), root.join("here", "d"), root.join("here")]) {
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o555);
    }
  },
});
