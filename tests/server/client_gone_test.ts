import { assertEquals } from "@std/assert";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { giveBuffer, takeBuffer } from "../../lib/protocol/buffers.ts";
import { eventually } from "../helpers/process.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, type Kind, namesIn, RawPeer, Served, within } from "../helpers/raw.ts";

/** So large that reading it takes longer than any test waits. It takes no space. */
const HUGE_BYTES = 64 * 1024 ** 3;

/** How many files of a server this process has open; the names that it has. */
function openFiles(served: Served): string[] {
  const root = served.join() + "/";
  const names: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      if (path.startsWith(root)) names.push(path.slice(root.length).replace(" (deleted)", ""));
    } catch (error) {
      // The handle with which the directory was read.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return names.sort();
}

/** The buffers of the pool, all of which are in use or spare. */
class Pool {
  readonly #all = new Set(Array.from({ length: 64 }, takeBuffer));

  constructor() {
    this.#all.forEach(giveBuffer);
  }

  /** How many of them are in use. */
  get used(): number {
    const spare = Array.from({ length: this.#all.size }, takeBuffer);
    const known = spare.filter((buffer) => this.#all.has(buffer));
    known.forEach(giveBuffer);
    return this.#all.size - known.length;
  }
}

/** What a client is doing when it goes away. */
interface Doing {
  /** What it sends after its greeting. */
  readonly frames: readonly [Kind, unknown?][];
  /** The first answer to it that it waits for, if any. */
  readonly answer?: Kind;
  /** The files that the server has open meanwhile. */
  readonly open: readonly string[];
  /** What the log says about each request. */
  readonly outcomes: readonly string[];
}

const BODY = bytes(1_000_000, 1);
const PUT = { command: "put", path: "new", shared: true };

const CASES: Readonly<Record<string, Doing>> = {
  "in the middle of a put": {
    frames: [["request", PUT], ["data", BODY], ["data", BODY]],
    answer: "ready",
    open: [temporaryName("new")],
    outcomes: ["put Disconnected"],
  },
  "before the body of a put": {
    frames: [["request", PUT]],
    answer: "ready",
    open: [temporaryName("new")],
    outcomes: ["put Disconnected"],
  },
  "while the server compares what it has kept": {
    frames: [["request", { command: "offer", path: "kept", size: HUGE_BYTES }]],
    open: [temporaryName("kept")],
    outcomes: ["offer Disconnected"],
  },
  "in the middle of a get that it does not read": {
    frames: [["request", { command: "get", path: "huge" }]],
    answer: "ready",
    open: ["huge"],
    outcomes: ["get Disconnected"],
  },
  "in the middle of a sum": {
    frames: [["request", { command: "sum", path: "huge" }]],
    open: ["huge"],
    outcomes: ["sum Disconnected"],
  },
  "in the middle of blocks": {
    frames: [["request", { command: "blocks", path: "huge", length: HUGE_BYTES }]],
    open: ["huge"],
    outcomes: ["blocks Disconnected"],
  },
  "with requests that wait for their turn": {
    frames: [
      ["request", { command: "sum", path: "huge" }],
      ...Array.from({ length: 500 }, (): [Kind, unknown] => ["request", { command: "get", path: "huge" }]),
    ],
    open: ["huge"],
    outcomes: ["sum Disconnected"],
  },
};

async function serveHuge(): Promise<Served> {
  const served = await Served.with({ huge: "", [temporaryName("kept")]: "" });
  for (const name of ["huge", temporaryName("kept")]) await Deno.truncate(served.join(name), HUGE_BYTES);
  return served;
}

for (const [when, { frames, answer, open, outcomes }] of Object.entries(CASES)) {
  for (const by of ["reset", "end"] as const) {
    Deno.test({
      name: `a client that goes away ${when} (${by}) leaves no handle, lock or buffer behind`,
      ignore: Deno.build.os !== "linux",
      async fn() {
        await using served = await serveHuge();
        const pool = new Pool();
        await using proxy = await FaultProxy.to(served.address);
        {
          using peer = await RawPeer.greeted(proxy.address);
          await peer.sendAll(...frames);
          if (answer) assertEquals((await peer.receive())?.kind, answer);
          await eventually(`${open} is open`, () => openFiles(served).join() === open.join());
          proxy.cut(by);
          await served.events.until("close");
        }
        assertEquals(openFiles(served), []);
        assertEquals(served.events.of("command").map(({ command, outcome }) => `${command} ${outcome}`), outcomes);
        assertEquals(pool.used, 0);
        await using client = await served.connect();
        for (const name of ["new", "kept"]) await client.put(new Blob([BODY]).stream(), name);
        await assertFile(served.join("kept"), BODY);
        assertEquals(await namesIn(served.join()), ["huge", "kept", "new"]);
      },
    });
  }
}

Deno.test("a client that goes away while its parts are received ends them, and another may write at once", async () => {
  await using served = await Served.with();
  await using proxy = await FaultProxy.to(served.address);
  using main = await RawPeer.greeted(proxy.address);
  await main.send("request", { ...PUT, size: 2 * BODY.length });
  const { upload } = (await main.receive())?.value as { upload: string };
  using other = await RawPeer.greeted(served.address);
  await other.sendAll(["request", { command: "part", upload, offset: 0 }], ["data", BODY]);
  await eventually("the part has arrived", async () => (await Deno.stat(served.join(temporaryName("new")))).size > 0);
  proxy.cut("reset");
  await served.events.until("close");
  await using client = await served.connect();
  const source = new TransformStream<Uint8Array, Uint8Array>();
  const writer = source.writable.getWriter();
  const putting = client.put(source.readable, "new");
  await within(writer.write(BODY.subarray(0, 10)));
  await other.sendAll(["data", new Uint8Array(1000)], ["end", { size: BODY.length + 1000 }]);
  assertEquals((await other.answer()).outcome, "NotFound");
  await writer.close();
  await putting;
  await assertFile(served.join("new"), BODY.subarray(0, 10));
});
