import { unicodeWidth } from "@std/cli/unicode-width";
import type { TreeProgress } from "../../client/tree.ts";
import { printable } from "../../core/text.ts";
import { bytes, clock, fit } from "../terminal/format.ts";
import { messages } from "../terminal/terminal.ts";

/** The shortest time between two updates of the line, in ms. */
const REDRAW_MS = 100;

/** Shorter transfers show no progress, in ms. */
const PATIENCE_MS = 300;

/** The width of the name, in columns. */
const NAME_COLUMNS = 30;

/** A line at the bottom of the terminal, redrawn in place. Does nothing without a terminal. */
class Line {
  readonly #began = performance.now();
  readonly #active = Deno.stderr.isTerminal();
  #drawnAt = 0;
  #drawn = false;

  /** Removes the line. */
  clear(): void {
    if (this.#drawn) messages.write("\r\x1b[K");
    this.#drawn = false;
  }

  /** Redraws the line if it is time; `compose` gets the seconds since the start. */
  protected redraw(compose: (seconds: number) => string): void {
    if (!this.#active) return;
    const now = performance.now();
    const elapsed = now - this.#began;
    // A paused terminal must not get a backlog.
    if (elapsed < PATIENCE_MS || now - this.#drawnAt < REDRAW_MS || !messages.isEmpty) return;
    this.#drawnAt = now;
    this.#drawn = true;
    const line = fit(compose(elapsed / 1000), Deno.consoleSize().columns - 1);
    messages.write(`\r${line}\x1b[K`);
  }
}

/** `name` cut or padded to its width. */
function nameColumn(name: string): string {
  const fitted = fit(printable(name), NAME_COLUMNS);
  return fitted + " ".repeat(Math.max(0, NAME_COLUMNS - unicodeWidth(fitted)));
}

/** Percent, amount, rate and time left, as far as known. `before` bytes were there at the start. */
function amounts(moved: number, total: number | undefined, seconds: number, before = 0): string {
  const rate = (moved - before) / seconds;
  if (total === undefined) return `${bytes(moved)}  ${bytes(rate)}/s`;
  const percent = Math.floor(moved / Math.max(total, 1) * 100);
  const left = rate > 0 ? `  ${clock((total - moved) / rate)} left` : "";
  return `${percent}%  ${bytes(moved)} of ${bytes(total)}  ${bytes(rate)}/s${left}`;
}

/** The progress of one file. */
export class Progress extends Line {
  readonly #name: string;
  /** Bytes kept from an earlier attempt; they do not count for the rate. */
  #before: number | undefined;

  constructor(name: string) {
    super();
    this.#name = nameColumn(name);
  }

  /** @param moved Bytes so far. @param total Bytes in all, if known. */
  update(moved: number, total: number | undefined): void {
    this.#before ??= moved;
    this.redraw((seconds) => `${this.#name}  ${amounts(moved, total, seconds, this.#before)}`);
  }
}

/** The progress of a tree. */
export class TreeProgressLine extends Line {
  update({ current, filesDone, skipped, failed, filesKnown, listed, bytesDone, bytesKnown }: TreeProgress): void {
    this.redraw((seconds) => {
      const files = `${filesDone + skipped + failed} of ${filesKnown}${listed ? "" : "+"} files`;
      return `${nameColumn(current)}  ${files}  ${amounts(bytesDone, listed ? bytesKnown : undefined, seconds)}`;
    });
  }
}
