import { encodeBlocks } from "../../lib/protocol/block_fields.ts";
import type { Messages } from "../../lib/protocol/codec.ts";
import type { CommandName, OkOf, RequestOf } from "../../lib/protocol/commands.ts";
import type { Random } from "../helpers/random.ts";

/** What there is to name when a request is made up. */
export interface Scene {
  readonly paths: readonly [string, ...string[]];
  /** The name of an upload that other connections may send parts of, if there is one. */
  readonly upload?: string | undefined;
}

/** `value` or nothing, so that a field is sometimes absent. */
function maybe<N extends string, T>(random: Random, name: N, value: T): { [K in N]?: T } {
  return random.below(2) ? { [name]: value } as { [K in N]?: T } : {};
}

/** Moments within the range of file systems, so that clocks and time zones do not matter. */
function randomTime(random: Random): number {
  return 1_500_000_000_000 + random.u32();
}

/** Permission bits with which its owner, who is the server, can go on. */
function randomMode(random: Random): number {
  return 0o700 + random.below(0o100);
}

/** For every command a valid request. `size` is that of the body, for `put`. */
export const REQUEST_SAMPLES: {
  readonly [N in CommandName]: (random: Random, scene: Scene, size: number) => RequestOf<N>;
} = {
  dir: (random, { paths }) => ({
    command: "dir",
    ...maybe(random, "path", random.pick(paths)),
    ...maybe(random, "recursive", random.below(2) === 0),
  }),
  stat: (random, { paths }) => ({ command: "stat", ...maybe(random, "path", random.pick(paths)) }),
  get: (random, { paths }) => ({
    command: "get",
    path: random.pick(paths),
    ...maybe(random, "offset", random.below(random.pick([1, 10, 10_000]))),
    ...maybe(random, "length", random.below(10_000)),
    ...(random.below(10) ? {} : { ifVersion: "another" }),
  }),
  put: (random, { paths }, size) => ({
    command: "put",
    path: random.pick(paths),
    ...maybe(random, "size", size),
    ...maybe(random, "mtimeMs", randomTime(random)),
    ...maybe(random, "mode", randomMode(random)),
    ...(random.below(5) ? {} : { overwrite: false }),
    ...(random.below(20) ? {} : { durable: true }),
    ...(random.below(5) ? {} : { shared: true }),
    ...(random.below(5) ? {} : { offset: random.below(size + 1) }),
    ...(random.below(10) ? {} : { kept: random.pick(["", "another"]) }),
  }),
  offer: (random, { paths }, size) => ({
    command: "offer",
    path: random.pick(paths),
    ...maybe(random, "size", size),
    ...(random.below(5) ? {} : { overwrite: false }),
  }),
  part: (random, { upload = "none" }) => ({
    command: "part",
    upload,
    offset: random.pick([0, 1000, 2000, 2500, 3000]),
  }),
  sum: (random, { paths }) => ({ command: "sum", path: random.pick(paths) }),
  blocks: (random, { paths }) => ({ command: "blocks", path: random.pick(paths), length: random.below(3_000_000) }),
  mkdir: (random, { paths }) => ({
    command: "mkdir",
    path: random.pick(paths),
    ...maybe(random, "parents", random.below(2) === 0),
    ...maybe(random, "mode", randomMode(random)),
  }),
  set: (random, { paths }) => ({
    command: "set",
    path: random.pick(paths),
    ...maybe(random, "mtimeMs", randomTime(random)),
    ...maybe(random, "mode", randomMode(random)),
  }),
  rename: (random, { paths }) => ({ command: "rename", path: random.pick(paths), to: random.pick(paths) }),
  remove: (random, { paths }) => ({
    command: "remove",
    path: random.pick(paths),
    ...maybe(random, "recursive", random.below(2) === 0),
  }),
  df: () => ({ command: "df" }),
  say: (random) => ({ command: "say", text: random.pick(["thank you", "\u001b[2J", "天线", "x".repeat(5000)]) }),
  close: () => ({ command: "close" }),
};

/** An `ok` of every command. */
export const OK_SAMPLES: { readonly [N in CommandName]: OkOf<N> } = {
  dir: { entries: 3 },
  stat: { kind: "directory", size: 0, mtimeMs: 0, mode: 0o755, version: "v" },
  get: {},
  put: { path: "a", size: 1, mtimeMs: 2, version: "v", durable: false },
  part: { size: 5 },
  sum: { sha256: "00".repeat(32), size: 1, version: "v" },
  offer: { ...encodeBlocks({ covered: 1, blockSize: 2 ** 20, hashes: new Uint8Array(32) }), kept: "state" },
  blocks: {
    ...encodeBlocks({ covered: 1, blockSize: 2 ** 20, hashes: new Uint8Array(32) }),
    size: 1,
    mtimeMs: 2,
    version: "v",
  },
  mkdir: {},
  set: {},
  rename: {},
  remove: {},
  df: { free: 1, total: 2 },
  say: {},
  close: {},
};

/** One of every other message, with all its fields. */
export const MESSAGE_SAMPLES: Messages = {
  serverHello: { ferry: [1, 2], nonce: "AA==" },
  clientHello: { ferry: 1, nonce: "AA==" },
  proof: { proof: "AA==" },
  welcome: { allows: ["read"], window: 8, proof: "AA==" },
  readyToSend: { size: 1, mtimeMs: -2, mode: 0o644, version: "v" },
  readyToReceive: { upload: "name" },
  cancel: { request: 2 },
  end: { size: 0 },
  error: { code: "NotFound", message: "m", path: "p" },
  notice: { text: "t", reason: "shutdown" },
  entries: [
    { path: "a", kind: "file", size: 1, mtimeMs: 2, mode: 0o600 },
    { path: "b", kind: "other", size: 0, mtimeMs: 2, reason: "a pipe" },
    { path: "d", kind: "directory", size: 0, mtimeMs: 3, unreadable: true, link: true },
  ],
};
