import { assertEquals } from "@std/assert";
import { type Kind, RawPeer, Served } from "./helpers/raw.ts";
import { allNames } from "./helpers/resuming.ts";

type Frames = readonly (readonly [kind: Kind, value?: unknown])[];

const PUT: Frames[number] = ["request", { command: "put", path: "f" }];
/** What cannot be understood, so that a body behind it is ignored. */
const NONSENSE: Frames[number] = ["request", { command: "fly" }];
const GIVEN_UP: Frames[number] = ["error", { code: "Cancelled", message: "" }];

/** What no frame may have that is JSON; an empty payload is none. */
const MALFORMED: readonly unknown[] = [undefined, Uint8Array.of(0x7b), null, {}, { code: "Cancelled" }, {
  code: "Sunny",
  message: "",
}];

/** What a `cancel` may not have, however many requests were sent. */
const NO_CANCELS: readonly unknown[] = [
  undefined,
  Uint8Array.of(0x7b),
  null,
  {},
  ...[0, -1, 2, 1.5, "1"].map((request) => ({
    request,
  })),
];

const text = (frames: Frames) => frames.map(([kind, value]) => `${kind} ${Deno.inspect(value)}`).join(", ");

const BROKEN: readonly Frames[] = [
  [GIVEN_UP],
  [PUT, GIVEN_UP, GIVEN_UP],
  [PUT, ["end", { size: 0 }], GIVEN_UP],
  [NONSENSE, GIVEN_UP, GIVEN_UP],
  ...[PUT, NONSENSE].flatMap((first) => MALFORMED.map((value): Frames => [first, ["error", value]])),
  ...[[], [PUT], [NONSENSE]].flatMap((before) => NO_CANCELS.map((value): Frames => [...before, ["cancel", value]])),
  ...(["hello", "ready", "entries", "ok", "notice", "disconnect"] as const).map((
    kind,
  ): Frames => [NONSENSE, [kind, {}]]),
  [NONSENSE, ["alive", {}]],
  [NONSENSE, ["end", {}]],
  [NONSENSE, ["end", { size: 0 }], ["data", Uint8Array.of(1)]],
];

for (const frames of BROKEN) {
  Deno.test(`serve() ends a session with BadRequest after ${text(frames)}`, async () => {
    await using served = await Served.with();
    using peer = await RawPeer.greeted(served.address);
    await peer.sendAll(...frames.map(([kind, value]): [Kind, unknown] => [kind, value]));
    let { outcome } = await peer.answer();
    while (!outcome.startsWith("disconnect")) ({ outcome } = await peer.answer());
    assertEquals(outcome, "disconnect BadRequest");
  });
}

const IGNORED: readonly Frames[] = [
  [["end", { size: 0 }]],
  [["data", Uint8Array.of(1)], ["data"], ["alive"], ["end", { size: 7 }]],
  [["data", Uint8Array.of(1)], GIVEN_UP],
  [["data", Uint8Array.of(1)], ["cancel", { request: 1 }], ["data", Uint8Array.of(1)], GIVEN_UP],
  [],
];

for (const frames of IGNORED) {
  Deno.test(`serve() ignores a body of ${text(frames) || "nothing"} behind what it did not understand`, async () => {
    await using served = await Served.with();
    using peer = await RawPeer.greeted(served.address);
    await peer.sendAll([...NONSENSE]);
    assertEquals((await peer.answer()).outcome, "Unsupported");
    if (frames.length > 0) await peer.sendAll(...frames.map(([kind, value]): [Kind, unknown] => [kind, value]));
    assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
    assertEquals(allNames(served.join()), []);
  });
}
