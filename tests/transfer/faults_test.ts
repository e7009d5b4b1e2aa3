import { assert, assertEquals } from "@std/assert";
import { type Client, connect, FerryError } from "../../lib/mod.ts";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { keyHashOf } from "../../lib/transport/tls.ts";
import { FaultProxy, type Faults } from "../helpers/proxy.ts";
import { bytes, Random } from "../helpers/random.ts";
import { assertFile, Collector, failsWith, namesIn, Served, within } from "../helpers/raw.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

type Transfer = "get" | "put";

type Way = "toServer" | "toClient";

const TRANSFERS: readonly Transfer[] = ["get", "put"];

/** More than one data frame. */
const NEW = bytes(2_500_000, 1);

const OLD = "what was there before";

/** A server and a local directory, one of which has the new file under the name `f`. */
class Scene implements AsyncDisposable {
  private constructor(
    readonly transfer: Transfer,
    readonly content: Uint8Array,
    readonly served: Served,
    readonly local: TempDir,
  ) {}

  /** @param old Whether the other one has an old file under that name. */
  static async of(transfer: Transfer, old: boolean, content: Uint8Array = NEW): Promise<Scene> {
    const scene = new Scene(transfer, content, await Served.with(), await tempDir());
    await Deno.writeFile(transfer === "get" ? scene.served.join("f") : scene.local.join("f"), content);
    if (old) await Deno.writeTextFile(scene.target, OLD);
    return scene;
  }

  /** Where the file is to appear. */
  get target(): string {
    return this.transfer === "get" ? this.local.join("f") : this.served.join("f");
  }

  async run(client: Client): Promise<void> {
    if (this.transfer === "get") await client.get("f", this.local.join("f"));
    else await client.put(this.local.join("f"), "f");
  }

  /** Connects to `address` and transfers; gives the failure, if there was one. */
  async attempt(address: { hostname: string; port: number }): Promise<FerryError | undefined> {
    const result = within(
      connect(address).then(async (client) => {
        await using _client = client;
        await this.run(client);
      }),
      `the end of the ${this.transfer}`,
    );
    try {
      await result;
      return undefined;
    } catch (error) {
      if (error instanceof FerryError) return error;
      throw error;
    }
  }

  /** Fails unless the target is in one of these states, and nothing is beside it on either side. */
  async assertTarget(...states: ("new" | "old" | "none")[]): Promise<void> {
    for (const directory of [this.served.join(), this.local.path]) {
      assertEquals((await namesIn(directory)).filter((name) => name !== "f"), []);
    }
    const size = await Deno.stat(this.target).then((info) => info.size, () => undefined);
    const state = size === undefined ? "none" : size === OLD.length ? "old" : "new";
    assert(states.includes(state), `${size} bytes under the final name`);
    if (state !== "none") await assertFile(this.target, state === "old" ? OLD : this.content);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.served[Symbol.asyncDispose]();
    await this.local[Symbol.asyncDispose]();
  }
}

/** How many bytes a transfer sends in one direction, from connecting to its answer. */
async function trafficOf(transfer: Transfer, way: Way): Promise<number> {
  await using scene = await Scene.of(transfer, false);
  await using proxy = await FaultProxy.to(scene.served.address);
  await using client = await connect(proxy.address);
  await scene.run(client);
  return proxy.passed[way];
}

/**
 * Bytes of a stream of frames. Not the lower bytes of a length, except by chance in a large stream: a longer frame looks
 * like one that has not arrived yet, which only a deadline ends.
 */
function bytesToFlip(traffic: number, random: Random): number[] {
  if (traffic > 1000) return Array.from({ length: 12 }, () => random.below(traffic));
  // CRC, highest byte of the length, kind, and payload of the first frame; payload of the last one.
  return [0, 3, 4, 8, 9, 15, traffic - 12, traffic - 5, traffic - 1];
}

