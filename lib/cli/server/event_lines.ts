import { printable, quote } from "../../core/text.ts";
import type { LoginEvent, ServerEvent } from "../../access/events.ts";
import { took } from "../terminal/format.ts";
import { cut } from "../terminal/log_text.ts";

/** What is told in the log; that a client was not let in shows where its connection ends. */
export type LoggedEvent = Exclude<ServerEvent, LoginEvent>;

function inBrackets(text: string | undefined): string {
  return text === undefined ? "" : ` (${printable(cut(text))})`;
}

/** That lines of a network were dropped, since it caused too many. */
type LeftOutEvent = { readonly event: "leftOut"; readonly network: string; readonly lines: number };

function describe(event: LoggedEvent | LeftOutEvent): string {
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
      return `warning: ${event.session === undefined ? "" : `#${event.session} `}${printable(cut(event.message))}`;
    case "leftOut": {
      const { network, lines } = event;
      return `${network} caused too many lines: ${lines} ${lines === 1 ? "was" : "were"} left out`;
    }
  }
}

/** Whether the operator may have to act: a warning, or a command that failed because of the system. */
export function isTrouble(event: LoggedEvent): boolean {
  return event.event === "warning" || event.event === "command" && event.detail !== undefined;
}

/** What is written of an event: the fields, and their names, are the same in the log, in the audit log and in JSON. */
export function recordOf<Event extends { readonly event: string }>(event: Event, now = new Date()) {
  return { time: now.toISOString(), ...event };
}

/** One line of the log without the newline, as text or JSON. Long texts are cut. */
export function logLine(event: LoggedEvent | LeftOutEvent, json: boolean, now?: Date): string {
  const record = recordOf(event, now);
  return json ? jsonLine(record) : `${record.time} ${describe(record)}`;
}

/**
 * A record as one line of JSON, without the newline. Everything that a terminal could obey is escaped.
 *
 * @param maxBytes The most that each text in it may take.
 */
export function jsonLine(record: object, maxBytes?: number): string {
  const json = JSON.stringify(record, (_, value) => typeof value === "string" ? cut(value, maxBytes) : value);
  // JSON.stringify does not escape C1 controls and separators, which a terminal could obey.
  return json.replace(/[\u007f-\u{10ffff}]/gu, (c) => printable(c) === c ? c : escapeUnits(c));
}

function escapeUnits(c: string): string {
  return c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
