import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually, type ServerProcess, startClient, startServer } from "../helpers/process.ts";
import { DIRECTIONS } from "../helpers/resuming.ts";
import { tempDir } from "../helpers/temp.ts";
import { assertSameTree, makeTree, type Tree } from "../helpers/trees.ts";

/** More files than are under way at a time, in many directories. */
const FILES = 1500;

function manyFiles(): Tree {
  return Object.fromEntries(
    Array.from({ length: FILES }, (_, i) => [`t/d${i % 40}/in/f${i}`, `${i} `.repeat(400)]),
  );
}

/** How many files there are by now in a directory, complete or not. */
function countFiles(directory: string): number {
  const counts = Array.from(Deno.readDirSync(directory), ({ name, isDirectory }) => {
    return isDirectory ? countFiles(join(directory, name)) : 1;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A rate at which the tree takes some seconds. */
const SLOWLY = ["--limit-rate", "500k"];

/** A tree that is being transferred when the server is killed. */
async function interrupted(direction: "get" | "put", ...options: string[]) {
  const dir = await tempDir();
  const [served, here] = [dir.join("served"), dir.join("here")];
  for (const path of [served, here]) await Deno.mkdir(path);
  const [source, target] = direction === "get" ? [served, here] : [here, served];
  makeTree(source, manyFiles());
  const server = await startServer(served);
  const client = startClient([...SLOWLY, server.at, direction, ...options, "-r", "t"], { cwd: here });
  await eventually("some files have arrived", () => countFiles(target) > 150);
  server.kill("SIGKILL");
  await server.ended();
  return { dir, served, source, target, server, client };
}

function again(served: string, { address }: ServerProcess): Promise<ServerProcess> {
  return startServer(served, ["--port", `${address.port}`]);
}

for (const direction of DIRECTIONS) {
  Deno.test(`client.ts ${direction} -r waits for a server that is away for a while`, async () => {
    const { dir, served, source, target, server, client } = await interrupted(direction);
    await using _dir = dir;
    await using _server = server;
    await using _client = client;
    await client.stderr.until(/ Connecting again\.\n/);
    // It looks for the server in vain at least once.
    await new Promise((resolve) => setTimeout(resolve, 700));
    await using _again = await again(served, server);
    assertEquals([await client.ended(), client.stderr.text.match(/^Cannot|failed/m)], [0, null], client.stderr.text);
    assertSameTree(target, source);
  });

  Deno.test(`client.ts ${direction} -r ends with one message when the server stays away`, async () => {
    const { dir, target, server, client } = await interrupted(direction, "--retry-for", "2s");
    await using _dir = dir;
    await using _server = server;
    await using _client = client;
    assertEquals(await client.ended(), 3, client.stderr.text);
    const lines = client.stderr.text.trimEnd().split("\n");
    assertMatch(lines.at(-1) ?? "", /^Cannot connect to \S+: nobody listens there/);
    assertLess(lines.length, 5, client.stderr.text);
    assertLess(countFiles(target), FILES);
  });
}