for (const transfer of TRANSFERS) {
  Deno.test(`${transfer}() works through a line that delivers single bytes`, async () => {
    await using scene = await Scene.of(transfer, true, bytes(30_000));
    const faults = { singleBytes: true };
    await using proxy = await FaultProxy.to(scene.served.address, { toServer: faults, toClient: faults });
    assertEquals(await scene.attempt(proxy.address), undefined);
    await scene.assertTarget("new");
  });

  Deno.test(`${transfer}() works through a line with delays`, async () => {
    await using scene = await Scene.of(transfer, true);
    const faults = { delayMs: 3 };
    await using proxy = await FaultProxy.to(scene.served.address, { toServer: faults, toClient: faults });
    assertEquals(await scene.attempt(proxy.address), undefined);
    await scene.assertTarget("new");
  });

  Deno.test(`${transfer}() that is cut off leaves the old file or none, and works when it is repeated`, async (t) => {
    const random = new Random(transfer === "get" ? 1 : 2);
    for (const way of ["toServer", "toClient"] as const) {
      const traffic = await trafficOf(transfer, way);
      // The first points are inside the greeting and the request, the last one is just before the end.
      const points = [1, 30, traffic - 1, ...Array.from({ length: 9 }, () => 1 + random.below(traffic - 1))];
      for (const [i, after] of points.entries()) {
        const by = i % 2 === 0 ? "reset" : "end";
        await t.step(`${way}, after ${after} of ${traffic} bytes, by ${by}`, async () => {
          const old = random.below(2) === 0;
          await using scene = await Scene.of(transfer, old);
          await using proxy = await FaultProxy.to(scene.served.address, { [way]: { cut: { after, by } } });
          const error = await scene.attempt(proxy.address);
          assert(error && ["Disconnected", "Unreachable"].includes(error.code), Deno.inspect(error));
          await scene.served.events.until("close");
          // When only the answer was lost, the file was stored.
          const stored = transfer === "put" && way === "toClient";
          await scene.assertTarget(old ? "old" : "none", ...(stored ? ["new" as const] : []));
          assertEquals(await scene.attempt(scene.served.address), undefined);
          await scene.assertTarget("new");
        });
      }
    }
  });

  Deno.test(`${transfer}() notices every flipped bit`, async (t) => {
    const random = new Random(transfer === "get" ? 3 : 4);
    for (const way of ["toServer", "toClient"] as const) {
      const traffic = await trafficOf(transfer, way);
      for (const byte of bytesToFlip(traffic, random)) {
        const flip = { byte, bit: random.below(8) };
        await t.step(`${way}, bit ${flip.bit} of byte ${flip.byte} of ${traffic}`, async () => {
          const old = random.below(2) === 0;
          await using scene = await Scene.of(transfer, old);
          await using proxy = await FaultProxy.to(scene.served.address, { [way]: { flip } });
          const error = await scene.attempt(proxy.address);
          const codes = ["Corrupt", "BadRequest", "Disconnected", "Unreachable"];
          assert(error && codes.includes(error.code), Deno.inspect(error));
          await scene.served.events.until("close");
          // When only the answer was damaged, the file was stored.
          const stored = transfer === "put" && way === "toClient";
          await scene.assertTarget(old ? "old" : "none", ...(stored ? ["new" as const] : []));
          assertEquals(await scene.attempt(scene.served.address), undefined);
          await scene.assertTarget("new");
        });
      }
    }
  });

  Deno.test(`${transfer}() over TLS says that a bit was flipped`, async () => {
    const identity = await createIdentity();
    await using served = await Served.with({ "f": NEW }, { identity });
    const way = transfer === "get" ? "toClient" : "toServer";
    await using proxy = await FaultProxy.to(served.address, { [way]: { flip: { byte: 1_000_000, bit: 3 } } });
    await using client = await connect({ ...proxy.address, keyHash: keyHashOf(identity.certificate) });
    // The server's side of the encryption says so to the client's, if that still listens.
    if (transfer === "get") await failsWith(client.get("f", new Collector()), "Corrupt");
    else await failsWith(client.put(new Blob([NEW]).stream(), "new"), "Corrupt", "Disconnected");
    await served.events.until("close");
    assertEquals(served.events.of("command").filter(({ outcome }) => outcome === "Internal"), []);
  });

  Deno.test(`${transfer}() goes on after a stall, which holds up nobody else`, async () => {
    await using scene = await Scene.of(transfer, true);
    const faults: Faults = { stallAfter: 1_500_000 };
    await using proxy = await FaultProxy.to(
      scene.served.address,
      transfer === "get" ? { toClient: faults } : { toServer: faults },
    );
    const attempt = scene.attempt(proxy.address);
    await within(proxy.stalled, "the stall");
    await assertFile(scene.target, OLD);
    await using other = await scene.served.connect();
    assertEquals((await other.stat()).kind, "directory");
    proxy.release();
    assertEquals(await attempt, undefined);
    await scene.assertTarget("new");
  });

  Deno.test(`${transfer}() that stalls can be given up`, async () => {
    // More than the socket buffers hold: a put that has left in full cannot be given up.
    await using scene = await Scene.of(transfer, true, new Uint8Array(48 * 1024 * 1024));
    const way = transfer === "get" ? "toClient" : "toServer";
    await using proxy = await FaultProxy.to(scene.served.address, { [way]: { stallAfter: 1_500_000 } });
    await using client = await connect(proxy.address);
    const stop = new AbortController();
    const { signal } = stop;
    const transferring = transfer === "get"
      ? client.get("f", scene.local.join("f"), { signal })
      : client.put(scene.local.join("f"), "f", { signal });
    await within(proxy.stalled, "the stall");
    stop.abort();
    await failsWith(transferring, "Cancelled");
    proxy.release();
    assertEquals((await within(client.stat())).kind, "directory");
    await scene.assertTarget("old");
  });
}

Deno.test("connect() takes flipped bits in the encryption's greeting for a bad line, so that it may be tried again", async () => {
  const identity = await createIdentity();
  await using served = await Served.with({}, { identity });
  const attempt = async (way: "toClient" | "toServer", byte: number) => {
    await using proxy = await FaultProxy.to(served.address, { [way]: { flip: { byte, bit: 3 } } });
    const connecting = connect({ ...proxy.address, keyHash: keyHashOf(identity.certificate) });
    const { message } = await failsWith(connecting, "Unreachable");
    assert(!message.includes("unexpected"), `${way}, byte ${byte}: ${message}`);
    return message.includes("the encryption could not begin: the line damages what it carries");
  };
  // In the announcement, then in the certificate and what proves it, all of which is encrypted already.
  const toClient = [250, 300, 400, 500, 600, 650, 700, 800, 900, 1000];
  const damaged = await Promise.all([
    ...toClient.map((byte) => attempt("toClient", byte)),
    ...[20, 60, 100].map((byte) => attempt("toServer", byte)),
  ]);
  assert(damaged.filter(Boolean).length >= 5, String(damaged));
});
