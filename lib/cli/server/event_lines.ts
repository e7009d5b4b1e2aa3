import { printable, quote } from "../../core/text.ts";
import type { LoginEvent, ServerEvent } from "../../access/events.ts";
import { took } from "../terminal/format.ts";
import { cut } from "../terminal/log_text.ts";

/** What is told in the log; that a client was not let in shows where its connection ends. */
export type LoggedEvent = Exclude<ServerEvent, LoginEvent>;

function inBrackets(text: string | undefined): string {
  return text === undefined ? "" : ` (${printable(cut(text))})`;
}

function describe(event: LoggedEvent): string {
  switch (event.event) {
    case "open":
      return `#${event.session} ${event.peer} connected`;
    case "command": {
      const to = event.to === undefined ? "" : ` to ${quote(cut(event.to))}`;
      const subject = event.path === undefined ? "" : ` ${quote(cut(event.path))}${to}`;
      const moved = event.bytes > 0 ? ` ${event.bytes} bytes` : "";
      const role = event.role === "full" ? "" : ` (${event.role})`;
      const head = `#${event.session} ${event.peer}${role} ${event.command}${subject}${moved}`;
      return `${head} ${took(event.durationMs)} ${event.outcome}${inBrackets(event.detail)}`;
    }
    case "say":
      return `#${event.session} ${event.peer} says: ${quote(cut(event.text))}`;
    case "close":
      return `#${event.session} ${event.peer} disconnected after ${took(event.durationMs)}${inBrackets(event.reason)}`;
    case "warning":
      return `warning: ${printable(cut(event.message))}`;
  }
}

/** Whether the operator may have to act: a warning, or a command that failed because of the system. */
export function isTrouble(event: LoggedEvent): boolean {
  return event.event === "warning" || event.event === "command" && event.detail !== undefined;
}

/** One line of the log without the newline, as text or JSON. Long texts are cut. */
export function logLine(event: LoggedEvent, json: boolean, now = new Date()): string {
  const time = now.toISOString();
  return json ? jsonLine({ time, ...event }) : `${time} ${describe(event)}`;
}

/** The log's line that says how many lines of a network were dropped. */
export function leftOutLine(network: string, lines: number, json: boolean, now = new Date()): string {
  const time = now.toISOString();
  if (json) return jsonLine({ time, event: "leftOut", network, lines });
  return `${time} ${network} caused too many lines: ${lines} ${lines === 1 ? "was" : "were"} left out`;
}

/**
 * A record as one line of JSON, without the newline. Everything that a terminal could obey is escaped.
 *
 * @param maxBytes The most that each text in it may take.
 */
export function jsonLine(record: Readonly<Record<string, unknown>>, maxBytes?: number): string {
  const json = JSON.stringify(record, (_, value) => typeof value === "string" ? cut(value, maxBytes) : value);
  // JSON.stringify does not escape C1 controls and separators, which a terminal could obey.
  return json.replace(/[\u007f-\u{10ffff}]/gu, (c) => printable(c) === c ? c : escapeUnits(c));
}

function escapeUnits(c: string): string {
  return c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
