import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { type Client, connect, FerryError } from "../../lib/mod.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes, sameBytes } from "../helpers/frames.ts";
import { bytes, Random } from "../helpers/random.ts";
import { FakeServer, type Kind, namesIn, type RawPeer, within } from "../helpers/raw.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";
import { type Cases, Tally, type Target } from "./target.ts";

/** What a server sends that does not stop by itself. */
const ENDLESS_BYTES = 24 * 1024 * 1024;

/** How much more memory a client may have while it is sent that, besides what it gives to its consumer, in bytes. */
const MEMORY_BYTES = 96 * 1024 * 1024;

/** How long a client may take to give up once the server has said what it must not say, or has gone, in ms. */
const GIVE_UP_MS = 10_000;

/** So many bytes of what is repeated are sent at once. */
const CHUNK_BYTES = 64 * 1024;

const CONTENT = bytes(3000, 4);
const LARGE = bytes(2_500_000, 5);
const FACTS = { size: CONTENT.length, mtimeMs: 1e12, version: "v" };
const ENTRY = { path: "a", kind: "file", size: 1, mtimeMs: 1e12 };
const NOTHING_KEPT = { covered: 0, blockSize: 2 ** 20, hashes: "", kept: "" };
const ERROR = { code: "NotFound", message: "no such file", path: "a" };

/** What the client does. It takes note of what it has got, so that somebody can look at that. */
interface Doing {
  /** What a right answer is, for the server to begin with. */
  readonly answer: readonly (readonly [Kind, unknown?])[];
  /** Frames that may come in any number before the answer is complete. */
  readonly endless: readonly Kind[];
  /** Whether the first frame answers a request of its own. */
  readonly asksFirst?: boolean;
  run(client: Client, local: TempDir, got: (n: number) => void): Promise<unknown>;
}

const OPERATIONS: Readonly<Record<string, Doing>> = {
  "get to a file": {
    answer: [["ready", FACTS], ["data", CONTENT], ["end", { size: CONTENT.length }], ["ok", {}]],
    endless: [],
    run: (client, local) => client.get("a", local.join("got")),
  },
  "get to a stream": {
    answer: [["ready", FACTS], ["data", CONTENT], ["end", { size: CONTENT.length }], ["ok", {}]],
    endless: [],
    run: (client, _local, got) => client.get("a", new WritableStream({ write: ({ length }) => got(length) })),
  },
  "dir": {
    answer: [["entries", [ENTRY]], ["ok", { entries: 1 }]],
    endless: ["entries"],
    run: (client) => drain(client.dir()),
  },
  "dir, read once": {
    answer: [["entries", [ENTRY]], ["ok", { entries: 1 }]],
    endless: ["entries"],
    run: async (client) => {
      for await (const _ of client.dir("a", { recursive: true })) break;
    },
  },
  "stat": {
    answer: [["ok", { kind: "file", ...FACTS }]],
    endless: [],
    run: (client) => client.stat("a"),
  },
  "sum": {
    answer: [["ok", { sha256: "0".repeat(64), size: 1, version: "v" }]],
    endless: [],
    run: (client) => client.sum("a"),
  },
  "mkdir": { answer: [["ok", {}]], endless: [], run: (client) => client.mkdir("a") },
  "a small put": {
    answer: [["ok", { path: "a", durable: false, ...FACTS }]],
    endless: [],
    run: (client, local) => client.put(local.join("small"), "a"),
  },
  "a large put": {
    answer: [["ok", NOTHING_KEPT], ["ok", { path: "a", durable: false, ...FACTS, size: LARGE.length }]],
    asksFirst: true,
    endless: [],
    run: (client, local) => client.put(local.join("large"), "a"),
  },
  "a put of a stream": {
    answer: [["ok", NOTHING_KEPT], ["ok", { path: "a", durable: false, ...FACTS }]],
    asksFirst: true,
    endless: [],
    run: (client) => client.put(new Blob([CONTENT]).stream(), "a"),
  },
};

async function drain(entries: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of entries);
}

