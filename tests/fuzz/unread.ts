import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import type { Random } from "../helpers/random.ts";
import type { RawFrame } from "../helpers/raw.ts";
import { type Ask, type Guest, request } from "./guest.ts";
import { Siege } from "./siege.ts";
import type { Target } from "./target.ts";

/** The large directory: so many names that to hold them all for each client would show, of this length. */
const NAMES = 100_000;
const NAME_CHARACTERS = 220;

/** A file that no buffer takes. */
const BIG_BYTES = 64 * 1024 * 1024;

/** The most clients that do not read. */
const CLIENTS = 24;

/**
 * What the server may take: what its process takes before it serves anybody, with what V8 leaves lying about; for each
 * client its buffers; and the names that it holds for all listings together. In MiB; see `docs/security.md`.
 */
const MEMORY_MIB = 256 + CLIENTS * 6.5 + 32;

/** The server stands still when it has not worked for so long, in ms. */
const STILL_MS = 150;

/** It is enough when it has worked for so long, in ms: then all have been begun. */
const BUSY_MS = 4_000;

const MANY = request({ command: "dir", path: "many" });

/** What is asked, and not read. */
function randomAsks(random: Random): Ask[] {
  const big = request({ command: "get", path: "big" });
  switch (random.below(6)) {
    case 0:
      return Array.from({ length: 1 + random.below(50) }, () => big);
    case 1:
      return [request({ command: "dir", recursive: true }), MANY];
    case 2:
      return Array.from({ length: 900 }, () => request({ command: random.pick(["stat", "dir"]), path: "few" }));
    default:
      return Array.from({ length: 1 + random.below(20) }, () => MANY);
  }
}

/** Fails unless the answer to a listing that was told in order is complete, or is said not to be. */
class Listing {
  #last = "";
  #count = 0;

  take({ kind, value }: RawFrame): void {
    if (kind !== "entries") return;
    for (const { path } of MESSAGES.entries(value, kind)) {
      assert(path > this.#last, `${path.slice(0, 20)} is not in order`);
      this.#last = path;
      this.#count++;
    }
  }

  check(outcome: string): void {
    if (outcome === "ok") assertEquals(this.#count, NAMES, "a listing said that it was complete");
    else assert(["Changed", "NotFound", "Busy"].includes(outcome), outcome);
  }
}

/** Clients that ask for much and do not read, while the memory of the server is looked at. */
class Unread extends Siege {
  static async open(): Promise<Unread> {
    const siege = new Unread(...await Siege.prepare());
    const { root } = siege.grounds;
    Deno.mkdirSync(`${root}/many`);
    Deno.mkdirSync(`${root}/few`);
    Deno.writeFileSync(`${root}/big`, new Uint8Array());
    Deno.truncateSync(`${root}/big`, BIG_BYTES);
    for (let i = 0; i < NAMES; i++) {
      // The order on the disk is another than that of the names.
      const name = String((i * 7919) % NAMES).padEnd(NAME_CHARACTERS, "-");
      Deno.writeFileSync(`${root}/many/${name}`, new Uint8Array());
    }
    return siege;
  }

  protected override async attack(random: Random): Promise<void> {
    await using guests = new AsyncDisposableStack();
    const all: { guest: Guest; asks: Ask[] }[] = [];
    for (let i = random.below(CLIENTS); i >= 0; i--) {
      const guest = guests.use(await this.guest());
      const asks = randomAsks(random);
      await guest.send(...asks);
      all.push({ guest, asks });
    }
    await this.#standsStill();
    this.#checkMemory();
    this.seen.add("not read");
    const moves = random.below(3) === 0;
    if (moves) Deno.renameSync(`${this.grounds.root}/many`, `${this.grounds.root}/moved`);
    try {
      const readers = all.filter(({ asks: [first] }) => first === MANY).slice(
        0,
        random.below(3) ? 0 : 1 + random.below(2),
      );
      await Promise.all(readers.map(({ guest }) => this.#readListing(guest)));
    } finally {
      if (moves) Deno.renameSync(`${this.grounds.root}/moved`, `${this.grounds.root}/many`);
    }
    this.#checkMemory();
    this.seen.add(moves ? "moved" : "stayed");
  }

  /** Reads one of the listings that were asked for, some time later. */
  async #readListing(guest: Guest): Promise<void> {
    const listing = new Listing();
    const [answer] = await guest.answers(1, (frame) => listing.take(frame));
    const outcome = answer?.kind === "ok" ? "ok" : MESSAGES.error(answer?.value, "error").code;
    listing.check(outcome);
    this.seen.add(`read: ${outcome}`);
  }

  /** Waits until the server has nothing to do but to wait for those who do not read. */
  async #standsStill(): Promise<void> {
    const until = performance.now() + BUSY_MS;
    for (let before = -1; performance.now() < until;) {
      const { busyMs } = this.server;
      // The other client that asks for a little all the time is heard.
      if (before >= 0 && busyMs - before < STILL_MS / 2) return;
      before = busyMs;
      await delay(STILL_MS);
    }
  }

  #checkMemory(): void {
    const { peakMemory } = this.server;
    assertGreater(peakMemory, 0);
    assert(peakMemory < MEMORY_MIB, `it has had ${peakMemory.toFixed(0)} MiB, of ${MEMORY_MIB} at most`);
  }
}

/** Clients that do not read cost a bounded amount of memory, and what they read later is whole. */
export const UNREAD: Target = { name: "unread", share: 0.02, atOnce: 1, isTimed: true, open: () => Unread.open() };
