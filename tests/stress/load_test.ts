import { assertEquals } from "@std/assert";
import { bytes } from "../helpers/random.ts";
import { assertFile, namesIn, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

const CLIENTS = 200;

Deno.test(`serve() serves ${CLIENTS} clients that get and put at the same time, without a wrong byte`, async () => {
  const shared = bytes(1_200_000, 1);
  await using served = await Served.with({ "shared.bin": shared });
  await using local = await tempDir();
  const own = (i: number) => bytes(i * 997 % 150_000, i);
  const work = async (i: number) => {
    await using client = await served.connect();
    await Deno.writeFile(local.join(`source-${i}`), own(i));
    const [, receipt] = await Promise.all([
      client.get("shared.bin", local.join(`shared-${i}`)),
      client.put(local.join(`source-${i}`), `own-${i}`),
      client.mkdir(`d-${i}`),
    ]);
    assertEquals(receipt.size, own(i).length);
    await client.get(`own-${i}`, local.join(`back-${i}`));
  };
  await within(Promise.all(Array.from({ length: CLIENTS }, (_, i) => work(i))), "the end of the load", 20_000);
  for (let i = 0; i < CLIENTS; i++) {
    await assertFile(local.join(`shared-${i}`), shared);
    await assertFile(served.join(`own-${i}`), own(i));
    await assertFile(local.join(`back-${i}`), own(i));
  }
  assertEquals((await namesIn(served.join())).length, 2 * CLIENTS + 1);
  assertEquals((await served.events.until("close", CLIENTS)).filter(({ reason }) => reason !== undefined), []);
  assertEquals(served.events.of("command").filter(({ outcome }) => outcome !== "ok"), []);
  assertEquals(served.events.of("warning"), []);
});
