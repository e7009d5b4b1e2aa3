import { assertEquals, assertLess } from "@std/assert";
import { ConnectionPool } from "../../lib/client/connection_pool.ts";
import { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { removeExtra } from "../../lib/transfer/deletion.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { RandomCuts } from "../helpers/cuts.ts";
import { FaultProxy, type ProxyFaults } from "../helpers/proxy.ts";
import { Random } from "../helpers/random.ts";
import { Served } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { makeTree, pathsIn, type Tree } from "../helpers/trees.ts";

const FILES = 600;

/** Files in directories, of which every seventh is in the source. */
function trees(): { source: Tree; target: Tree } {
  const paths = Array.from({ length: FILES }, (_, i) => `d${i % 5}/e${i % 30}/${i}`);
  const tree = (own: string[]) => Object.fromEntries(own.map((path) => [path, path]));
  return { source: tree(paths.filter((_, i) => i % 7 === 0)), target: { ...tree(paths), "gone/x/y": "" } };
}

/** Removes from a server, on a bad line, what a directory here does not have. */
async function removeThrough(faults: ProxyFaults) {
  const { source, target } = trees();
  await using served = await Served.with({});
  await using local = await tempDir();
  makeTree(served.join(), target);
  makeTree(local.path, source);
  await using proxy = await FaultProxy.to(served.address, faults);
  const pool = new ConnectionPool(proxy.address);
  const failures: string[] = [];
  const began = performance.now();
  try {
    const count = await removeExtra(
      { storage: DirectoryStorage.open(local.path), path: ROOT, shown: "here" },
      { storage: new RemoteStorage(pool), path: ROOT, shown: "" },
      { retry: new Retry(), onFailure: (_path, { message }) => failures.push(message) },
    );
    assertEquals(failures, []);
    assertEquals(pathsIn(served.join()), pathsIn(local.path));
    return { count, ms: performance.now() - began };
  } finally {
    await pool.close().catch(() => {});
  }
}

/** Of the files six sevenths, and `gone/x/y` with its directories. */
const REMOVED = FILES - Math.ceil(FILES / 7) + 3;

Deno.test("removeExtra() at a server waits for no answer before the next removal", async () => {
  const oneWayMs = 20;
  const { count, ms } = await removeThrough({ toServer: { delayMs: oneWayMs }, toClient: { delayMs: oneWayMs } });
  assertEquals(count, REMOVED);
  assertLess(ms, REMOVED * 2 * oneWayMs / 3);
});

Deno.test("removeExtra() at a server goes on after each loss of the connection, and removes nothing else", async () => {
  const cuts = new RandomCuts(new Random(7), 8, [["toServer", 300, 4_000], ["toClient", 300, 4_000]]);
  const { count } = await removeThrough(cuts);
  assertEquals(count, REMOVED);
  assertLess(cuts.left, 6);
});
