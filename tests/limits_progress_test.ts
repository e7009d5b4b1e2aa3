import { assertEquals } from "@std/assert";
import { DEFAULT_LIMITS } from "../lib/server/limits.ts";
import { MovedClock } from "./helpers/clock.ts";
import { checkLater } from "./helpers/deadlines.ts";
import { bytes } from "./helpers/random.ts";
import { RawPeer, Served, within } from "./helpers/raw.ts";

/** More than the stall timeout, in ms. */
const LONG_MS = DEFAULT_LIMITS.stallMs + 10_000;

Deno.test("checkDeadlines() does not take the server's own time for the client's while it answers", async () => {
  using clock = new MovedClock();
  const looked: string[] = [];
  await using served = await Served.with({ "a.txt": "abc" }, {
    onEvent: ({ event }) => {
      if (event !== "command") return;
      // The answer is on its way, but the system has not taken it yet.
      looked.push(...checkLater(served, 0), "alive");
    },
  }, (storage) => ({
    digest: (...args) => {
      clock.forward(LONG_MS);
      return storage.digest(...args);
    },
  }));
  await using client = await served.connect();
  assertEquals((await client.sum("a.txt")).size, 3);
  assertEquals(looked, ["alive"]);
  assertEquals((await client.sum("a.txt")).size, 3);
});

Deno.test("checkDeadlines() counts the time for the next bytes from when they are wanted", async () => {
  using clock = new MovedClock();
  const written = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      clock.forward(LONG_MS);
      const upload = await storage.upload(...args);
      const write = upload.write.bind(upload);
      upload.write = (bytes) => {
        written.resolve();
        return write(bytes);
      };
      return upload;
    },
  }));
  using other = await RawPeer.greeted(served.address);
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "put", path: "x", size: 6 }], ["data", bytes(3)]);
  await within(written.promise, "the first bytes");
  await other.ask({ command: "stat" });
  assertEquals(checkLater(served, 0), []);
  await peer.sendAll(["data", bytes(3)], ["end", { size: 6 }]);
  assertEquals((await peer.answer()).outcome, "ok");
});
