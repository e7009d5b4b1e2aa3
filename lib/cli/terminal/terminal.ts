import { cannot, FerryError } from "../../core/errors.ts";
import { LineQueue } from "./line_queue.ts";

const encoder = new TextEncoder();

/** What the keys send that mean something while a line is typed without echo. */
const [CTRL_C, CTRL_D, CTRL_U, DELETE] = ["\x03", "\x04", "\x15", "\x7f"];

/** What is no result, on its way to standard error; a paused terminal does not hold up transfers. */
export const messages = new LineQueue(Deno.stderr);

/** Writes everything to standard output, after the messages that came before it. */
export async function print(text: string): Promise<void> {
  await messages.drained();
  await printBytes(encoder.encode(text));
}

/**
 * Writes bytes to standard output as they are.
 *
 * @throws {FerryError} When nobody reads them, or the disk is full.
 */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    const gone = error instanceof Deno.errors.BrokenPipe;
    const reason = gone ? new FerryError("Internal", "whoever reads it has stopped") : error;
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
 * Asks for a line of ASCII at the terminal, and shows nothing of it. (`promptSecret` of @std/cli leaves the terminal
 * without echo when Ctrl-C ends the program, and shows what is typed before its question is complete.)
 *
 * @throws {FerryError} `Cancelled` for Ctrl-C, Ctrl-D and at the end of the input.
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
