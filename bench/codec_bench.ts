import { decodeControl, decodeRequest, encodeControl, MESSAGES } from "../lib/protocol/codec.ts";
import { MAX_CONTROL_BYTES } from "../lib/protocol/constants.ts";

const REQUEST = { command: "get", path: "measurements/2026/11/天线15.doc" };
const space = new Uint8Array(MAX_CONTROL_BYTES);

function encoded(value: unknown): Uint8Array {
  const bytes = new Uint8Array(MAX_CONTROL_BYTES);
  return bytes.subarray(0, encodeControl(value, bytes));
}

const request = encoded(REQUEST);
const entries = Array.from({ length: 256 }, (_, i) => ({
  path: `measurements/file-${i}.bin`,
  kind: "file",
  size: 4096 * i,
  mtimeMs: 1_790_000_000_000 + i,
}));
const listing = encoded(entries);

Deno.bench("encodeControl() of a request", { group: "request" }, () => {
  encodeControl(REQUEST, space);
});

Deno.bench("decodeRequest()", { group: "request" }, () => {
  decodeRequest(request);
});

Deno.bench("encodeControl() of 256 entries", { group: "entries" }, () => {
  encodeControl(entries, space);
});

Deno.bench("decodeControl() and check of 256 entries", { group: "entries" }, () => {
  MESSAGES.entries(decodeControl(listing), "entries");
});
