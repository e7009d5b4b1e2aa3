import { COMMANDS, isCommandName } from "../../protocol/commands.ts";
import { cannot, type ErrorCode, FerryError, toFerryError } from "../../core/errors.ts";
import type { CommandEvent, LoginEvent } from "../../access/events.ts";
import { type Policy, rightsOf } from "../../access/policy.ts";
import { isSameFile, lstatOrNothing } from "../../storage/directory/lookup.ts";
import { jsonLine, recordOf } from "./event_lines.ts";
import { MAX_ESCAPED_PATH_BYTES, MAX_TEXT_BYTES } from "../terminal/log_text.ts";

const encoder = new TextEncoder();

const NEWLINE = "\n".charCodeAt(0);

/** Failures after which everything is as it was before the command. */
const WITHOUT_EFFECT: readonly CommandEvent["outcome"][] = [
  "BadRequest",
  "InvalidPath",
  "NotFound",
  "AlreadyExists",
] satisfies ErrorCode[];

/** Everybody's right to write, but the owner's. */
const OTHERS_MAY_WRITE = 0o022;

/**
 * Whether a command has changed something or may have, such as one whose answer did not arrive or that stopped midway.
 *
 * @param policy What the server lets nobody do.
 */
export function isChange({ command, role, outcome }: CommandEvent, policy: Policy): boolean {
  if (!isCommandName(command) || !COMMANDS[command].changes || WITHOUT_EFFECT.includes(outcome)) return false;
  // What was sent in parts shows when the `put` that they belong to is done.
  if (command === "part") return false;
  const need = COMMANDS[command].needs;
  return need === undefined || rightsOf(role, policy).includes(need);
}

/** @throws {FerryError} Unless it is a file that nobody but its owner can write. */
function requireOwn({ isFile, isSymlink, mode }: Deno.FileInfo): void {
  if (isSymlink) throw new FerryError("Refused", "it is a link; name the file itself");
  if (!isFile) throw new FerryError("NotAFile", "it is not a regular file");
  if (mode !== null && (mode & OTHERS_MAY_WRITE) !== 0) {
    throw new FerryError("Refused", "other users may write it; run: chmod go-w");
  }
}

/** Opens a file to append to it, or makes it for its owner only. Links are not followed. */
function openOwn(path: string): Deno.FsFile {
  const found = lstatOrNothing(path);
  if (!found) return Deno.openSync(path, { read: true, append: true, createNew: true, mode: 0o600 });
  requireOwn(found);
  const file = Deno.openSync(path, { read: true, append: true });
  try {
    const opened = file.statSync();
    if (!isSameFile(found, opened)) throw new FerryError("Changed", "it was replaced while it was opened; try again");
    requireOwn(opened);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function endsMidLine(file: Deno.FsFile): boolean {
  if (file.statSync().size === 0) return false;
  const last = new Uint8Array(1);
  file.seekSync(-1, Deno.SeekMode.End);
  file.readSync(last);
  return last[0] !== NEWLINE;
}

/** A file with one JSON line for every command, and for every client that was not let in. */
export class AuditLog {
  readonly #path: string;
  #file: Deno.FsFile;
  /** How many records were lost since it last went well. */
  #lost = 0;
  /** Whether the last line has no end, since the disk was full or the machine stopped. */
  #isMidLine = false;

  /** Opens the file, or makes it. @throws {FerryError} Also when it is a link or no file, or others can write it. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#open();
  }

  /**
   * Appends a line, and before it how many could not be written since it last went well.
   *
   * @returns What went wrong, the first time in a row; the command has been answered already.
   */
  write(text: string): string | undefined {
    try {
      if (this.#lost > 0) this.#append(jsonLine(recordOf({ event: "lost", lines: this.#lost })));
      this.#append(text);
      this.#lost = 0;
      return undefined;
    } catch (error) {
      return this.#lost++ === 0 ? cannot("write", this.#path, error).message : undefined;
    }
  }

  #append(text: string): void {
    const line = encoder.encode(`${this.#isMidLine ? "\n" : ""}${text}\n`);
    for (let done = 0; done < line.length;) {
      done += this.#file.writeSync(line.subarray(done));
      this.#isMidLine = line[done - 1] !== NEWLINE;
    }
  }

  /** Opens the file again, after something has moved it away. @returns What went wrong; then the old one stays in use. */
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
      const file = openOwn(this.#path);
      this.#isMidLine = endsMidLine(file);
      return file;
    } catch (error) {
      throw cannot("write", this.#path, error);
    }
  }
}

/**
 * The line of a command, or of a client that was not let in. The paths of a command that may have changed something are
 * whole, whatever is in them.
 */
export function auditLine(event: CommandEvent | LoginEvent, now?: Date): string {
  const isWhole = event.event === "command" && isChange(event, {});
  return jsonLine(recordOf(event, now), isWhole ? MAX_ESCAPED_PATH_BYTES : MAX_TEXT_BYTES);
}
