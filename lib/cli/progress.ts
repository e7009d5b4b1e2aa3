import { unicodeWidth } from "@std/cli/unicode-width";
import { printable } from "../protocol/text.ts";
import { bytes, clock, fit } from "./format.ts";

/** The line is drawn at most this often, in ms. */
const REDRAW_MS = 100;

/** Transfers that are over sooner than this show no progress, in ms. */
const PATIENCE_MS = 300;

/** The part of the line that the name may take, in columns. */
const NAME_COLUMNS = 30;

const encoder = new TextEncoder();

/** A line at the bottom of a terminal that is redrawn in place. Does nothing when the output is not a terminal. */
export class Progress {
  readonly #name: string;
  readonly #began = performance.now();
  readonly #active = Deno.stderr.isTerminal();
  #drawnAt = 0;
  #drawn = false;

  constructor(name: string) {
    this.#name = fit(printable(name), NAME_COLUMNS);
  }

  /** @param moved Bytes so far. @param total Bytes in all, if known. */
  update(moved: number, total: number | undefined): void {
    if (!this.#active) return;
    const now = performance.now();
    const elapsed = now - this.#began;
    if (elapsed < PATIENCE_MS || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#drawn = true;
    this.#draw(moved, total, elapsed / 1000);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#drawn) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
    this.#drawn = false;
  }

  #draw(moved: number, total: number | undefined, seconds: number): void {
    const rate = moved / seconds;
    const parts = total === undefined
      ? [bytes(moved), `${bytes(rate)}/s`]
      : [`${Math.floor(moved / Math.max(total, 1) * 100)}%`, `${bytes(moved)} of ${bytes(total)}`, `${bytes(rate)}/s`];
    if (total !== undefined && rate > 0) parts.push(`${clock((total - moved) / rate)} left`);
    const name = this.#name + " ".repeat(Math.max(0, NAME_COLUMNS - unicodeWidth(this.#name)));
    const line = fit(`${name}  ${parts.join("  ")}`, Deno.consoleSize().columns - 1);
    Deno.stderr.writeSync(encoder.encode(`\r${line}\x1b[K`));
  }
}