/** Frames that a client may be sent without end. */
const REPEATED: readonly [Kind, unknown?][] = [
  ["ready", FACTS],
  ["ready", {}],
  ["ready", { upload: "name" }],
  ["entries", [ENTRY]],
  ["entries", []],
  ["data", bytes(1000, 6)],
  ["data", new Uint8Array()],
  ["end", { size: 0 }],
  ["ok", {}],
  ["error", ERROR],
  ["notice", { text: "hello", reason: "message" }],
  ["alive"],
  ["disconnect", ERROR],
  ["cancel", { request: 1 }],
  ["request", { command: "get", path: "a" }],
  ["hello", { ferry: [1] }],
];

/** Values that a size in an answer may have. */
const SIZES = [0, 1, CONTENT.length, CONTENT.length + 1, 2 ** 40, 2 ** 53 - 1] as const;

/** What one server does, and what came of it. */
class Impostor {
  readonly endless: readonly [Kind, unknown?] | undefined;
  readonly #answer: readonly (readonly [Kind, unknown?])[];
  readonly #asksFirst: boolean;
  readonly #random: Random;
  /** Whether all of the endless frames were taken, and when, on the clock of `performance.now()`. */
  sentAllAt = Infinity;
  /** The size that it has announced for a file, if any. */
  announced: number | undefined;

  constructor(random: Random, { answer, asksFirst = false }: Doing) {
    this.#random = random;
    this.#asksFirst = asksFirst;
    this.#answer = answer.map((frame) => this.#maybeChanged(frame));
    this.endless = random.below(3) ? REPEATED[random.below(REPEATED.length)] : undefined;
  }

  /** Whether a client has to take all of what is sent without end. */
  maySendEndlessly(endless: readonly Kind[]): boolean {
    const [kind, value] = this.endless ?? [];
    if (kind === undefined || kind === "notice" || kind === "alive" || endless.includes(kind)) return true;
    const isEmpty = value instanceof Uint8Array && value.length === 0;
    return kind === "data" && (isEmpty || (this.announced ?? 0) > ENDLESS_BYTES);
  }

  async serve(peer: RawPeer): Promise<void> {
    const beginning = this.#answer.slice(0, this.#random.below(this.#answer.length + 1));
    if (!await receiveRequest(peer)) return;
    for (const [i, [kind, value]] of beginning.entries()) {
      if (i === 1 && this.#asksFirst && !await receiveRequest(peer)) return;
      if (kind === "ready" || kind === "data") this.#announce(value);
      await peer.send(kind, value);
    }
    if (this.endless) await Promise.race([this.#sendEndlessly(peer, this.endless), this.#takeAll(peer)]);
    // All that was sent may take the client a while.
    await peer.conn.closeWrite();
    while (await receiveRequest(peer));
  }

  /** A client that is sending would stand still if nobody read. */
  async #takeAll(peer: RawPeer): Promise<void> {
    while (await receiveRequest(peer));
    await new Promise(() => {});
  }

  async #sendEndlessly(peer: RawPeer, [kind, value]: readonly [Kind, unknown?]): Promise<void> {
    const payload = value instanceof Uint8Array ? value : value === undefined ? "" : JSON.stringify(value);
    const frame = frameBytes(FrameKind[kind], payload);
    const chunk = concat(...Array.from({ length: Math.ceil(CHUNK_BYTES / frame.length) }, () => frame));
    if (kind === "ready") this.#announce(value);
    for (let sent = 0; sent < ENDLESS_BYTES; sent += chunk.length) await peer.sendBytes(chunk);
    this.sentAllAt = performance.now();
  }

  #announce(value: unknown): void {
    if (this.announced !== undefined || typeof value !== "object" || value === null || !("size" in value)) return;
    this.announced = Number(value.size);
  }

