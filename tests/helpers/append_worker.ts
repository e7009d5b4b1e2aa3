/**
 * A worker for tests: appends a line to a file about a thousand times a second until it is told to stop. See `Appender`
 * in `appender.ts`.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { setTimeout } from "node:timers/promises";

async function append(path: string): Promise<void> {
  let stopped = false;
  self.onmessage = () => stopped = true;
  using file = Deno.openSync(path, { append: true });
  for (let i = 0; !stopped; i++) {
    file.writeSync(new TextEncoder().encode(`2026-11-21 line ${i} of a log\n`));
    if (i === 0) self.postMessage("appending");
    await setTimeout(1);
  }
  self.postMessage("stopped");
}

self.onmessage = ({ data }: MessageEvent<string>) => void append(data);
