import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import { COMMANDS } from "../../lib/protocol/commands.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes, type Random } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { type Ask, type Guest, request, upload } from "./guest.ts";
import { Siege } from "./siege.ts";
import type { Target } from "./target.ts";

/** Where parts begin: next to each other, apart, and as far as numbers go. */
const OFFSETS = [0, 0, 1, 999, 1000, 4096, 2 ** 20, 2 ** 31 - 1, 2 ** 43 - 2, 2 ** 53 - 2] as const;

/** What uploads say that they will send. */
const SIZES = [undefined, 3000, 2 ** 33, 2 ** 43, 2 ** 53 - 1] as const;

/** So many uploads of a byte are begun and left. */
const FLOOD = 6000;
const FLOOD_AT_ONCE = 500;

/** So many partial files of one owner may be left at most; see `docs/security.md`. */
const MOST_LEFT = 1000;

/** How long somebody who wants to upload may wait for an answer because of what others have left, in ms. */
const ANSWER_MS = 3_000;

const CONTENT = bytes(3000, 9);
const PARTIAL = /^\.ferry-[0-9a-f]{16}\.part$/;
const GIVEN_UP = { code: "Cancelled", message: "given up" };

/** Bytes of a file that have arrived: from the first to behind the last. */
type Range = readonly [start: number, end: number];

/** How many bytes from the beginning the ranges have among them. */
function inOnePiece(ranges: readonly Range[]): number {
  let size = 0;
  for (const [start, end] of ranges.toSorted(([a], [b]) => a - b)) if (start <= size) size = Math.max(size, end);
  return size;
}

/** An upload that is left: its first bytes, then word that it is given up. */
function leave(path: string): Ask {
  return [
    ["request", { command: "put", path, size: CONTENT.length }],
    ["data", CONTENT.subarray(0, 1)],
    ["error", GIVEN_UP],
  ];
}

/** Clients that leave uploads in every state, and one who then uploads files of the same names. */
class Leftovers extends Siege {
  static async open(): Promise<Leftovers> {
    return new Leftovers(...await Siege.prepare());
  }

  protected override async attack(random: Random): Promise<void> {
    using user = await this.guest();
    try {
      for (let i = random.below(3); i >= 0; i--) {
        const path = `film ${i}`;
        const sent = await this.#leaveShared(random, path);
        await within(this.#upload(user, path, sent), "the answer to who uploads", ANSWER_MS);
      }
      if (random.below(4) === 0) await this.#flood(user);
      assertLessOrEqual(this.#leftovers, MOST_LEFT, "partial files are left");
    } finally {
      this.clear();
    }
  }

  get #leftovers(): number {
    return this.names.filter((name) => PARTIAL.test(name)).length;
  }

  /** Begins an upload, sends parts of it, and leaves it. @returns What has arrived. */
  async #leaveShared(random: Random, path: string): Promise<Range[]> {
    using host = await this.guest();
    using helper = await this.guest();
    const size = random.pick(SIZES);
    await host.send(request({ command: "put", path, size, mtimeMs: 1e12, shared: true }));
    const ready = await host.peer.receive();
    if (ready?.kind !== "ready") return [];
    const { upload } = MESSAGES.readyToReceive(ready.value, "ready");
    const sent: Range[] = [];
    for (let i = random.below(5); i > 0; i--) {
      const offset = random.pick(OFFSETS);
      const part = CONTENT.subarray(0, random.pick([1, 2, 1000, CONTENT.length]));
      const end: Ask[number] = random.below(4) ? ["end", { size: part.length }] : ["error", GIVEN_UP];
      await helper.ask([["request", { command: "part", upload, offset }], ["data", part], end]);
      sent.push([offset, offset + part.length]);
    }
    const last = random.below(3);
    if (last === 0) await host.send([["end", { size: 0 }]]);
    if (last === 1) await host.send([["error", GIVEN_UP]]);
    if (last < 2) await host.answers(1);
    return sent;
  }

  /** Asks what was kept, which cannot be more than arrived, then uploads a file of that name. */
  async #upload(user: Guest, path: string, sent: readonly Range[]): Promise<void> {
    const kept = await this.#kept(user, path);
    this.seen.add(kept > 0 ? "something is kept" : "nothing is kept");
    assertLessOrEqual(kept, inOnePiece(sent), "bytes are kept that were not received in one piece");
    // Who has left it may be about to be noticed.
    let outcome = "Busy";
    while (outcome === "Busy") outcome = await user.ask(upload(path, CONTENT));
    assertEquals(outcome, "ok");
    const { data } = await user.peer.ask({ command: "get", path });
    assert(sameBytes(data, CONTENT), `${path} has ${data.length} bytes that are not what was uploaded last`);
  }

  /** How many bytes the server says that it has kept. */
  async #kept(user: Guest, path: string): Promise<number> {
    for (;;) {
      const { outcome, fields } = await user.peer.ask({ command: "offer", path, size: 2 ** 20 });
      if (outcome === "ok") return COMMANDS.offer.ok(fields, "ok").covered;
      // Who has left it may be about to be noticed.
      assertEquals(outcome, "Busy");
    }
  }

  async #flood(guest: Guest): Promise<void> {
    for (let i = 0; i < FLOOD; i += FLOOD_AT_ONCE) {
      await guest.send(...Array.from({ length: FLOOD_AT_ONCE }, (_, k) => leave(`${i + k}`)));
      await guest.answers(FLOOD_AT_ONCE);
    }
    this.seen.add("flooded");
  }
}

/** What is left of uploads keeps nobody from uploading, and does not pile up. */
export const LEFTOVERS: Target = {
  name: "leftovers",
  share: 0.05,
  atOnce: 1,
  isTimed: true,
  open: () => Leftovers.open(),
};
