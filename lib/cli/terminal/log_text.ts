import { printable } from "../../core/text.ts";

/** The most that a text from outside takes of a line, in bytes after escaping: the length of the longest path. */
export const MAX_TEXT_BYTES = 4096;

/** The longest escape of one UTF-16 code unit, in bytes: `\u{202e}`. */
const MAX_ESCAPED_BYTES = 8;

/** The most that any path takes that a system can open, in bytes after escaping. */
export const MAX_ESCAPED_PATH_BYTES = MAX_ESCAPED_BYTES * MAX_TEXT_BYTES;

/** What a character takes in a line at most, in bytes, in quotes or JSON. */
function costOf(c: string): number {
  if (c === '"' || c === "\\") return 2;
  if (printable(c) !== c) return MAX_ESCAPED_BYTES * c.length;
  const point = c.codePointAt(0) ?? 0;
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

/** `text`, cut to take at most `maxBytes` of a line after escaping. A mark at its end says how much was cut. */
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
