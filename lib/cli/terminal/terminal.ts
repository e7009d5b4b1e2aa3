import { cannot, FerryError } from "../../core/errors.ts";
import { LineQueue } from "./line_queue.ts";

const encoder = new TextEncoder();

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
