import type { CommandEvent } from "../../lib/access/events.ts";

export const PEER = "192.0.2.1:50000";

export const COMMAND: CommandEvent = {
  event: "command",
  session: 4096,
  peer: PEER,
  role: "full",
  command: "stat",
  path: "a",
  bytes: 0,
  durationMs: 123456.789,
  outcome: "NotFound",
};

export function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Texts that become as long as can be. */
export const LONG = ["a", '"', "\\", "\0", "\u202e", "\u{e0041}", "天", "\ud800", "📡", "a\u009b"]
  .map((c) => c.repeat(Math.floor(65_000 / c.length)));
