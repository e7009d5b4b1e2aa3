import { UsageError } from "./usage.ts";

/** A word with its quotes and escapes resolved, and where it begins in the line. */
export interface Word {
  readonly text: string;
  readonly start: number;
  /** The unclosed quote, if any. */
  readonly open: string;
}

/** On Windows the backslash separates directories, so it cannot escape. */
const ESCAPE = Deno.build.os === "windows" ? "" : "\\";

/**
 * Splits a line into words at white space. Quotes, single or double, keep white space; a backslash makes the next
 * character literal, except inside single quotes. Never throws: an open quote ends with the line.
 */
export function scanWords(line: string): Word[] {
  const words: Word[] = [];
  let text = "";
  let start = -1;
  let open = "";
  const finish = () => {
    if (start >= 0) words.push({ text, start, open });
    text = "";
    start = -1;
  };
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (!open && /\s/.test(c)) {
      finish();
      continue;
    }
    if (start < 0) start = i;
    if (c === ESCAPE && open !== "'" && i + 1 < line.length) text += line.charAt(++i);
    else if (open ? c === open : c === '"' || c === "'") open = open ? "" : c;
    else text += c;
  }
  finish();
  return words;
}

/** The words of a whole line. @throws {UsageError} For a quote that is not closed. */
export function splitWords(line: string): string[] {
  const words = scanWords(line);
  const last = words.at(-1);
  if (last?.open) throw new UsageError(`the quote ${last.open} is not closed`);
  return words.map((word) => word.text);
}

/** `text` written so that `splitWords` gives it back as one word. */
export function quoteWord(text: string): string {
  if (/^[^\s"'\\]+$/.test(text)) return text;
  if (!text.includes("'")) return `'${text}'`;
  return `"${text.replace(/["\\]/g, ESCAPE ? "\\$&" : "$&")}"`;
}
