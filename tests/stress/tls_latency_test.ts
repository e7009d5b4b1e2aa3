import { assert } from "@std/assert";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { within } from "../helpers/raw.ts";
import { pinning, Server, TRANSPORTS, writeAll } from "../helpers/tls_ends.ts";

for (const [how, transportOf] of TRANSPORTS) {
  Deno.test(`TLS ${how} does not hold small messages back until the one before was acknowledged, either way`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
    for (const by of ["server", "client"] as const) {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        await using both = server.meet(pinning(identity.certificate));
        const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
        const [from, to] = by === "server" ? [accepted, conn] : [conn, accepted];
        const start = performance.now();
        for (let k = 0; k < 3; k++) {
          await writeAll(from, Uint8Array.of(k));
          await to.read(new Uint8Array(1));
        }
        times.push(performance.now() - start);
      }
      // The system waits 40 ms before it acknowledges by itself, in a new connection at least once.
      const median = times.sort((a, b) => a - b)[2] ?? Infinity;
      assert(median < 25, `${by}: ${times} ms`);
    }
  });
}
