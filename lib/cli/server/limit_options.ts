import { REQUEST_WINDOW } from "../../protocol/constants.ts";
import { DEFAULT_LIMITS, type Limits } from "../../access/limits.ts";
import { MAX_PATH_DEPTH } from "../../core/remote_path.ts";
import { parseCount, parseDuration, parseRate, parseSize } from "../terminal/quantities.ts";

/** An option that sets a limit. */
interface LimitOption {
  readonly limit: keyof Limits;
  /** What the value stands for in the help. */
  readonly value: string;
  readonly help: string;
  parse(name: string, text: string): number;
}

/** More than any machine has descriptors for. */
const MOST = 1_000_000;

const count = (most: number) => ({
  value: "N",
  parse: (name: string, text: string) => parseCount(name, text, 1, most),
});
const DURATION = { value: "TIME", parse: parseDuration };
const SIZE = { value: "SIZE", parse: parseSize };
const RATE = { value: "RATE", parse: parseRate };

/** The server's options that set limits. */
const LIMIT_OPTIONS = {
  "max-connections": { limit: "connections", ...count(MOST), help: "clients at once" },
  "max-per-address": { limit: "connectionsPerAddress", ...count(MOST), help: "clients at once from one address" },
  "max-unauthenticated": {
    limit: "unauthenticated",
    ...count(MOST),
    help: "connections before hello; one more closes the oldest",
  },
  "hello-timeout": { limit: "helloMs", ...DURATION, help: "time to encrypt and say hello" },
  "idle-timeout": { limit: "idleMs", ...DURATION, help: "time without a request" },
  "stall-timeout": { limit: "stallMs", ...DURATION, help: "time without progress in the middle of something" },
  "max-requests": { limit: "requests", ...count(REQUEST_WINDOW), help: "unanswered requests of one client" },
  "max-file-size": { limit: "fileBytes", ...SIZE, help: "size of an uploaded file" },
  "keep-free": { limit: "keepFreeBytes", ...SIZE, help: "disk space that uploads leave free" },
  "max-depth": { limit: "depth", ...count(MAX_PATH_DEPTH), help: "names in the path of anything new" },
  "limit-rate": { limit: "bytesPerSecond", ...RATE, help: "bytes per second, all clients together" },
  "limit-rate-each": { limit: "connectionBytesPerSecond", ...RATE, help: "bytes per second, each connection" },
} as const satisfies Record<string, LimitOption>;

/** The names of these options. */
export const LIMIT_NAMES = Object.keys(LIMIT_OPTIONS) as readonly (keyof typeof LIMIT_OPTIONS)[];

/** The limits that the options set. @throws {UsageError} */
export function parseLimits(flags: Record<string, unknown>): Partial<Limits> {
  const limits: Partial<Record<keyof Limits, number>> = {};
  for (const name of LIMIT_NAMES) {
    const { limit, parse } = LIMIT_OPTIONS[name];
    const typed = flags[name];
    if (typed !== undefined) limits[limit] = parse(name, String(typed));
  }
  return limits;
}

/** A default as one would type it. */
function usual(value: string, limit: number): string {
  if (limit === Infinity) return "any";
  if (value !== DURATION.value) return String(limit);
  const seconds = limit / 1000;
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

/** The help for these options, without the last newline. */
export function describeLimits(): string {
  return LIMIT_NAMES.map((name) => {
    const { limit, value, help } = LIMIT_OPTIONS[name];
    return `  ${`--${name} ${value}`.padEnd(23)}  ${help} (${usual(value, DEFAULT_LIMITS[limit])})`;
  }).join("\n");
}
