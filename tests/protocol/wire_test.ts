import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  decodeControl,
  decodeError,
  decodeRequest,
  encodeControl,
  errorMessage,
  MESSAGES,
} from "../../lib/protocol/codec.ts";
import { COMMANDS } from "../../lib/protocol/commands.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameEncoder, FrameKind } from "../../lib/protocol/frames.ts";
import { decodeFrames } from "../helpers/frames.ts";
import { parseHex } from "../helpers/hex.ts";

const DIRECTORY = new URL("../../fixtures/wire/", import.meta.url);

/** What a frame says: its kind, the value that makes its payload, and how a payload becomes a value again. */
interface Message {
  readonly kind: FrameKind;
  readonly value: unknown;
  decode(payload: Uint8Array): unknown;
}

function control(kind: FrameKind, value: unknown, check: (value: unknown, name: string) => unknown): Message {
  return { kind, value, decode: (payload) => check(decodeControl(payload), "message") };
}

const serverHello = control(FrameKind.hello, { ferry: [1] }, MESSAGES.serverHello);
const tlsHello = control(FrameKind.hello, { ferry: [1], certificate: "MIIBSTCB8KADAgEC" }, MESSAGES.serverHello);
const clientHello = control(FrameKind.hello, { ferry: 1 }, MESSAGES.clientHello);
const welcome = control(
  FrameKind.ok,
  { allows: ["read", "add", "overwrite", "remove"], window: 1024 },
  MESSAGES.welcome,
);
const get: Message = {
  kind: FrameKind.request,
  value: { command: "get", path: "天线15.doc" },
  decode: decodeRequest,
};
const close: Message = { kind: FrameKind.request, value: { command: "close" }, decode: decodeRequest };
const ready = control(
  FrameKind.ready,
  { size: 14, mtimeMs: 1767225600123, mode: 0o644, version: "q5u-1b-mjw1k9c0-mjw1k9c0" },
  MESSAGES.readyToSend,
);
const readyShared = control(
  FrameKind.ready,
  { upload: "1f0c6f2e-8d5b-4f57-9a53-0a8c1d2e3f40" },
  MESSAGES.readyToReceive,
);
const file = { path: "天线15.doc", size: 14 };
const kept = "q5w-7-mjw1k9c0-mjw1k9c0";
const offer: Message = { kind: FrameKind.request, value: { command: "offer", ...file }, decode: decodeRequest };
const hashes = "I0Kb2bqY3VFAMJu5sAlLOq1kJDD/9vs8ph8AjOZE80o=";
const offered = control(FrameKind.ok, { covered: 7, blockSize: 2 ** 20, hashes, kept }, COMMANDS.offer.ok);
const put: Message = {
  kind: FrameKind.request,
  value: { command: "put", ...file, mtimeMs: 1767225600123, mode: 0o644, offset: 7, kept },
  decode: decodeRequest,
};
const rest: Message = { kind: FrameKind.data, value: new TextEncoder().encode("世界\n"), decode: (payload) => payload };
const endOfRest = control(FrameKind.end, { size: 7 }, MESSAGES.end);
const stored = control(
  FrameKind.ok,
  { ...file, mtimeMs: 1767225600123, version: "q5w-e-mjw1k9c3-mjw1k9c0", durable: false },
  COMMANDS.put.ok,
);
const df: Message = { kind: FrameKind.request, value: { command: "df" }, decode: decodeRequest };
const space = control(FrameKind.ok, { free: 91_234_567_168, total: 250_685_575_168 }, COMMANDS.df.ok);
const stat: Message = {
  kind: FrameKind.request,
  value: { command: "stat", path: "latest.log" },
  decode: decodeRequest,
};
const found = control(
  FrameKind.ok,
  { kind: "file", size: 14, mtimeMs: 1767225600123, mode: 0o644, version: "q5w-e-mjw1k9c3-mjw1k9c0", link: true },
  COMMANDS.stat.ok,
);
const entries = control(FrameKind.entries, [
  { path: "pictures.pipe", kind: "other", size: 0, mtimeMs: 1767225600000, reason: "a pipe" },
  { path: "pictures", kind: "directory", size: 0, mtimeMs: 1767225600000, mode: 0o755 },
  { path: "pictures/\uffee.png", kind: "file", size: 0, mtimeMs: 0 },
  { path: "pictures/📡 antenna.png", kind: "file", size: 4096, mtimeMs: -1, mode: 0o644, link: true },
], MESSAGES.entries);
const data: Message = {
  kind: FrameKind.data,
  value: new TextEncoder().encode("Hello, 世界\n"),
  decode: (payload) => payload,
};
const end = control(FrameKind.end, { size: 14 }, MESSAGES.end);
const ok = control(FrameKind.ok, {}, COMMANDS.get.ok);
const failure = { code: "NotFound", message: 'Cannot get "a.txt": no such file or directory', path: "a.txt" } as const;
const error = control(FrameKind.error, failure, MESSAGES.error);
const cancel = control(FrameKind.cancel, { request: 2 }, MESSAGES.cancel);
const notice = control(
  FrameKind.notice,
  { text: "Shutting down for maintenance", reason: "shutdown" },
  MESSAGES.notice,
);
const alive: Message = { kind: FrameKind.alive, value: undefined, decode: (payload) => payload[0] };
const disconnect = control(
  FrameKind.disconnect,
  { code: "Timeout", message: "no request within 3600 s" },
  MESSAGES.error,
);

