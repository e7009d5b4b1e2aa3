import { quote } from "../../core/text.ts";
import { UsageError } from "./usage.ts";

const KIB = 1024;

/** The factors of a size's suffixes, as with `curl --limit-rate`. */
const SIZE_UNITS: Record<string, number> = { "": 1, k: KIB, m: KIB ** 2, g: KIB ** 3, t: KIB ** 4 };

/** The lowest rate, in bytes per second. With less, the hello could take longer than the server waits for it. */
const MIN_RATE = KIB;

const SECOND_MS = 1000;

/** The factors of a duration's suffixes, in ms. */
const TIME_UNITS: Record<string, number> = { "": SECOND_MS, s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS };

/** The longest duration, in ms: the most that `setTimeout` can wait (2^31 - 1). */
const MAX_DURATION_MS = 2 ** 31 - 1;

function parse(name: string, text: string, units: Record<string, number>, wanted: string): number {
  const { number = "", unit = "" } = /^(?<number>\d{1,15})(?<unit>[a-z]?)$/i.exec(text)?.groups ?? {};
  const factor = units[unit.toLowerCase()];
  const value = Number(number) * (factor ?? NaN);
  if (number !== "" && Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${name} must be ${wanted}, not ${quote(text)}`);
}

/** A number of bytes: `1500`, `64K`, `20M`, `3G`, `1T` (1K is 1,024). @throws {UsageError} */
export function parseSize(name: string, text: string): number {
  return parse(name, text, SIZE_UNITS, "a number of bytes such as 1500, 64K, 20M or 3G");
}

/** A rate in bytes per second, written as a size, at least 1K. @throws {UsageError} */
export function parseRate(name: string, text: string): number {
  const rate = parseSize(name, text);
  if (rate >= MIN_RATE) return rate;
  throw new UsageError(`--${name} must be at least ${MIN_RATE} bytes a second`);
}

/** A duration in ms: `90`, `90s`, `15m`, `2h`. @param least The shortest, in ms. @throws {UsageError} */
export function parseDuration(name: string, text: string, least = SECOND_MS): number {
  const ms = parse(name, text, TIME_UNITS, "a time such as 90s, 15m or 2h");
  if (ms >= least && ms <= MAX_DURATION_MS) return ms;
  throw new UsageError(`--${name} must be from ${least === 0 ? "0" : "1 second"} to 24 days`);
}

/** A whole number from `least` to `most`. @throws {UsageError} */
export function parseCount(name: string, text: string, least: number, most: number): number {
  const n = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (n >= least && n <= most) return n;
  throw new UsageError(`--${name} must be a number from ${least} to ${most}`);
}
