import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { join } from "@std/path";
import { eventually, Process, runClient, type ServerProcess, startClient, startServer } from "../helpers/process.ts";
import { type Address, FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile } from "../helpers/raw.ts";
import { type Direction, DIRECTIONS, MIB } from "../helpers/resuming.ts";
import { TempDir, tempDir } from "../helpers/temp.ts";
import { assertSameTree, makeTree, pathsIn } from "../helpers/trees.ts";

const CONTENT = bytes(16 * MIB, 1);

/** Where the line stands still: some blocks have arrived, and most are still to come. */
const STALL = 6 * MIB;

const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };

/** A directory to serve and one for the client, one of which has a large file among small ones. */
class Places extends TempDir {
  readonly served = this.join("served");
  readonly here = this.join("here");

  static async of(direction: Direction): Promise<Places> {
    const places = new Places((await tempDir()).path);
    await Deno.mkdir(places.served);
    await Deno.mkdir(places.here);
    makeTree(places.source(direction), {
      "t/a.txt": "first",
      "t/large.bin": CONTENT,
      "t/z.txt": "last",
      "t/empty": null,
    });
    return places;
  }

  source(direction: Direction): string {
    return direction === "get" ? this.served : this.here;
  }

  target(direction: Direction): string {
    return direction === "get" ? this.here : this.served;
  }

  /** How much was kept of the large file; fails unless every name in the target is whole. */
  async kept(direction: Direction): Promise<number> {
    const target = join(this.target(direction), "t");
    const [hidden, shown] = [true, false].map((wanted) =>
      pathsIn(target).filter((path) => path.startsWith(".ferry-") === wanted)
    );
    for (const path of shown ?? []) {
      assert(["a.txt", "z.txt", "empty/"].includes(path), `${path} is there`);
      if (path !== "empty/") await assertFile(join(target, path), path === "a.txt" ? "first" : "last");
    }
    const sizes = (hidden ?? []).map((path) => Deno.statSync(join(target, path)).size);
    return Math.max(0, ...sizes);
  }
}

function at({ hostname, port }: Address): string {
  return `${hostname}:${port}`;
}

/** Starts the transfer of the tree over a line that stands still in the middle of the large file, and waits for that. */
async function stalled(direction: Direction, places: Places, server: ServerProcess) {
  const way = direction === "get" ? "toClient" : "toServer";
  const proxy = await FaultProxy.to(server.address, { [way]: { stallAfter: STALL } });
  const client = startClient([at(proxy.address), direction, "-r", "t"], { cwd: places.here });
  try {
    await proxy.stalled;
    await eventually("several blocks were written", () => places.kept(direction).then((kept) => kept > 2 * MIB));
  } catch (error) {
    await client[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
  return { proxy, client };
}

/** Runs the transfer again, and fails unless it sends only what was not kept. */
async function assertGoesOn(direction: Direction, places: Places, server: ServerProcess, kept: number): Promise<void> {
  await using proxy = await FaultProxy.to(server.address);
  const to = direction === "get" ? ["."] : [];
  const again = await runClient([at(proxy.address), direction, "-r", "t", ...to], { cwd: places.here });
  assertEquals(again.code, 0, again.stderr);
  assertSameTree(places.target(direction), places.source(direction));
  const passed = direction === "get" ? proxy.passed.toClient : proxy.passed.toServer;
  assertGreater(passed, CONTENT.length - kept);
  // What is not content: requests, answers, headers, sums.
  assertLess(passed, CONTENT.length - kept + 100_000);
}

for (const direction of DIRECTIONS) {
  Deno.test(`${direction} -r goes on from what was kept after the client was killed`, NOT_ON_WINDOWS, async () => {
    await using places = await Places.of(direction);
    await using server = await startServer(places.served);
    const { proxy, client } = await stalled(direction, places, server);
    await using _proxy = proxy;
    await using _client: Process = client;
    client.kill("SIGKILL");
    await client.ended();
    await proxy[Symbol.asyncDispose]();
    await server.stderr.until(/ disconnected /);
    const kept = await places.kept(direction);
    await assertGoesOn(direction, places, server, kept);
  });

  Deno.test(`${direction} -r goes on from what was kept after the server was killed`, NOT_ON_WINDOWS, async () => {
    await using places = await Places.of(direction);
    await using server = await startServer(places.served);
    const { proxy, client } = await stalled(direction, places, server);
    await using _proxy = proxy;
    await using _client: Process = client;
    server.kill("SIGKILL");
    await server.ended();
    client.kill("SIGINT");
    await client.ended();
    const kept = await places.kept(direction);
    assertGreater(kept, 2 * MIB);
    await using next = await startServer(places.served);
    await assertGoesOn(direction, places, next, kept);
  });

  Deno.test(
    `${direction} -r goes on by itself when the server comes back after it was killed`,
    NOT_ON_WINDOWS,
    async () => {
      await using places = await Places.of(direction);
      await using server = await startServer(places.served);
      const { proxy, client } = await stalled(direction, places, server);
      await using _proxy = proxy;
      await using _client: Process = client;
      server.kill("SIGKILL");
      await server.ended();
      const kept = await places.kept(direction);
      await using _next = await startServer(places.served, ["--port", String(server.address.port)]);
      proxy.release();
      assertEquals(await client.ended(), 0, client.stderr.text);
      assertSameTree(places.target(direction), places.source(direction));
      const passed = direction === "get" ? proxy.passed.toClient : proxy.passed.toServer;
      // A frame that was under way is sent once more, what was written is not.
      assertLess(passed, CONTENT.length + STALL - kept + 2 * MIB);
    },
  );
}
