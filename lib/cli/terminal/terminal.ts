import { cannot, FerryError } from "../../core/errors.ts";
import { LineQueue } from "./line_queue.ts";

const encoder = new TextEncoder();

/** Messages to standard error. A paused terminal does not hold up transfers. */
export const messages = new LineQueue(Deno.stderr);

/** Writes text to standard output, after all earlier messages. */
export async function print(text: string): Promise<void> {
  messages.erase();
  await messages.drained();
  await printBytes(encoder.encode(text));
}

/** Nobody reads standard output any more. This needs no message: the reader closed it. */
export class OutputClosed extends FerryError {
  constructor() {
    super("Internal", "Cannot write to standard output: nobody reads it any more");
  }
}

/**
 * Writes bytes to standard output as they are.
 *
 * @throws {OutputClosed} When the reader is gone. @throws {FerryError} When the disk is full.
 */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    throw error instanceof Deno.errors.BrokenPipe ? new OutputClosed() : cannot("write", "standard output", error);
  }
}
