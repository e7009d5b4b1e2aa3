import { unicodeWidth } from "@std/cli/unicode-width";
import { format as formatBytes } from "@std/fmt/bytes";
import type { Entry } from "../../core/metadata.ts";
import { printable } from "../../core/text.ts";

/** A number of bytes for people: `1.5 GB`. */
export function bytes(n: number): string {
  return formatBytes(n, { maximumFractionDigits: n < 1000 ? 0 : 1 });
}

/** A number of things: `1 file`, `3 files`. */
export function plural(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

function twoDigits(n: number): string {
  return String(n).padStart(2, "0");
}

/** A time in the local time zone: `2026-11-20 09:51`. */
export function localTime(ms: number): string {
  const t = new Date(ms);
  const date = [t.getFullYear(), twoDigits(t.getMonth() + 1), twoDigits(t.getDate())].join("-");
  return `${date} ${twoDigits(t.getHours())}:${twoDigits(t.getMinutes())}`;
}

/** A duration for people: `0:07`, `12:05`, `3:02:01`. */
export function clock(seconds: number): string {
  const s = Math.ceil(seconds);
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${twoDigits(s % 60)}` : `${minutes}:${twoDigits(s % 60)}`;
}

/** How long something took: `35 ms`, `2.1 s`, `3:02`. */
export function took(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : clock(ms / 1000);
}

/** Cuts `text` to `columns` columns of a terminal, with an ellipsis; wide characters take two. */
export function fit(text: string, columns: number): string {
  if (unicodeWidth(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const c of text) {
    width += unicodeWidth(c);
    if (width > columns) break;
    kept += c;
  }
  return `${kept}…`;
}

/** Formats a listing in batches. The size column never gets narrower. */
export class Columns {
  #sizeWidth = 0;

  /** The lines for some entries, each ending in a newline. Directories end in `/`; of what is not served it is said why. */
  lines(entries: Entry[]): string {
    const rows = entries.map(({ kind, size, mtimeMs, path, reason }) => ({
      size: kind === "file" ? String(size) : "-",
      rest: `${localTime(mtimeMs)}  ${printable(path)}${
        kind === "directory" ? "/" : reason ? ` (${printable(reason)})` : ""
      }`,
    }));
    this.#sizeWidth = rows.reduce((width, row) => Math.max(width, row.size.length), this.#sizeWidth);
    return rows.map(({ size, rest }) => `${size.padStart(this.#sizeWidth)}  ${rest}\n`).join("");
  }
}
