import type { CommandEvent } from "../server/events.ts";
import { cannot, toFerryError } from "../protocol/errors.ts";
import { escapeForTerminal } from "./events.ts";

const encoder = new TextEncoder();

const NEWLINE = "\n".charCodeAt(0);

function endsMidLine(file: Deno.FsFile): boolean {
  if (file.statSync().size === 0) return false;
  const last = new Uint8Array(1);
  file.seekSync(-1, Deno.SeekMode.End);
  file.readSync(last);
  return last[0] !== NEWLINE;
}

/** A file with one JSON line for every command. */
export class AuditLog {
  readonly #path: string;
  #file: Deno.FsFile;
  #failing = false;
  /** Whether the last line has no end, since the disk was full or the machine stopped. */
  #isMidLine = false;

  /**
   * Opens the file, or makes it for its owner only.
   *
   * @throws {FerryError} When that is not possible.
   */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#open();
  }

  /**
   * Appends a line.
   *
   * @returns What went wrong, the first time in a row; the command has been answered already.
   */
  write(event: CommandEvent, now = new Date()): string | undefined {
    const { peer: address, role, command, path, to, bytes, outcome, detail, durationMs } = event;
    const record = { time: now.toISOString(), address, role, command, path, to, bytes, outcome, detail, durationMs };
    const line = encoder.encode(`${this.#isMidLine ? "\n" : ""}${escapeForTerminal(JSON.stringify(record))}\n`);
    try {
      for (let done = 0; done < line.length;) {
        done += this.#file.writeSync(line.subarray(done));
        this.#isMidLine = line[done - 1] !== NEWLINE;
      }
      this.#failing = false;
      return undefined;
    } catch (error) {
      const isNew = !this.#failing;
      this.#failing = true;
      return isNew ? cannot("write", this.#path, error).message : undefined;
    }
  }

  /**
   * Opens the file of that name again, after something has moved the old one away.
   *
   * @returns What went wrong; then the old one stays in use.
   */
  reopen(): string | undefined {
    try {
      const file = this.#open();
      this.#file.close();
      this.#file = file;
      return undefined;
    } catch (error) {
      return toFerryError(error).message;
    }
  }

  #open(): Deno.FsFile {
    try {
      const file = Deno.openSync(this.#path, { read: true, append: true, create: true, mode: 0o600 });
      this.#isMidLine = endsMidLine(file);
      return file;
    } catch (error) {
      throw cannot("write", this.#path, error);
    }
  }
}
