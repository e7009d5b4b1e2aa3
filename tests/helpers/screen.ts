import { unicodeWidth } from "@std/cli/unicode-width";

/** A piece of what a program writes to a terminal: a command to the terminal, a control character, or a character. */
// deno-lint-ignore no-control-regex
const PIECE = /\x1b\[(?<numbers>[\d;?]*)(?<command>[A-Za-z])|[\s\S]/gu;

/** What a terminal shows of the little that the client writes to one. Anything else is an error. */
export class Screen {
  readonly #columns: number;
  /** Each row's characters, the second half of a wide one being empty. A row that goes on in the next has `wraps`. */
  readonly #rows: { cells: string[]; wraps: boolean }[] = [{ cells: [], wraps: false }];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** What is shown, from the first line on, each as if the terminal were as wide as necessary. */
  get lines(): string[] {
    const lines: string[] = [];
    let line = "";
    for (const { cells, wraps } of this.#rows) {
      line += Array.from(cells, (cell) => cell ?? " ").join("");
      if (wraps) continue;
      lines.push(line.trimEnd());
      line = "";
    }
    return lines;
  }

  write(text: string): void {
    for (const { 0: piece, groups = {} } of text.matchAll(PIECE)) {
      if (groups.command !== undefined) this.#obey(groups.command, groups.numbers ?? "");
      else if (piece === "\r") this.#column = 0;
      else if (piece === "\n") this.#down();
      else this.#put(piece);
    }
  }

  #obey(command: string, numbers: string): void {
    const n = Number(numbers || "1");
    if (command === "A") this.#row = Math.max(0, this.#row - n);
    else if (command === "G") this.#column = Math.max(0, n - 1);
    else if (command === "C") this.#column += n;
    else if (command === "D") this.#column = Math.max(0, this.#column - n);
    else if (command === "J" && (numbers === "" || numbers === "0")) {
      this.#clearRight();
      this.#rows.length = this.#row + 1;
    } else if (command === "K" && numbers === "2") this.#current.cells.length = 0;
    else if (command === "K" && (numbers === "" || numbers === "0")) this.#clearRight();
    else throw new Error(`The terminal got an unknown command: ${numbers}${command}`);
  }

  get #current(): { cells: string[]; wraps: boolean } {
    return this.#rows[this.#row] ??= { cells: [], wraps: false };
  }

  #clearRight(): void {
    this.#current.cells.length = Math.min(this.#current.cells.length, this.#column);
    this.#current.wraps = false;
  }

  #down(): void {
    this.#row++;
    void this.#current;
  }

  #put(c: string): void {
    const width = unicodeWidth(c);
    if (this.#column + width > this.#columns) {
      this.#current.wraps = true;
      this.#column = 0;
      this.#down();
    }
    this.#current.cells[this.#column] = c;
    for (let i = 1; i < width; i++) this.#current.cells[this.#column + i] = "";
    this.#column += width;
  }
}
