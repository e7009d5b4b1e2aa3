import { printable, quote } from "../protocol/text.ts";
import type { ServerEvent } from "../server/events.ts";
import { took } from "./format.ts";

function describe(event: ServerEvent): string {
  switch (event.event) {
    case "open":
      return `#${event.session} ${event.peer} connected`;
    case "command": {
      const to = event.to === undefined ? "" : ` to ${quote(event.to)}`;
      const subject = event.path === undefined ? "" : ` ${quote(event.path)}${to}`;
      const moved = event.bytes > 0 ? ` ${event.bytes} bytes` : "";
      const detail = event.detail === undefined ? "" : ` (${printable(event.detail)})`;
      const role = event.role === "full" ? "" : ` (${event.role})`;
      const head = `#${event.session} ${event.peer}${role} ${event.command}${subject}${moved}`;
      return `${head} ${took(event.durationMs)} ${event.outcome}${detail}`;
    }
    case "say":
      return `#${event.session} ${event.peer} says: ${printable(event.text)}`;
    case "close": {
      const reason = event.reason === undefined ? "" : ` (${printable(event.reason)})`;
      return `#${event.session} ${event.peer} disconnected after ${took(event.durationMs)}${reason}`;
    }
    case "warning":
      return `warning: ${printable(event.message)}`;
  }
}

/** Whether the operator may have to do something: a warning, or a command that failed because of the system. */
export function isTrouble(event: ServerEvent): boolean {
  return event.event === "warning" || event.event === "command" && event.detail !== undefined;
}

/** One line for a server's log, without the newline: for people, or a JSON object. */
export function logLine(event: ServerEvent, json: boolean, now = new Date()): string {
  const time = now.toISOString();
  // JSON.stringify leaves C1 controls and separators as they are; a log that is shown on a terminal must not.
  return json ? escapeForTerminal(JSON.stringify({ time, ...event })) : `${time} ${describe(event)}`;
}

/** JSON without characters that a terminal could obey; it means the same. */
export function escapeForTerminal(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (c) => printable(c) === c ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
