import { cannot, FerryError } from "../../core/errors.ts";
import { LineQueue } from "./line_queue.ts";

const encoder = new TextEncoder();

/** The control characters that edit or end a line typed without echo. */
const [CTRL_C, CTRL_D, CTRL_U, DELETE] = ["\x03", "\x04", "\x15", "\x7f"];

/** Messages to standard error. A paused terminal does not hold up transfers. */
export const messages = new LineQueue(Deno.stderr);

/** Writes text to standard output, after all earlier messages. */
export async function print(text: string): Promise<void> {
  await messages.drained();
  await printBytes(encoder.encode(text));
}

/** Writes bytes to standard output as they are. @throws {FerryError} If the reader is gone or the disk is full. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    const gone = error instanceof Deno.errors.BrokenPipe;
    const reason = gone ? new FerryError("Internal", "nobody reads it any more") : error;
    throw cannot("write", "standard output", reason);
  }
}

function readHidden(): string {
  const byte = new Uint8Array(1);
  let line = "";
  for (;;) {
    const c = Deno.stdin.readSync(byte) === null ? CTRL_D : String.fromCharCode(...byte);
    if (c === "\r" || c === "\n") return line;
    if (c === CTRL_C || c === CTRL_D) throw new FerryError("Cancelled", "cancelled");
    if (c === "\b" || c === DELETE) line = line.slice(0, -1);
    else line = c === CTRL_U ? "" : line + c;
  }
}

/**
 * Asks for a line of ASCII at the terminal without showing it. (`promptSecret` of @std/cli leaves echo off if Ctrl-C
 * ends the program, and shows what is typed before its question.)
 *
 * @throws {FerryError} `Cancelled` on Ctrl-C, Ctrl-D or the end of the input.
 */
export function askHidden(question: string): string {
  Deno.stdin.setRaw(true);
  try {
    Deno.stdout.writeSync(encoder.encode(`${question} `));
    return readHidden();
  } finally {
    Deno.stdin.setRaw(false);
    Deno.stdout.writeSync(encoder.encode("\n"));
  }
}
