import { frame, type FrameCopy } from "../helpers/frames.ts";
import type { Random } from "../helpers/random.ts";

/** Pieces of JSON that programs have stumbled over. */
const PIECES = [
  "null",
  "[]",
  "{}",
  "{",
  "}",
  "]",
  ",",
  '"',
  "\\",
  "\\ud800",
  "\\u0000",
  "\u0000",
  "-",
  "-0",
  "-1",
  "1e999",
  "1e308",
  "0.5",
  "9007199254740993",
  "18446744073709551616",
  "\ufeff",
  '"__proto__":{"polluted":1},',
  '"constructor":{"prototype":{"polluted":1}},',
  '"command":"get",',
  '"path":"a.txt",',
  '"offset":0,',
] as const;

/** Values that a field may have instead of its own. */
const ODD_VALUES: readonly [unknown, ...unknown[]] = [
  null,
  true,
  false,
  "",
  "0",
  "\ud800",
  "\u0000",
  "..",
  "../a.txt",
  "x".repeat(300),
  "a/".repeat(300),
  0,
  -0,
  -1,
  0.5,
  1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e308,
  -8.64e15,
  [],
  {},
  [1],
  ["a.txt"],
  { toString: 1, length: 1 },
];

const ODD_NAMES = ["__proto__", "constructor", "toString", "", "command", "path", "offset", "size", "later"] as const;

/** How deep a nest may be: 64 KiB hold no deeper one. */
const MAX_NEST = 16_000;

/** A value in so many values in so many values that it makes a control frame nearly full. */
function nest(random: Random): string {
  const [open, close] = random.pick([["[", "]"], ['{"a":', "}"]]);
  const depth = random.below(MAX_NEST / open.length);
  return open.repeat(depth) + "1" + close.repeat(random.below(4) ? depth : 0);
}

/** `text` with a piece of JSON put somewhere, or in place of a few characters; now and then a nest for a value. */
function spliceText(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  if (random.below(20) === 0) return before + after.replace(/:[^,}]*/, () => `:${nest(random)}`);
  return before + random.pick(PIECES) + after.slice(random.below(8));
}

/** What becomes of one field: nothing, the same under another name, or another value. */
function mutateField(random: Random, name: string, value: unknown): [string, unknown][] {
  switch (random.below(4)) {
    case 0:
      return [];
    case 1:
      return [[random.pick(ODD_NAMES), value]];
    case 2:
      return [[name, mutateValue(random, value)]];
    default:
      return [[name, random.pick(ODD_VALUES)]];
  }
}

/** A copy of an object with one field changed, removed, added, or renamed. Anything else becomes an odd value. */
export function mutateValue(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return random.pick(ODD_VALUES);
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const [name, own] = entries[at] ?? [random.pick(ODD_NAMES), undefined];
  entries.splice(at, 1, ...mutateField(random, name, own));
  // Object.fromEntries() makes "__proto__" a field like any other, which JSON.parse() does too.
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}

/** The bytes of a JSON text, changed as a value, as a text, or as bytes. */
export function mutateJson(random: Random, payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(payload);
  const way = random.below(4);
  if (way === 0) return random.damage(payload);
  if (way === 1) return new TextEncoder().encode(spliceText(random, text));
  try {
    return new TextEncoder().encode(JSON.stringify(mutateValue(random, JSON.parse(text))));
  } catch (error) {
    // It was no JSON any more, or a nest too deep to be written again.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return random.damage(payload);
  }
}

const KIND_LIMIT = 12;

/** A copy of `frames` with one of them changed, removed, repeated, moved, or a new one put in. Their CRCs will be right. */
export function mutateFrames(random: Random, frames: readonly FrameCopy[]): FrameCopy[] {
  const result = [...frames];
  const at = random.below(result.length);
  const chosen = result[at];
  const other = random.below(result.length + 1);
  if (!chosen) return [frame(random.below(KIND_LIMIT), random.bytes(random.below(20)))];
  const change = random.below(8);
  if (change === 0) result.splice(at, 1);
  else if (change === 1) result.splice(other, 0, chosen);
  else if (change === 2) result.splice(other, 0, ...result.splice(at, 1));
  else if (change === 3) result[at] = { ...chosen, kind: random.below(KIND_LIMIT) };
  else if (change === 4) result.splice(other, 0, frame(random.below(KIND_LIMIT), random.bytes(random.below(20))));
  else result[at] = { ...chosen, payload: mutateJson(random, chosen.payload) };
  return result;
}

/** A copy of a stream with bits turned around, an end cut off, a few bytes set, or worse. CRCs will be wrong. */
export function mutateBytes(random: Random, stream: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = stream.slice();
  const change = random.below(4);
  if (copy.length === 0 || change === 0) return random.damage(copy);
  const at = random.below(copy.length);
  if (change === 1) return copy.slice(0, at);
  if (change === 2) copy[at] = (copy[at] ?? 0) ^ 1 << random.below(8);
  else copy.set(random.bytes(4).subarray(0, copy.length - at), at);
  return copy;
}