/** What each file says. */
const FILES: Readonly<Record<string, readonly Message[]>> = {
  "hello-server.hex": [serverHello],
  "hello-tls.hex": [tlsHello],
  "hello-client.hex": [clientHello],
  "welcome.hex": [welcome],
  "request-get.hex": [get],
  "ready.hex": [ready],
  "ready-shared.hex": [readyShared],
  "entries.hex": [entries],
  "data.hex": [data],
  "end.hex": [end],
  "ok.hex": [ok],
  "error.hex": [error],
  "cancel.hex": [cancel],
  "notice.hex": [notice],
  "alive.hex": [alive],
  "disconnect.hex": [disconnect],
  "conversation-get.hex": [serverHello, clientHello, welcome, get, ready, data, end, ok, close, ok],
  "conversation-df.hex": [df, space],
  "conversation-stat.hex": [stat, found],
  "conversation-put.hex": [offer, offered, put, rest, endOfRest, stored],
};

function readWire(name: string): Uint8Array<ArrayBuffer> {
  return parseHex(Deno.readTextFileSync(new URL(name, DIRECTORY)));
}

/** The bytes that Ferry sends for `messages`. */
function encode(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  const encoder = new FrameEncoder();
  for (const { kind, value } of messages) {
    const space = encoder.reserve(1024);
    assert(space);
    encoder.commit(kind, writePayload(value, space));
  }
  const bytes = encoder.bytes.slice();
  encoder.release();
  return bytes;
}

function writePayload(value: unknown, space: Uint8Array<ArrayBuffer>): number {
  if (value === undefined) return 0;
  if (!(value instanceof Uint8Array)) return encodeControl(value, space) ?? NaN;
  space.set(value);
  return value.length;
}

Deno.test("fixtures/wire has a description in this test for every file, and one file for every kind of frame", () => {
  const names = Array.from(Deno.readDirSync(fromFileUrl(DIRECTORY)), ({ name }) => name);
  assertEquals(names.filter((name) => name.endsWith(".hex")).sort(), Object.keys(FILES).sort());
  const kinds = new Set(Object.values(FILES).flat().map(({ kind }) => kind));
  assertEquals(kinds, new Set(Object.values(FrameKind)));
});

for (const [name, messages] of Object.entries(FILES)) {
  Deno.test(`FrameEncoder writes exactly the bytes of fixtures/wire/${name}`, () => {
    assertEquals(encode(messages), readWire(name));
  });

  Deno.test(`FrameDecoder reads exactly the values of fixtures/wire/${name}`, () => {
    const { frames, error } = decodeFrames(readWire(name));
    assertEquals(error, undefined);
    assertEquals(frames.map(({ kind }) => kind), messages.map(({ kind }) => kind));
    const values = frames.map(({ payload }, i) => messages[i]?.decode(payload));
    assertEquals(values, messages.map(({ value }) => value));
  });
}

Deno.test("errorMessage() and decodeError() agree with fixtures/wire/error.hex", () => {
  const { code, message, path } = failure;
  assertEquals(errorMessage(new FerryError(code, message, { path })), failure);
  const [frame] = decodeFrames(readWire("error.hex")).frames;
  assert(frame);
  const decoded = decodeError(frame.payload);
  assertEquals([decoded.code, decoded.message, decoded.path], [code, message, path]);
});

Deno.test("parseHex() reads pairs of digits and leaves comments and white space out", () => {
  assertEquals(parseHex(""), new Uint8Array());
  assertEquals(parseHex("# 00\n0a 0B0c\t0d # 0e\r\n\n  ff\n"), new Uint8Array([10, 11, 12, 13, 255]));
  for (const wrong of ["0", "0 0a", "xx", "0x10", "00\n1", "00 // 01"]) {
    assertThrows(() => parseHex(wrong), SyntaxError);
  }
});
