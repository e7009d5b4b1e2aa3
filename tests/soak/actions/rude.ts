import { setTimeout as delay } from "node:timers/promises";
import { createIdentity } from "../../../lib/auth/certificate.ts";
import { keyHashOf } from "../../../lib/transport/tls.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { connect, type ConnectOptions, FerryError } from "../../../lib/mod.ts";
import { frameBytes } from "../../helpers/frames.ts";
import { FrameKind } from "../../../lib/protocol/frames.ts";
import { Wrong } from "../model.ts";
import type { Worker } from "../worker.ts";
import { type Action, NothingToDo } from "./action.ts";

/** A server refuses an address after five wrong secrets within a minute; we want to be let in again. */
const SECRET_PAUSE_MS = 20_000;

let nextWrongSecret = 0;

/** A certificate that no server here has. */
const FOREIGN = keyHashOf((await createIdentity()).certificate);

/** Fails unless nobody is let in. */
async function assertStaysOut(worker: Worker, options: Partial<ConnectOptions>, signal: AbortSignal): Promise<void> {
  const error = await connect({ ...worker.place.server.at(worker.line), ...options, signal }).then(
    (client) => client.close(),
    (error: unknown) => error,
  );
  if (!(error instanceof FerryError)) throw new Wrong(`let in without the right to it: ${Deno.inspect(error)}`);
}

/** Complete messages that make no sense; none of them changes anything. */
const NONSENSE = [
  frameBytes(FrameKind.hello, '{"ferry":1}'),
  frameBytes(FrameKind.request, '{"command":"get","path":"../../etc/passwd"}'),
  frameBytes(FrameKind.request, '{"command":"put","path":".ferry-x","size":5}'),
  frameBytes(FrameKind.request, "{"),
  frameBytes(FrameKind.data, "never asked for"),
  frameBytes(FrameKind.end, '{"size":-1}'),
  frameBytes(FrameKind.cancel, '{"request":1}'),
  frameBytes(FrameKind.ready, '{"offset":1e300}'),
  frameBytes(FrameKind.ok, "{}"),
  frameBytes(200, "no such kind"),
];

/** What those do who do not belong here. */
export const RUDE = {
  "garbage": {
    weight: 4,
    async run(worker, random, signal) {
      const conn = await Deno.connect({ ...worker.line });
      try {
        const hello = random.below(2) === 0 ? [frameBytes(FrameKind.hello, '{"ferry":1}')] : [];
        const rubbish = Array.from(
          { length: random.below(8) },
          () => random.below(3) === 0 ? random.bytes(random.below(3000)) : NONSENSE[random.below(NONSENSE.length)],
        );
        for (const bytes of [...hello, ...rubbish]) if (bytes) await conn.write(bytes);
        // Some stay for a while, and say nothing.
        await delay(random.below(1000), undefined, { signal });
      } catch (error) {
        // The server has closed the connection, or we shall stop.
        if (!isGone(error)) throw error;
      } finally {
        conn.close();
      }
    },
  },
  "a wrong secret": {
    weight: 1,
    async run(worker, _random, signal) {
      if (worker.place.server.kind === "plain" || performance.now() < nextWrongSecret) throw new NothingToDo();
      nextWrongSecret = performance.now() + SECRET_PAUSE_MS;
      await assertStaysOut(worker, { secret: Secret.create() }, signal);
    },
  },
  "a wrong key": {
    weight: 1,
    async run(worker, _random, signal) {
      if (worker.place.server.kind === "plain") throw new NothingToDo();
      await assertStaysOut(worker, { keyHash: FOREIGN }, signal);
    },
  },
} satisfies Record<string, Action>;

function isGone(error: unknown): boolean {
  const { ConnectionReset, BrokenPipe, NotConnected } = Deno.errors;
  return [ConnectionReset, BrokenPipe, NotConnected].some((type) => error instanceof type) ||
    error instanceof Error && error.name === "AbortError";
}
