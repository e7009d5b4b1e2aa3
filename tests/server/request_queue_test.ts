import { assert, assertEquals, assertFalse, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { type Job, RequestQueue } from "../../lib/server/request_queue.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { isPending } from "../helpers/pending.ts";
import { bytes } from "../helpers/random.ts";

const WINDOW = 8;

/** Requests that wait take at most about this much memory, in bytes. */
const QUEUED_BYTES = 1024 * 1024;

/** Of the bodies of requests that wait, so much is received and kept, in bytes. */
const AHEAD_BYTES = 1024 * 1024;

const PUT = { command: "put", path: "f" };

/** A queue, and what a client may send to it. */
class Sender {
  readonly queue: RequestQueue;

  constructor(window = WINDOW) {
    this.queue = new RequestQueue(window);
  }

  /** Sends a frame with these bytes, this text, or these fields as JSON. */
  frame(kind: keyof typeof FrameKind, content: Uint8Array<ArrayBuffer> | string | Record<string, unknown>) {
    const encode = (text: string) => new TextEncoder().encode(text);
    const payload = content instanceof Uint8Array
      ? content
      : encode(typeof content === "string" ? content : JSON.stringify(content));
    return this.queue.accept({ kind: FrameKind[kind], payload });
  }

  request(fields: Record<string, unknown>): Promise<void> {
    return this.frame("request", fields);
  }

  /** Sends `stat` requests for these paths. */
  async stats(...paths: string[]): Promise<void> {
    for (const path of paths) await this.request({ command: "stat", path });
  }

  cancel(request: number): Promise<void> {
    return this.frame("cancel", { request });
  }

  /** The next request, which must be there. */
  take(): Job {
    const job = this.queue.take();
    assert(job, "there is no request");
    return job;
  }

  /** Takes and answers whatever waits; gives what the requests were. */
  answerAll(): string[] {
    const answered: string[] = [];
    for (let job = this.queue.take(); job; job = this.queue.take()) {
      answered.push(nameOf(job));
      this.queue.answered();
    }
    return answered;
  }
}

/** The path of a request, or the code with which it is refused; with the code of what gave it up, if anything. */
function nameOf({ request, abort }: Job): string {
  const name = request instanceof FerryError ? request.code : "path" in request ? `${request.path}` : request.command;
  return abort.signal.aborted ? `${name} ${abort.signal.reason.code}` : name;
}

Deno.test("RequestQueue.take() gives the requests in the order in which they came, and each its own body", async () => {
  const sender = new Sender();
  await sender.stats("a");
  await sender.request({ ...PUT, path: "b" });
  await sender.frame("data", bytes(10, 1));
  await sender.frame("end", { size: 10 });
  await sender.request({ ...PUT, path: "c" });
  await sender.frame("data", bytes(20, 2));
  await sender.frame("end", { size: 20 });
  assertEquals(nameOf(sender.take()), "a");
  sender.queue.answered();
  sender.queue.settle();
  for (const [path, content] of [["b", bytes(10, 1)], ["c", bytes(20, 2)]] as const) {
    const job = sender.take();
    assertEquals(nameOf(job), path);
    assertEquals(await job.body.next(), content);
    assertEquals(await job.body.next(), null);
    sender.queue.answered();
  }
  assertEquals(sender.queue.take(), undefined);
});

Deno.test("RequestQueue.isIdle is true when everything was answered, and at no other time", async () => {
  const sender = new Sender();
  assert(sender.queue.isIdle);
  await sender.stats("a");
  assertFalse(sender.queue.isIdle);
  sender.take();
  assertFalse(sender.queue.isIdle, "it is being answered");
  sender.queue.answered();
  assert(sender.queue.isIdle);
});

Deno.test("RequestQueue.accept() takes a window of requests; what was taken counts until it was answered", async () => {
  for (const window of [1, 2, WINDOW]) {
    const sender = new Sender(window);
    for (let i = 0; i < window; i++) await sender.stats(`${i}`);
    sender.take();
    const { message } = await assertFailsWith("BadRequest", () => sender.stats("too many"));
    assertEquals(message, `more than ${window} requests are unanswered`);
    sender.queue.answered();
    await sender.stats("one more");
    await assertFailsWith("BadRequest", () => sender.stats("too many"));
    assertEquals(sender.answerAll(), [...Array.from({ length: window - 1 }, (_, i) => `${i + 1}`), "one more"]);
  }
});

Deno.test("RequestQueue.accept() holds up who sends more than 1 MiB of requests, until some are taken", async () => {
  const sender = new Sender(1024);
  const large = "x".repeat(QUEUED_BYTES / 2 + 1);
  await sender.frame("request", large);
  const second = sender.frame("request", large);
  assert(await isPending(second));
  // It is there all the same, in its turn.
  sender.take();
  await second;
  sender.queue.answered();
  // What was taken makes room.
  await sender.stats("a", "b");
  // One alone may be as large as a frame can be.
  const alone = new Sender();
  await alone.frame("request", "x".repeat(2 * QUEUED_BYTES));
  assertEquals(alone.answerAll(), ["BadRequest"]);
});

Deno.test("RequestQueue.close() lets go on who was held up, and holds nobody up later", async () => {
  const sender = new Sender();
  await sender.frame("request", "x".repeat(QUEUED_BYTES));
  const held = sender.frame("request", "x");
  assert(await isPending(held));
  sender.queue.close(new FerryError("Disconnected", "gone"));
  await held;
  for (let i = 0; i < 2; i++) await sender.frame("request", "x".repeat(QUEUED_BYTES));
});

Deno.test("RequestQueue.cancel gives up the request of that number, and no other", async () => {
  const sender = new Sender();
  await sender.stats("1", "2", "3", "4");
  sender.take();
  sender.queue.answered();
  const current = sender.take();
  await sender.cancel(1);
  assertFalse(current.abort.signal.aborted, "the first was answered long ago");
  await sender.cancel(3);
  assertFalse(current.abort.signal.aborted);
  await sender.cancel(2);
  assertEquals(nameOf(current), "2 Cancelled");
  await sender.cancel(2);
  sender.queue.answered();
  // What is given up while it waits is still answered in its turn.
  assertEquals(sender.answerAll(), ["3 Cancelled", "4"]);
  await sender.cancel(4);
  await sender.stats("5");
  assertEquals(sender.answerAll(), ["5"]);
});

Deno.test("RequestQueue.cancel of a request that never came is BadRequest", async () => {
  const sender = new Sender();
  for (const number of [0, 1, -1, 2 ** 40]) {
    await assertFailsWith("BadRequest", () => sender.cancel(number), `${number}`);
  }
  await sender.stats("1");
  await sender.cancel(1);
  await assertFailsWith("BadRequest", () => sender.cancel(2));
  assertEquals(sender.answerAll(), ["1 Cancelled"]);
});

Deno.test("RequestQueue.cancel counts requests that were not understood, too", async () => {
  const sender = new Sender();
  await sender.frame("request", "nonsense");
  await sender.stats("2", "3");
  await sender.cancel(2);
  assertEquals(sender.answerAll(), ["BadRequest", "2 Cancelled", "3"]);
});

Deno.test("RequestQueue.cancel of a put that waits fails its body, of which the rest is still taken", async () => {
  const sender = new Sender();
  await sender.stats("a");
  await sender.request(PUT);
  await sender.frame("data", bytes(1000));
  await sender.cancel(2);
  for (let i = 0; i < 4; i++) await sender.frame("data", bytes(AHEAD_BYTES));
  await sender.frame("end", { size: 1000 + 4 * AHEAD_BYTES });
  await sender.stats("b");
  sender.take();
  sender.queue.answered();
  const job = sender.take();
  assertEquals(nameOf(job), "f Cancelled");
  await assertFailsWith("Cancelled", () => job.body.next());
  sender.queue.answered();
  assertEquals(sender.answerAll(), ["b"]);
});

Deno.test("RequestQueue.cancel that comes behind the end of a body is seen before the body counts as complete", async () => {
  const sender = new Sender();
  await sender.request(PUT);
  const job = sender.take();
  const next = job.body.next();
  await sender.frame("end", { size: 0 });
  await sender.stats("another");
  assert(await isPending(next), "more may have come");
  await sender.cancel(1);
  await assertFailsWith("Cancelled", () => next);
  assert(job.abort.signal.aborted);
});

Deno.test("RequestQueue.accept() keeps 1 MiB of all bodies that wait, then holds the client up", async () => {
  const sender = new Sender();
  const half = bytes(AHEAD_BYTES / 2);
  await sender.request({ ...PUT, path: "a" });
  await sender.frame("data", half);
  await sender.frame("end", { size: half.length });
  await sender.request({ ...PUT, path: "b" });
  const held = sender.frame("data", half);
  assert(await isPending(held));
  const first = sender.take();
  assertEquals(await first.body.next(), half);
  assertEquals(await first.body.next(), null);
  first.body.discard();
  sender.queue.answered();
  assert(await isPending(held), "it is not its turn");
  const second = sender.take();
  assertEquals(await second.body.next(), half);
  const rest = second.body.next();
  await held;
  await sender.frame("end", { size: half.length });
  sender.queue.settle();
  assertEquals(await rest, null);
});

Deno.test("RequestQueue.body is the body that is being received", async () => {
  const sender = new Sender();
  assertEquals(sender.queue.body, undefined);
  await sender.stats("a");
  assertEquals(sender.queue.body, undefined);
  await sender.request(PUT);
  sender.take();
  assertStrictEquals(sender.queue.body, sender.take().body);
  await sender.frame("end", { size: 0 });
  assertEquals(sender.queue.body, undefined);
});

Deno.test("RequestQueue.accept() fails the body when the client says that its source has failed", async () => {
  const sender = new Sender();
  await sender.request(PUT);
  await sender.frame("data", bytes(10));
  await sender.frame("error", { code: "Changed", message: "it was changed" });
  const job = sender.take();
  const { message } = await assertFailsWith("Cancelled", () => job.body.next());
  assertEquals(message, "the client gave up");
  assertFalse(job.abort.signal.aborted);
  sender.queue.answered();
  await sender.stats("b");
  assertEquals(sender.answerAll(), ["b"]);
});

Deno.test("RequestQueue.accept() takes a request that it does not understand, with a body or without", async () => {
  for (const wrong of ["nonsense", "{}", '{"command":"frob"}', '{"command":"stat","path":5}']) {
    const sender = new Sender();
    await sender.frame("request", wrong);
    for (let i = 0; i < 3; i++) await sender.frame("data", bytes(AHEAD_BYTES));
    await sender.frame("end", { size: 5 });
    await sender.frame("request", wrong);
    await sender.stats("a");
    const job = sender.take();
    assertInstanceOf(job.request, FerryError, wrong);
    sender.queue.answered();
    assertEquals(sender.answerAll().at(-1), "a");
  }
});

Deno.test("RequestQueue.accept() refuses what may not come now", async () => {
  const started = async () => {
    const sender = new Sender();
    await sender.request(PUT);
    return sender;
  };
  for (const kind of ["data", "end", "error", "ok", "ready", "entries", "hello", "notice", "disconnect"] as const) {
    const sender = new Sender();
    await assertFailsWith("BadRequest", () => sender.frame(kind, { size: 0, code: "Busy", message: "" }), kind);
    await sender.stats("a");
    await assertFailsWith(
      "BadRequest",
      () => sender.frame(kind, { size: 0, code: "Busy", message: "" }),
      `${kind} later`,
    );
  }
  const inBody = await started();
  const { message } = await assertFailsWith("BadRequest", () => inBody.stats("b"));
  assertEquals(message, "a request came before the end of a body");
  for (const kind of ["end", "error", "cancel"] as const) {
    for (const damaged of ["", "{", "[]", '{"size":-1,"code":1,"request":"1"}']) {
      const sender = await started();
      await assertFailsWith("BadRequest", () => sender.frame(kind, damaged), `${kind} ${damaged}`);
    }
  }
});

Deno.test("RequestQueue.close() gives up what is being answered and what waits, with the reason", async () => {
  const sender = new Sender();
  await sender.stats("a", "b");
  await sender.request(PUT);
  const current = sender.take();
  const waiting = sender.queue.body;
  assert(waiting);
  sender.queue.close(new FerryError("Timeout", "no progress"));
  assertEquals(nameOf(current), "a Timeout");
  await assertFailsWith("Timeout", () => current.body.next());
  await assertFailsWith("Timeout", () => waiting.next());
  assertEquals(sender.queue.take(), undefined);
  sender.queue.answered();
  assert(sender.queue.isIdle);
});

Deno.test("RequestQueue.changed tells of a new request, of room, and of the end", async () => {
  const sender = new Sender();
  const arrived = sender.queue.changed.next;
  await sender.stats("a");
  await arrived;
  const taken = sender.queue.changed.next;
  assert(await isPending(taken));
  sender.take();
  await taken;
  const closed = sender.queue.changed.next;
  assert(await isPending(closed));
  sender.queue.close(new FerryError("Disconnected", "gone"));
  await closed;
});
