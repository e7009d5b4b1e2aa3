import { setTimeout as delay } from "node:timers/promises";

/** Bytes that may wait. */
const MAX_WAITING_BYTES = 1024 * 1024;

const encoder = new TextEncoder();

/**
 * Text on its way to a terminal, a pipe or a file. Writers never wait: a paused terminal or a full pipe holds up only
 * this text. Lines that do not fit are dropped and counted; their number is written when there is room again.
 */
export class LineQueue {
  /** Formats the message that says how many lines were dropped. */
  format = (message: string): string => message;
  readonly #writer: Pick<typeof Deno.stderr, "write">;
  #waiting = "";
  /** Bytes that wait or are being written. */
  #bytes = 0;
  #leftOut = 0;
  /** Whether the last line is one that whatever comes next replaces. */
  #isDrawn = false;
  #writing: Promise<void> | undefined;

  /** @param writer Such as `Deno.stderr`. */
  constructor(writer: Pick<typeof Deno.stderr, "write">) {
    this.#writer = writer;
  }

  /** Whether everything was written. */
  get isEmpty(): boolean {
    return this.#writing === undefined;
  }

  /** Adds a line. */
  line(text: string): void {
    this.write(`${text}\n`);
  }

  /** Shows a line on a terminal that whatever comes next replaces. */
  draw(text: string): void {
    this.write(text);
    this.#isDrawn = true;
  }

  /** Removes the line that was drawn, if it is the last one. */
  erase(): void {
    if (this.#isDrawn) this.write("");
  }

  /** Adds text as it is. If it does not fit, it counts as one dropped line. */
  write(text: string): void {
    const notice = this.#notice();
    const erase = this.#isDrawn ? "\r\x1b[K" : "";
    this.#isDrawn = false;
    if (this.#add(erase + notice + text)) this.#leftOut = 0;
    else this.#leftOut++;
    this.#writing ??= this.#writeAll();
  }

  /** Waits until everything was written or had to be dropped; at most `ms`, if given. */
  async drained(ms?: number): Promise<void> {
    const late = new AbortController();
    const deadline = ms === undefined ? [] : [delay(ms, undefined, { signal: late.signal }).catch(() => {})];
    await Promise.race([this.#writing, ...deadline]);
    late.abort();
  }

  #notice(): string {
    const lines = this.#leftOut;
    if (lines === 0) return "";
    return `${this.format(`${lines} ${lines === 1 ? "line was" : "lines were"} dropped: nobody was reading`)}\n`;
  }

  #add(text: string): boolean {
    const bytes = encoder.encode(text).length;
    if (this.#bytes + bytes > MAX_WAITING_BYTES) return false;
    this.#waiting += text;
    this.#bytes += bytes;
    return true;
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    // Everything added in the same turn goes out in one write.
    await Promise.resolve();
    let text = "";
    try {
      while (this.#waiting !== "") {
        text = this.#waiting;
        this.#waiting = "";
        const bytes = encoder.encode(text);
        for (let done = 0; done < bytes.length;) done += await this.#writer.write(bytes.subarray(done));
        this.#bytes -= bytes.length;
        if (this.#waiting === "" && this.#add(this.#notice())) this.#leftOut = 0;
      }
    } catch {
      // The reader is gone or the disk is full. Nobody can be told until writing works again.
      this.#leftOut += (text + this.#waiting).split("\n").length - 1;
      this.#waiting = "";
      this.#bytes = 0;
    }
    this.#writing = undefined;
  }
}
