import { assert, assertEquals } from "@std/assert";
import { type ByteConn, Connection } from "../../lib/transport/connection.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { MovedClock } from "../helpers/clock.ts";
import { frameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";

// What counts as work

/** A connection on which these bytes arrive, one piece with each read. */
function arriving(...pieces: Uint8Array[]): Connection {
  const conn: ByteConn = {
    remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
    read(into) {
      const piece = pieces.shift();
      if (piece) into.set(piece);
      return Promise.resolve(piece?.length ?? null);
    },
    write: ({ length }) => Promise.resolve(length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  return new Connection(conn);
}

for (const kind of ["data", "cancel", "alive", "error", "end"] as const) {
  Deno.test(`Connection.workedAt does not count ${kind} without a payload`, async () => {
    using clock = new MovedClock();
    const connection = arriving(frameBytes(FrameKind[kind]), frameBytes(FrameKind.data, bytes(1)));
    const began = connection.workedAt;
    clock.forward(1000);
    if (kind === "alive") {
      // Nobody is told of it; when the next one is given, it has been.
      assertEquals((await connection.receive())?.kind, FrameKind.data);
      assert(connection.workedAt >= began + 1000);
      return;
    }
    assertEquals((await connection.receive())?.kind, FrameKind[kind]);
    assert(connection.progressAt >= began + 1000);
    assertEquals(connection.workedAt, began);
    assertEquals((await connection.receive())?.payload.length, 1);
    assertEquals(connection.workedAt, connection.progressAt);
  });
}

Deno.test("Connection.workedAt does not count a cancel, in one piece or in two", async () => {
  using clock = new MovedClock();
  const cancel = frameBytes(FrameKind.cancel, '{"request":1}');
  const end = frameBytes(FrameKind.end, '{"size":1}');
  const connection = arriving(
    cancel,
    cancel.subarray(0, 15),
    cancel.subarray(15),
    end.subarray(0, 15),
    end.subarray(15),
  );
  const began = connection.workedAt;
  for (let i = 0; i < 2; i++) {
    clock.forward(1000);
    assertEquals((await connection.receive())?.kind, FrameKind.cancel);
    assertEquals(connection.workedAt, began);
  }
  assertEquals((await connection.receive())?.kind, FrameKind.end);
  assertEquals(connection.workedAt, connection.progressAt);
});

Deno.test("Connection.workedAt does not count signs of life before the end", async () => {
  using clock = new MovedClock();
  const connection = arriving(frameBytes(FrameKind.alive), frameBytes(FrameKind.alive));
  const began = connection.workedAt;
  clock.forward(1000);
  assertEquals(await connection.receive(), undefined);
  assert(connection.progressAt >= began + 1000);
  assertEquals(connection.workedAt, began);
});
