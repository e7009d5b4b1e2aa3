import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { setImmediate } from "node:timers/promises";
import { ReadAhead, RequestBody } from "../../lib/server/request_body.ts";

/** So much of bodies that wait is received and kept, in bytes. */
const AHEAD_BYTES = 1024 * 1024;

Deno.test("ReadAhead keeps no more than it may, however small the pieces are, and has room again for what was used", async () => {
  for (const size of [0, 1, 5000, AHEAD_BYTES / 2]) {
    const ahead = new ReadAhead(AHEAD_BYTES);
    const body = new RequestBody(ahead);
    let kept = 0;
    for (;;) {
      const state = await Promise.race([body.deliver(new Uint8Array(size)).then(() => "kept"), tick("waits")]);
      if (state === "waits") break;
      kept++;
    }
    assertLess(kept * (size + 256), AHEAD_BYTES + 1);
    assertGreater((kept + 1) * (size + 256), AHEAD_BYTES);
    for (let i = 0; i <= kept; i++) assertEquals((await body.next())?.length, size);
    body.end((kept + 1) * size);
    assertEquals(await body.next(), null);
    body.discard();
    assertEquals(ahead.keep(new Uint8Array(AHEAD_BYTES - 256))?.length, AHEAD_BYTES - 256);
  }
});

/** A value that comes after all that is ready. */
async function tick<T>(value: T): Promise<T> {
  await setImmediate();
  return value;
}
