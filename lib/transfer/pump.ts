import { changedWhileRead } from "../core/errors.ts";
import { throwIfAborted } from "../core/unless_aborted.ts";
import { giveBuffer, takeBuffer } from "../protocol/buffers.ts";
import type { ByteSink, Fill, Reader } from "../storage/storage.ts";
import type { Blame } from "./place.ts";

/** How much is moved at a time, at most, in bytes. */
export const PIECE_BYTES = 1024 * 1024;

/** How to move bytes. */
export interface PumpOptions {
  readonly blame: Blame;
  /** Whether the reader does not look at the end whether the file is still what it was, since others do. */
  readonly mayChange?: boolean | undefined;
  readonly signal: AbortSignal | undefined;
  /** Told how many bytes were moved so far. */
  readonly onMoved: (bytes: number) => void;
}

/** Moves the next piece, which has at most `most` bytes where we choose; gives its size, or null at the end. */
type Step = (most: number) => Promise<number | null> | number | null;

/** Takes what should be nothing. */
const SCRATCH = new Uint8Array(1);

/**
 * Moves what a reader gives into a sink, with as few copies as the two allow.
 *
 * @throws {FerryError} What the two throw; `Cancelled`; `Changed` when it is not as much as the reader has announced.
 */
export async function pump(reader: Reader, sink: ByteSink, options: PumpOptions): Promise<void> {
  const { blame, mayChange, signal, onMoved } = options;
  const carrier = reader.next || sink.fill ? undefined : takeBuffer();
  const read: Fill = (space) => {
    blame.isSource = true;
    return reader.read(space);
  };
  const step = reader.next ? handing(reader, sink, blame) : filling(read, sink, blame, carrier);
  try {
    for (let moved = 0;;) {
      throwIfAborted(signal);
      const left = reader.length - moved;
      if (left === 0 && mayChange) return;
      // At the end the reader looks whether the file is still what it was.
      const moving = left > 0 || reader.next ? step(Math.min(left, PIECE_BYTES)) : read(SCRATCH);
      // There are many small files, and usually nothing to wait for.
      const n = moving instanceof Promise ? await moving : moving;
      if (n === null && left === 0) return;
      if (n === null || left <= 0) throw changedWhileRead();
      onMoved(moved += n);
    }
  } finally {
    if (carrier) giveBuffer(carrier);
  }
}

/** Gives the sink the reader's own bytes. */
function handing(reader: Reader, sink: ByteSink, blame: Blame): Step {
  const hand = (bytes: Uint8Array | null) => {
    blame.isSource = false;
    if (bytes === null) return null;
    const writing = sink.write(bytes);
    return writing ? writing.then(() => bytes.length) : bytes.length;
  };
  return () => {
    blame.isSource = true;
    const given = reader.next?.() ?? null;
    return given instanceof Promise ? given.then(hand) : hand(given);
  };
}

/** Has the reader fill a space of the sink's own, or else `carrier`. */
function filling(read: Fill, sink: ByteSink, blame: Blame, carrier: Uint8Array<ArrayBuffer> | undefined): Step {
  if (!carrier) {
    return (most) => {
      blame.isSource = false;
      return sink.fill?.(most, read) ?? null;
    };
  }
  return async (most) => {
    const space = carrier.subarray(0, most);
    const n = await read(space);
    blame.isSource = false;
    if (n !== null) await sink.write(space.subarray(0, n));
    return n;
  };
}