  #maybeChanged(frame: readonly [Kind, unknown?]): readonly [Kind, unknown?] {
    const [kind, value] = frame;
    switch (this.#random.below(8)) {
      case 0:
        return REPEATED[this.#random.below(REPEATED.length)] ?? frame;
      case 1:
        return value instanceof Uint8Array ? [kind, bytes(this.#random.below(2 * CONTENT.length), 8)] : frame;
      case 2:
        if (typeof value !== "object" || value === null || !("size" in value)) return frame;
        return [kind, { ...value, size: this.#random.pick(SIZES) }];
      default:
        return frame;
    }
  }
}

/** Passes over what comes before the next request. @returns Whether one came. */
async function receiveRequest(peer: RawPeer): Promise<boolean> {
  for (;;) {
    const frame = await peer.receive(GIVE_UP_MS * 3);
    if (!frame || frame.kind === "request") return frame !== undefined;
  }
}

/** Servers that say too much, the wrong thing, or nothing more, to clients of the library. */
export class Impostors implements Cases {
  readonly seen = new Tally();
  readonly #local: TempDir;
  /** Whether this process does nothing else, so that the memory it takes is that of the client. */
  readonly #isAlone: boolean;

  private constructor(local: TempDir, isAlone: boolean) {
    this.#local = local;
    this.#isAlone = isAlone;
    Deno.writeFileSync(local.join("small"), CONTENT);
    Deno.writeFileSync(local.join("large"), LARGE);
  }

  static async open(isAlone: boolean): Promise<Impostors> {
    return new Impostors(await tempDir(), isAlone);
  }

  async run(random: Random): Promise<void> {
    const names = Object.keys(OPERATIONS);
    const name = names[random.below(names.length)] ?? "";
    const doing = OPERATIONS[name];
    assert(doing);
    const impostor = new Impostor(new Random(random.u32()), doing);
    await using server = FakeServer.welcoming((peer) => impostor.serve(peer), { allows: [...RIGHTS] });
    const client = await connect(server.address);
    const memory = new MemoryWatch();
    let got = 0;
    let settledAt = 0;
    const result = await within(
      doing.run(client, this.#local, (n) => got += n).then(() => "ok", (error: unknown) => error)
        .finally(() => settledAt = performance.now()),
      `the end of ${name} of ${JSON.stringify(impostor.endless)}`,
      GIVE_UP_MS * 3,
    );
    // Whatever the server does, the client can leave.
    await within(client[Symbol.asyncDispose](), `the end of the connection after ${name}`, GIVE_UP_MS);
    const most = memory.stop();
    assert(result === "ok" || result instanceof FerryError, `${name} failed with ${Deno.inspect(result)}`);
    const isEndless = settledAt > impostor.sentAllAt && !impostor.maySendEndlessly(doing.endless);
    assert(!isEndless, `${name} went on with ${JSON.stringify(impostor.endless)}`);
    assertLessOrEqual(got, impostor.announced ?? 0, `${name} gave more than was announced`);
    if (this.#isAlone) {
      assertLessOrEqual(most, MEMORY_BYTES, `${name} of ${JSON.stringify(impostor.endless)} took memory`);
    }
    await this.#checkLocal(result === "ok" && name === "get to a file");
    this.seen.add(result === "ok" ? "ok" : result.code);
    if (impostor.sentAllAt < Infinity) this.seen.add("endless");
  }

  /** Fails unless there are the files that were there, and the one that was got, if it was. */
  async #checkLocal(hasGot: boolean): Promise<void> {
    const names = await namesIn(this.#local.path);
    assertEquals(names, hasGot ? ["got", "large", "small"] : ["large", "small"]);
    assert(sameBytes(Deno.readFileSync(this.#local.join("small")), CONTENT), "a local file was changed");
    for (const { name } of Deno.readDirSync(this.#local.path)) {
      if (name !== "large" && name !== "small") Deno.removeSync(this.#local.join(name));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#local[Symbol.asyncDispose]();
  }
}

/** Looks at the memory of this process now and then. */
class MemoryWatch {
  readonly #before = MemoryWatch.#now();
  #most = 0;
  readonly #timer = setInterval(() => this.#look(), 5);

  static #now(): number {
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  }

  #look(): void {
    this.#most = Math.max(this.#most, MemoryWatch.#now() - this.#before);
  }

  /** @returns How much more there was than in the beginning, at most, in bytes. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return this.#most;
  }
}

/** No server makes a client hang, take memory without bound, or believe what is wrong. */
export const IMPOSTOR: Target = {
  name: "impostor",
  share: 0.3,
  atOnce: 1,
  isTimed: true,
  open: () => Impostors.open(true),
};
