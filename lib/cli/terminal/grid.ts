import { unicodeWidth } from "@std/cli/unicode-width";

/** The columns between two names. */
const GAP = 2;

/** Names in as few lines as fit into `columns` columns, from top to bottom as `ls` does it; each line ends in a newline. */
export function grid(names: readonly string[], columns: number): string {
  const widths = names.map((name) => unicodeWidth(name));
  const width = widths.reduce((most, each) => Math.max(most, each), 0) + GAP;
  const rows = Math.ceil(names.length / Math.max(1, Math.floor((columns + GAP) / width)));
  const lines = Array.from({ length: rows }, () => "");
  names.forEach((name, i) => {
    const isLast = i + rows >= names.length;
    lines[i % rows] += isLast ? `${name}\n` : name + " ".repeat(width - (widths[i] ?? 0));
  });
  return lines.join("");
}
