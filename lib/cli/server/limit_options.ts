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
  /** The default as the help shows it, unless it is the number itself. */
  readonly usual?: string;
  parse(name: string, text: string): number;
}

/** More than any machine has descriptors for. */
const MOST = 1_000_000;

const count = (most: number) => ({ value: "N", parse: (name: string, text: string) => parseCount(name, text, most) });
const DURATION = { value: "TIME", parse: parseDuration };
const SIZE = { value: "SIZE", parse: parseSize };
const RATE = { value: "RATE", parse: parseRate, usual: "any" };

/** The server's options that set limits. */
const LIMIT_OPTIONS = {
  "max-connections": { limit: "connections", ...count(MOST), help: "clients at once" },
  "max-per-address": { limit: "connectionsPerAddress", ...count(MOST), help: "clients at once from one address" },
  "max-unauthenticated": {
    limit: "unauthenticated",
    ...count(MOST),
    help: "connections before hello; one more closes the oldest",
  },
  "hello-timeout": { limit: "helloMs", ...DURATION, help: "time to encrypt and say hello", usual: "10s" },
  "idle-timeout": { limit: "idleMs", ...DURATION, help: "time without a request", usual: "1h" },
  "stall-timeout": {
    limit: "stallMs",
    ...DURATION,
    help: "time without progress in the middle of something",
    usual: "6m",
  },
  "max-requests": { limit: "requests", ...count(REQUEST_WINDOW), help: "unanswered requests of one client" },
  "max-file-size": { limit: "fileBytes", ...SIZE, help: "size of an uploaded file", usual: "any" },
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

/** The help for these options, without the last newline. */
export function describeLimits(): string {
  return LIMIT_NAMES.map((name) => {
    const { limit, value, help, usual = String(DEFAULT_LIMITS[limit]) }: LimitOption = LIMIT_OPTIONS[name];
    return `  ${`--${name} ${value}`.padEnd(23)}  ${help} (${usual})`;
  }).join("\n");
}
