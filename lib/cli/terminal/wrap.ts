/** The columns of what is not a terminal. */
const USUAL_COLUMNS = 80;

/** Fewer would leave no room for words. */
const MIN_COLUMNS = 20;

/** The widest that the left column of a table gets; what is longer has a line of its own. */
const MAX_LEFT = 24;

const INDENT = "  ";

/** The columns of the terminal that standard output is; 80 of anything else. */
export function screenColumns(): number {
  try {
    return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : USUAL_COLUMNS;
  } catch {
    return USUAL_COLUMNS;
  }
}

/** `text` in lines of at most `columns` characters, broken between words; a longer word has its own line. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Two columns of ASCII text that fit a terminal, each line ending in a newline. On a narrow one they stand below each other. */
export function table(rows: readonly (readonly [left: string, right: string])[], columns: number): string {
  const width = Math.max(MIN_COLUMNS, columns);
  const lengths = rows.map(([left]) => left.length).filter((length) => length <= MAX_LEFT);
  const isNarrow = width < 2 * MAX_LEFT;
  const indent = INDENT.repeat(2).length + (isNarrow ? 0 : Math.max(0, ...lengths));
  return rows.map(([left, right]) => {
    const lines = right === "" ? [] : wrap(right, width - indent).map((line) => " ".repeat(indent) + line);
    const name = INDENT + left;
    const fits = right !== "" && name.length + INDENT.length <= indent;
    if (fits) lines[0] = name.padEnd(indent) + (lines[0] ?? "").slice(indent);
    else lines.unshift(...wrap(left, width - INDENT.length).map((line) => INDENT + line));
    return lines.map((line) => `${line}\n`).join("");
  }).join("");
}

/**
 * A help text that fits a terminal. Lines that begin with two spaces are rows of a table, with two or more between its
 * columns, and lines further in go on with the row before; everything else is text.
 */
export function fitHelp(text: string, columns: number): string {
  return text.split("\n\n").map((block) => {
    const lines: string[] = [];
    const rows: [left: string, right: string][] = [];
    for (const line of block.split("\n")) {
      const { left, right = "" } = /^ {2}(?<left>\S.*?)(?: {2,}(?<right>.*))?$/.exec(line)?.groups ?? {};
      const last = rows.at(-1);
      if (left !== undefined) rows.push([left, right]);
      else if (last) last[1] = `${last[1]} ${line.trim()}`.trim();
      else lines.push(line);
    }
    const paragraph = lines.length > 0 ? `${wrap(lines.join(" "), columns).join("\n")}\n` : "";
    return paragraph + table(rows, columns);
  }).join("\n");
}
