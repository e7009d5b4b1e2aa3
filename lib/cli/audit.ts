import type { CommandEvent } from "../server/events.ts";
import { cannot, toFerryError } from "../protocol/errors.ts";
import { escapeForTerminal } from "./events.ts";

const encoder = new TextEncoder();

/** A file with one JSON line for every command. */
export class AuditLog {
  readonly #path: string;
  #file: Deno.FsFile;
  #failing = false;

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
    // After a failure the last line may have no end.
    const line = encoder.encode(`${this.#failing ? "\n" : ""}${escapeForTerminal(JSON.stringify(record))}\n`);
    try {
      for (let done = 0; done < line.length;) done += this.#file.writeSync(line.subarray(done));
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
      return Deno.openSync(this.#path, { append: true, create: true, mode: 0o600 });
    } catch (error) {
      throw cannot("write", this.#path, error);
    }
  }
}
