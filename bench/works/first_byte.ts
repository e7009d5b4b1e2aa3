import { connect } from "../../lib/mod.ts";
import { addressOf } from "../peers/ferry.ts";
import { sized, type Work } from "./work.ts";

/** How long the first bytes of a large file take, from the request on a connection that is open. */
export const FIRST_BYTE: Work = {
  name: "first-byte",
  metrics: [{ id: "first-byte", unit: "ms", title: ({ bigBytes }) => `first bytes of a ${sized(bigBytes)} file` }],
  ferryOnly: true,
  prepare({ scratch }) {
    scratch.big();
  },
  async measure({ scratch }, peer) {
    await using client = await connect(addressOf(peer));
    const enough = new AbortController();
    const { promise: arrived, resolve, reject } = Promise.withResolvers<number>();
    const stream = new WritableStream<Uint8Array>({ write: () => resolve(performance.now()) });
    const began = performance.now();
    const getting = client.get(scratch.big().remote, stream, { signal: enough.signal });
    // It is cancelled on purpose; that matters only when nothing has come before.
    const ended = getting.then(() => reject(new Error("the file is empty")), reject);
    const first = await arrived;
    enough.abort();
    await ended;
    return { "first-byte": first - began };
  },
};
