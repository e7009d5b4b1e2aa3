import { unicodeWidth } from "@std/cli/unicode-width";
import type { TreeProgress } from "../../transfer/tree.ts";
import { printable } from "../../core/text.ts";
import { bytes, clock, fit, took } from "../terminal/format.ts";
import { messages } from "../terminal/terminal.ts";

/** The shortest time between two updates of the line, in ms. */
const REDRAW_MS = 100;

/** Shorter transfers show no progress, in ms. */
const PATIENCE_MS = 300;

/** The width of the name, in columns. */
const NAME_COLUMNS = 30;

/** Before the name gets narrower than this, figures are left out. */
const MIN_NAME_COLUMNS = 8;

/** A figure of a line, and how much it matters: where there is no room for all, those that matter least are left out. */
interface Figure {
  readonly text: string;
  readonly weight: number;
}

/** A line at the bottom of the terminal, redrawn in place; of several the one that came first. Nothing without a terminal. */
class Line {
  static #shown: Line | undefined;
  readonly #began = performance.now();
  readonly #active = Deno.stderr.isTerminal();
  #drawnAt = 0;

  /** Removes the line. */
  clear(): void {
    if (Line.#shown !== this) return;
    Line.#shown = undefined;
    messages.erase();
  }

  /** Redraws the line if it is time; `compose` gets the seconds since the start and the columns that there are. */
  protected redraw(compose: (seconds: number, columns: number) => string): void {
    if (!this.#active || Line.#shown && Line.#shown !== this) return;
    const now = performance.now();
    const elapsed = now - this.#began;
    // A paused terminal must not get a backlog.
    if (elapsed < PATIENCE_MS || now - this.#drawnAt < REDRAW_MS || !messages.isEmpty) return;
    this.#drawnAt = now;
    Line.#shown = this;
    const columns = Deno.consoleSize().columns - 1;
    messages.draw(fit(compose(elapsed / 1000, columns), columns));
  }
}

/** A name and figures on one line of so many columns: first the name gets shorter, then figures are left out. */
export function progressLine(name: string, figures: readonly Figure[], columns: number): string {
  const text = figures.map(({ text }) => `  ${text}`).join("");
  const room = columns - unicodeWidth(text);
  if (room < MIN_NAME_COLUMNS && figures.length > 1) {
    const least = Math.min(...figures.map(({ weight }) => weight));
    return progressLine(name, figures.filter(({ weight }) => weight > least), columns);
  }
  const width = Math.max(1, Math.min(NAME_COLUMNS, room));
  const fitted = fit(printable(name), width);
  return fitted + " ".repeat(Math.max(0, width - unicodeWidth(fitted))) + text;
}

/** Percent, amount, rate and time left, as far as known. `before` bytes were there at the start. */
function amounts(moved: number, total: number | undefined, seconds: number, before: number): Figure[] {
  const rate = (moved - before) / seconds;
  const speed = { text: `${bytes(rate)}/s`, weight: 2 };
  if (total === undefined) return [{ text: bytes(moved), weight: 4 }, speed];
  const percent = { text: `${Math.floor(moved / Math.max(total, 1) * 100)}%`, weight: 4 };
  const amount = { text: `${bytes(moved)} of ${bytes(total)}`, weight: 1 };
  const left = rate > 0 ? [{ text: `${clock((total - moved) / rate)} left`, weight: 3 }] : [];
  return [percent, amount, speed, ...left];
}

/** What was moved since then and how long it took, and what was there before: `300 MB in 2 s, 700 MB were there already`. */
export function amountOf(moved: number, before: number, began: number): string {
  const amount = `${bytes(moved)} in ${took(performance.now() - began)}`;
  return before > 0 ? `${amount}, ${bytes(before)} were there already` : amount;
}

/** What became of a source that only got longer meanwhile. @param size Its size at the start. */
export function hasGrown(size: number): string {
  return `grew while it was sent; delivered as it was at the start, ${size.toLocaleString("en")} bytes.`;
}

/** The progress of one file. */
export class Progress extends Line {
  readonly #name: string;
  #moved = 0;
  #size = 0;
  #before: number | undefined;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  /** Bytes that were kept of an earlier attempt and used: they are not counted as moved. */
  get before(): number {
    return this.#before ?? 0;
  }

  /** Bytes in all; 0 when that is not known. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that were moved. */
  get moved(): number {
    return this.#moved - this.before;
  }

  /** @param moved Bytes that the target has. @param total Bytes in all, if known. */
  update(moved: number, total: number | undefined): void {
    // What was kept and turned out to be wrong is moved, too.
    this.#before = Math.min(this.#before ?? moved, moved);
    this.#moved = moved;
    this.#size = total ?? 0;
    this.redraw((seconds, columns) => progressLine(this.#name, amounts(moved, total, seconds, this.before), columns));
  }
}

/** The progress of a tree. */
export class TreeProgressLine extends Line {
  update(progress: TreeProgress): void {
    const { current, filesDone, skipped, failed, filesKnown, listed, bytesDone, bytesKept, bytesKnown } = progress;
    this.redraw((seconds, columns) => {
      const text = `${filesDone + skipped + failed} of ${filesKnown}${listed ? "" : "+"} files`;
      const figures = amounts(bytesDone, listed ? bytesKnown : undefined, seconds, bytesKept);
      return progressLine(current, [{ text, weight: 5 }, ...figures], columns);
    });
  }
}
