import { assert, assertEquals } from "@std/assert";
import { blockSizeFor, matchingBytes } from "../../lib/core/block_sums.ts";
import { BLOCK_FIELDS, decodeBlocks, encodeBlocks } from "../../lib/protocol/block_fields.ts";
import { object } from "../../lib/protocol/checks.ts";
import { decodeControl, decodeError, decodeRequest, encodeControl, MESSAGES } from "../../lib/protocol/codec.ts";
import { type CommandName, COMMANDS } from "../../lib/protocol/commands.ts";
import type { ErrorCode } from "../../lib/core/errors.ts";
import type { Random } from "../helpers/random.ts";
import { mutateJson, mutateValue } from "./mutate.ts";
import { MESSAGE_SAMPLES, OK_SAMPLES, REQUEST_SAMPLES, type Scene } from "./samples.ts";
import { accepted, pureTarget, type Tally } from "./target.ts";

const COMMAND_NAMES = Object.keys(COMMANDS) as [CommandName, ...CommandName[]];
const MESSAGE_NAMES = Object.keys(MESSAGES) as [keyof typeof MESSAGES, ...(keyof typeof MESSAGES)[]];
const SCENE: Scene = { paths: ["a.txt", "天线/📡.png", "", "../a", "x".repeat(5000)] };

const encoder = new TextEncoder();

/** A kind of message: a valid one, how it is read, and the codes with which reading may fail. */
interface Sample {
  readonly value: unknown;
  readonly decode: (payload: Uint8Array) => unknown;
  readonly codes: readonly ErrorCode[];
}

function randomSample(random: Random): Sample {
  const command = random.pick(COMMAND_NAMES);
  const name = random.pick(MESSAGE_NAMES);
  const codes: ErrorCode[] = ["BadRequest"];
  const kind = random.below(5);
  if (kind < 2) {
    const value = REQUEST_SAMPLES[command](random, SCENE, random.below(1000));
    return { value, decode: decodeRequest, codes: [...codes, "Unsupported"] };
  }
  if (kind === 2) {
    return { value: OK_SAMPLES[command], decode: (bytes) => COMMANDS[command].ok(decodeControl(bytes), "ok"), codes };
  }
  if (kind === 3) return { value: MESSAGE_SAMPLES.error, decode: decodedError, codes };
  return { value: MESSAGE_SAMPLES[name], decode: (bytes) => MESSAGES[name](decodeControl(bytes), name), codes };
}

/** The fields of the error in a payload. */
function decodedError(payload: Uint8Array): unknown {
  const { code, message, path } = decodeError(payload);
  return { code, message, ...(path === undefined ? {} : { path }) };
}

/** Fails unless a value that was read holds nothing that the checks do not let through. Only times may be negative. */
function checkPlain(value: unknown, name = ""): void {
  if (typeof value === "string") return assert(value.isWellFormed(), "a lone surrogate");
  if (typeof value === "number") {
    const [least, most] = name === "mtimeMs" ? [-8.64e15, 8.64e15] : [0, 2 ** 53 - 1];
    return assert(Number.isInteger(value) && value >= least && value <= most, `${name} is ${value}`);
  }
  if (typeof value === "boolean") return;
  assert(typeof value === "object" && value !== null, `${value}`);
  const proto: unknown = Object.getPrototypeOf(value);
  assert(proto === Object.prototype || proto === Array.prototype, "an object with a prototype of its own");
  for (const [key, item] of Object.entries(value)) {
    assert(key !== "__proto__" && key !== "later", `the field ${key}`);
    checkPlain(item, key);
  }
}

function runMessage(random: Random, seen: Tally): void {
  const { value, decode, codes } = randomSample(random);
  let payload = encoder.encode(JSON.stringify(value));
  assertEquals(JSON.stringify(decode(payload)), JSON.stringify(value));
  for (let i = random.below(random.pick([1, 4])); i >= 0; i--) payload = mutateJson(random, payload);
  const result = accepted(() => decode(payload), codes, seen);
  assertEquals(Reflect.get({}, "polluted"), undefined);
  if (result === undefined) return;
  checkPlain(result);
  const space = new Uint8Array(128 * 1024).fill(0xaa, 0, 1);
  const written = encodeControl(result, space);
  assert(written !== undefined);
  assertEquals(JSON.stringify(decode(space.subarray(0, written))), JSON.stringify(result));
}

/** `encodeControl` writes the whole value or nothing, and never behind the space that it was given. */
function runEncode(random: Random): void {
  const json = JSON.stringify(randomSample(random).value);
  const value: unknown = JSON.parse(json);
  const wanted = encoder.encode(json);
  const room = random.below(wanted.length + 10);
  const around = new Uint8Array(room + 8).fill(0xaa);
  const written = encodeControl(value, around.subarray(4, 4 + room));
  assertEquals(written, room < wanted.length ? undefined : wanted.length);
  assertEquals(around.subarray(0, 4), new Uint8Array(4).fill(0xaa));
  assertEquals(around.subarray(4 + room), new Uint8Array(4).fill(0xaa));
  if (written !== undefined) assertEquals(around.subarray(4, 4 + written), wanted);
}

function runBlocks(random: Random, seen: Tally): void {
  const covered = random.below(random.pick([2, 2 ** 21, 2 ** 32])) * random.pick([1, 1024]);
  const blockSize = blockSizeFor(covered);
  const hashes = random.bytes(32 * Math.ceil(covered / blockSize));
  const fields = encodeBlocks({ covered, blockSize, hashes });
  assertEquals(decodeBlocks(fields), { covered, blockSize, hashes });
  const changed: unknown = JSON.parse(JSON.stringify(mutateValue(random, fields)));
  const check = object(BLOCK_FIELDS);
  const sums = accepted(() => decodeBlocks(check(changed, "blocks")), ["BadRequest"], seen);
  if (!sums) return;
  assertEquals(sums.hashes.length, 32 * Math.ceil(sums.covered / sums.blockSize));
  assertEquals(decodeBlocks(encodeBlocks(sums)), sums);
  const other = { covered, blockSize, hashes };
  const same = matchingBytes(sums, other);
  assertEquals(matchingBytes(other, sums), same);
  assert(same >= 0 && same <= Math.min(covered, sums.covered), `${same} bytes are the same`);
}

/** What is read from a control frame satisfies its checks and survives being sent again; anything else is refused. */
export const CODEC = pureTarget("codec", 29.4, (random, seen) => {
  const kind = random.below(10);
  if (kind === 0) runEncode(random);
  else if (kind === 1) runBlocks(random, seen);
  else runMessage(random, seen);
});
