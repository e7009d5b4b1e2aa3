import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertStrictEquals,
} from "@std/assert";
import { FerryError } from "../../lib/core/errors.ts";
import { ReadAhead, RequestBody } from "../../lib/server/request_body.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { isPending } from "../helpers/pending.ts";
import { bytes } from "../helpers/random.ts";

/** So much of bodies that wait is received and kept, in bytes. */
const AHEAD_BYTES = 1024 * 1024;

/** What a piece that is kept costs besides its bytes. */
const PIECE_BYTES = 256;

const cancelled = () => new FerryError("Cancelled", "given up");

/** A body behind whose end nothing has come. */
class LastBody extends RequestBody {
  readonly #ahead: ReadAhead;

  constructor(ahead: ReadAhead) {
    super(ahead);
    this.#ahead = ahead;
  }

  override end(size: number): void {
    super.end(size);
    this.#ahead.settle();
  }
}

function body(aheadBytes = AHEAD_BYTES): RequestBody {
  return new LastBody(new ReadAhead(aheadBytes));
}

/** A body whose handler has begun and waits for bytes, and what it waits for. */
function begun(): { body: RequestBody; next: Promise<Uint8Array | null> } {
  const started = body();
  return { body: started, next: started.next() };
}

/** Whether so many bytes can still be kept. */
function hasRoom(ahead: ReadAhead, count: number): boolean {
  return count + PIECE_BYTES <= ahead.room;
}

Deno.test("RequestBody.deliver() keeps no more than it may, however small the pieces are, and has room again for what was used", async () => {
  for (const size of [0, 1, 5000, AHEAD_BYTES / 2]) {
    const ahead = new ReadAhead(AHEAD_BYTES);
    const body = new LastBody(ahead);
    let kept = 0;
    while (!await isPending(body.deliver(new Uint8Array(size)))) kept++;
    assertLess(kept * (size + PIECE_BYTES), AHEAD_BYTES + 1);
    assertGreater((kept + 1) * (size + PIECE_BYTES), AHEAD_BYTES);
    for (let i = 0; i <= kept; i++) assertEquals((await body.next())?.length, size);
    body.end((kept + 1) * size);
    assertEquals(await body.next(), null);
    body.discard();
    assertEquals(ahead.room, AHEAD_BYTES);
  }
});

Deno.test("RequestBody.next() gives the very bytes that are delivered, and the next ones wait until they were used", async () => {
  const { body, next } = begun();
  assert(body.isAwaited);
  const [first, second] = [bytes(10, 1), bytes(20, 2)];
  const firstDelivery = body.deliver(first);
  assertStrictEquals(await next, first);
  assertFalse(body.isAwaited);
  assert(await isPending(firstDelivery), "the receiving loop goes on although the bytes are in use");
  const afterFirst = body.next();
  await firstDelivery;
  const secondDelivery = body.deliver(second);
  assertStrictEquals(await afterFirst, second);
  assert(await isPending(secondDelivery));
  const last = body.next();
  await secondDelivery;
  body.end(30);
  assertEquals(await last, null);
});

Deno.test("RequestBody.deliver() keeps copies until the handler begins, then gives them in their order", async () => {
  const early = body();
  const shared = bytes(10, 1);
  await early.deliver(shared);
  shared.set(bytes(10, 2));
  await early.deliver(shared);
  shared.fill(0);
  assertFalse(early.isAwaited);
  assertEquals(await early.next(), bytes(10, 1));
  assertEquals(await early.next(), bytes(10, 2));
  const third = early.next();
  assert(early.isAwaited);
  const delivery = early.deliver(shared);
  assertStrictEquals(await third, shared);
  assert(await isPending(delivery), "it was kept although the handler had begun");
});

Deno.test("RequestBody.deliver() waits for the handler when there is no room to keep", async () => {
  const full = body(100 + PIECE_BYTES);
  await full.deliver(bytes(100, 1));
  const waiting = bytes(1, 2);
  const delivery = full.deliver(waiting);
  assert(await isPending(delivery));
  assertEquals(await full.next(), bytes(100, 1));
  assert(await isPending(delivery));
  assertStrictEquals(await full.next(), waiting);
  assert(await isPending(delivery));
  const last = full.next();
  await delivery;
  full.end(101);
  assertEquals(await last, null);
});

Deno.test("bodies of one connection share the room, and each gives back its own", async () => {
  const ahead = new ReadAhead(1000 + 2 * PIECE_BYTES);
  const [first, second] = [new LastBody(ahead), new LastBody(ahead)];
  await first.deliver(bytes(600));
  await second.deliver(bytes(400));
  assertFalse(hasRoom(ahead, 0));
  await first.next();
  assertFalse(hasRoom(ahead, 0), "the room is given away while the bytes are in use");
  const more = first.next();
  assert(hasRoom(ahead, 600));
  assertFalse(hasRoom(ahead, 601));
  second.fail(cancelled());
  assert(hasRoom(ahead, 1000 + PIECE_BYTES));
  first.end(600);
  assertEquals(await more, null);
});

