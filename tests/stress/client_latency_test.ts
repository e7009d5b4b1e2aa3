import { assertGreater, assertLess } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Served } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

Deno.test("get() started many times at once over a line with delays does not wait for each in turn", async () => {
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, bytes(100, i)]));
  await using served = await Served.with(files);
  await using local = await tempDir();
  const delayMs = 20;
  await using proxy = await FaultProxy.to(served.address, { toServer: { delayMs }, toClient: { delayMs } });
  await using client = await connect(proxy.address);
  const began = performance.now();
  await Promise.all(Object.keys(files).map((name) => client.get(name, local.join(name))));
  const took = performance.now() - began;
  assertGreater(took, 2 * delayMs - 1);
  assertLess(took, 100 * 2 * delayMs / 4);
  for (const [name, content] of Object.entries(files)) await assertFile(local.join(name), content);
});
