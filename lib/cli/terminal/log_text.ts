import { printable } from "../../core/text.ts";

/** How much of a path or another text from outside a line has, in bytes as it is written: the longest path of a system. */
export const MAX_TEXT_BYTES = 4096;

/** The most that one UTF-16 code unit becomes when it is escaped, in bytes: `\u{202e}`. */
const MAX_ESCAPED_BYTES = 8;

/** What a path takes at most that a system can open, in bytes as it is written. */
export const MAX_PATH_BYTES = MAX_ESCAPED_BYTES * MAX_TEXT_BYTES;

/** What a character takes in a line, in bytes, quotes and JSON included. */
function costOf(c: string): number {
  if (c === '"' || c === "\\") return 2;
  if (printable(c) !== c) return MAX_ESCAPED_BYTES * c.length;
  const point = c.codePointAt(0) ?? 0;
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

/**
 * `text`, cut so that it takes at most so many bytes of a line when everything in it that must be is escaped; a mark at
 * its end says how much was cut.
 */
export function cut(text: string, maxBytes = MAX_TEXT_BYTES): string {
  if (text.length * MAX_ESCAPED_BYTES <= maxBytes) return text;
  let kept = 0;
  let bytes = 0;
  for (const c of text) {
    bytes += costOf(c);
    if (bytes > maxBytes) return `${text.slice(0, kept)}… (${text.length - kept} more characters)`;
    kept += c.length;
  }
  return text;
}