Deno.test("RequestBody.end() that comes before the handler has begun is found behind what was kept", async () => {
  for (const pieces of [[], [bytes(5, 1)], [bytes(5, 1), bytes(7, 2)]]) {
    const early = body();
    for (const piece of pieces) await early.deliver(piece);
    early.end(pieces.reduce((sum, { length }) => sum + length, 0));
    for (const piece of pieces) assertEquals(await early.next(), piece);
    assertEquals(await early.next(), null);
  }
});

Deno.test("RequestBody.end() with another size than what came is Corrupt, and says both", async () => {
  for (const size of [0, 9, 11, 2 ** 40]) {
    const early = body();
    await early.deliver(bytes(10));
    early.end(size);
    const { message } = await assertFailsWith("Corrupt", () => early.next(), `${size} bytes`);
    assertEquals(message, `10 bytes arrived of ${size} that were sent`);
    const { body: late, next } = begun();
    const delivery = late.deliver(bytes(10));
    await next;
    const last = late.next();
    await delivery;
    late.end(size);
    await assertFailsWith("Corrupt", () => last, `${size} bytes, while the handler waits`);
  }
});

Deno.test("RequestBody.fail() reaches the handler at once, lets the receiving loop go on, and drops what was kept", async () => {
  const { body: waited, next } = begun();
  waited.fail(cancelled());
  await assertFailsWith("Cancelled", () => next);
  await assertFailsWith("Cancelled", () => waited.next(), "it stays failed");

  const inUse = begun();
  const delivery = inUse.body.deliver(bytes(10));
  await inUse.next;
  inUse.body.fail(cancelled());
  await delivery;
  await assertFailsWith("Cancelled", () => inUse.body.next());
  await inUse.body.deliver(bytes(10));

  const ahead = new ReadAhead(AHEAD_BYTES);
  const early = new RequestBody(ahead);
  await early.deliver(bytes(AHEAD_BYTES / 2));
  early.fail(cancelled());
  assert(hasRoom(ahead, AHEAD_BYTES - PIECE_BYTES));
  await early.deliver(bytes(AHEAD_BYTES));
  assert(hasRoom(ahead, AHEAD_BYTES - PIECE_BYTES));
  await assertFailsWith("Cancelled", () => early.next());
});

Deno.test("RequestBody.next() throws what fail() was given first", async () => {
  const failed = body();
  failed.fail(new FerryError("Timeout", "first"));
  failed.fail(cancelled());
  failed.end(5);
  const { message } = await assertFailsWith("Timeout", () => failed.next());
  assertEquals(message, "first");
});

Deno.test("RequestBody.next() gives the end when everything that has come behind it was looked at, and no earlier", async () => {
  for (const isEarly of [false, true]) {
    for (const isFailed of [false, true]) {
      const ahead = new ReadAhead(AHEAD_BYTES);
      const ended = new RequestBody(ahead);
      ahead.isSettled = false;
      if (isEarly) await ended.deliver(bytes(10));
      const first = ended.next();
      if (isEarly) assertEquals(await first, bytes(10));
      const last = isEarly ? ended.next() : first;
      ended.end(isEarly ? 10 : 0);
      assert(await isPending(last), "the receiving loop may still find that it was given up");
      if (isFailed) ended.fail(cancelled());
      else ahead.settle();
      if (isFailed) await assertFailsWith("Cancelled", () => last);
      else assertEquals(await last, null);
    }
  }
});

Deno.test("RequestBody.next() gives the end while the receiving loop is held up behind it", async () => {
  const ahead = new ReadAhead(PIECE_BYTES);
  const [first, second] = [new RequestBody(ahead), new RequestBody(ahead)];
  ahead.isSettled = false;
  first.end(0);
  const last = first.next();
  assert(await isPending(last));
  const held = second.deliver(bytes(1));
  assertEquals(await last, null);
  assertEquals(await second.next(), bytes(1));
  const more = second.next();
  await held;
  second.end(1);
  assert(await isPending(more), "it goes on, and may find something");
  ahead.settle();
  assertEquals(await more, null);
});

Deno.test("RequestBody.discard() takes everything that still comes, and keeps nothing of it", async () => {
  const ahead = new ReadAhead(AHEAD_BYTES);
  const early = new RequestBody(ahead);
  await early.deliver(bytes(1000));
  assertNotEquals(hasRoom(ahead, AHEAD_BYTES - PIECE_BYTES), true);
  early.discard();
  assert(early.isAwaited, "a body that is only taken is the client's turn");
  assert(hasRoom(ahead, AHEAD_BYTES - PIECE_BYTES));
  for (let i = 0; i < 10; i++) await early.deliver(bytes(AHEAD_BYTES));
  early.end(1);
  assert(hasRoom(ahead, AHEAD_BYTES - PIECE_BYTES));

  const { body: inUse, next } = begun();
  const delivery = inUse.deliver(bytes(10));
  await next;
  assert(await isPending(delivery));
  inUse.discard();
  await delivery;
});
