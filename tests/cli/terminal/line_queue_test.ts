import { assert, assertEquals } from "@std/assert";
import { LineQueue } from "../../../lib/cli/terminal/line_queue.ts";

/** How soon a process ends that waits for nobody, in ms. */
const AT_ONCE_MS = 5_000;

/** A writer that takes everything when it is let, and nothing before. */
class Valve {
  readonly chunks: string[] = [];
  readonly #opened = Promise.withResolvers<void>();

  readonly write = async (bytes: Uint8Array): Promise<number> => {
    await this.#opened.promise;
    // As a pipe does that has less room.
    const taken = bytes.subarray(0, 1000);
    this.chunks.push(new TextDecoder().decode(taken));
    return taken.length;
  };

  open(): void {
    this.#opened.resolve();
  }

  get lines(): string[] {
    return this.chunks.join("").split("\n").slice(0, -1);
  }
}

Deno.test("LineQueue writes everything in order", async () => {
  const valve = new Valve();
  const queue = new LineQueue(valve);
  valve.open();
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
  for (const [i, line] of lines.entries()) {
    queue.line(line);
    if (i % 100 === 0) await queue.drained();
  }
  await queue.drained();
  assertEquals(valve.lines, lines);
  assert(queue.isEmpty);
});

Deno.test("LineQueue keeps 1 MiB for a reader that stands still, counts the rest, and says so in its place", async () => {
  const valve = new Valve();
  const queue = new LineQueue(valve);
  const line = "x".repeat(1023);
  for (let i = 0; i < 1500; i++) queue.line(line);
  const began = performance.now();
  await queue.drained(50);
  assert(performance.now() - began < AT_ONCE_MS);
  assert(!queue.isEmpty);
  valve.open();
  await queue.drained();
  queue.line("after");
  await queue.drained();
  assertEquals(valve.lines.filter((each) => each === line).length, 1024);
  assertEquals(valve.lines.slice(1024), ["476 lines were dropped: nobody was reading", "after"]);
});

Deno.test("LineQueue goes on after a writer that fails", async () => {
  const written: string[] = [];
  let isBroken = true;
  const queue = new LineQueue({
    write(bytes) {
      if (isBroken) return Promise.reject(new Deno.errors.BrokenPipe("broken"));
      written.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  });
  for (const line of ["lost", "lost", "lost"]) queue.line(line);
  await queue.drained();
  isBroken = false;
  queue.line("kept");
  await queue.drained();
  assertEquals(written.join(""), "3 lines were dropped: nobody was reading\nkept\n");
});

Deno.test("LineQueue replaces a line that was drawn by whatever comes next", async () => {
  const valve = new Valve();
  const queue = new LineQueue(valve);
  valve.open();
  queue.erase();
  queue.draw("1%");
  queue.draw("2%");
  queue.line("a");
  queue.line("b");
  queue.draw("3%");
  queue.erase();
  queue.erase();
  await queue.drained();
  assertEquals(valve.chunks.join(""), "1%\r\x1b[K2%\r\x1b[Ka\nb\n3%\r\x1b[K");
});
