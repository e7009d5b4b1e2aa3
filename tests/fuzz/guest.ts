import type { Entry } from "../../lib/core/metadata.ts";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import type { Grounds } from "../helpers/attack_grounds.ts";
import type { Random } from "../helpers/random.ts";
import type { Address } from "../helpers/proxy.ts";
import { type Kind, type RawFrame, RawPeer } from "../helpers/raw.ts";
import { isAnswer } from "./receive.ts";

/** How long a frame may take that costs the server work, in ms. What others wait for is looked at elsewhere. */
const PATIENCE_MS = 30_000;

/** A frame to be sent, as `RawPeer` takes it. */
export type Sent = [kind: Kind, value?: unknown];

/** What a client sends for one request: the request, and its body if it has one. */
export type Ask = readonly Sent[];

/** A client that does nothing but harm, and looks at every frame of the server for what must not be in it. */
export class Guest implements Disposable {
  readonly peer: RawPeer;
  readonly #grounds: Grounds;
  readonly #count: (outcome: string) => void;

  private constructor(peer: RawPeer, grounds: Grounds, count: (outcome: string) => void) {
    this.peer = peer;
    this.#grounds = grounds;
    this.#count = count;
  }

  /** @param count Told of the outcome of each request: `ok`, or a code. */
  static async connect(address: Address, grounds: Grounds, count: (outcome: string) => void): Promise<Guest> {
    return new Guest(await RawPeer.greeted(address), grounds, count);
  }

  /** Sends requests without waiting for their answers. */
  async send(...asks: Ask[]): Promise<void> {
    await this.peer.sendAll(...asks.flat());
  }

  /**
   * Receives the answers to so many requests.
   *
   * @param onFrame Told of the frames before them.
   * @returns The frames that end them.
   */
  async answers(count: number, onFrame: (frame: RawFrame) => void = () => {}): Promise<RawFrame[]> {
    const answers: RawFrame[] = [];
    while (answers.length < count) {
      const frame = await this.peer.receive(PATIENCE_MS);
      if (!frame) throw new Error("the server has ended the connection");
      this.#grounds.checkSent(frame.payload);
      if (!isAnswer(frame)) {
        onFrame(frame);
        continue;
      }
      answers.push(frame);
      this.#count(frame.kind === "ok" ? "ok" : String((frame.value as { code?: string }).code));
    }
    return answers;
  }

  /** Sends one request and receives its answer. @returns `ok`, or a code. */
  async ask(ask: Ask, onFrame?: (frame: RawFrame) => void): Promise<string> {
    await this.send(ask);
    const [answer] = await this.answers(1, onFrame);
    return answer?.kind === "ok" ? "ok" : String((answer?.value as { code?: string }).code);
  }

  /** Lists all that is in a directory. */
  async list(path: string): Promise<{ outcome: string; entries: Entry[] }> {
    const entries: Entry[] = [];
    const outcome = await this.ask(request({ command: "dir", path, recursive: true }), ({ kind, value }) => {
      if (kind === "entries") entries.push(...MESSAGES.entries(value, kind));
    });
    return { outcome, entries };
  }

  /**
   * Asks the same things over and over until a time of `performance.now()`: some of them at once, which may end in the
   * middle, and some more before those are answered.
   */
  async repeat(asks: readonly Ask[], until: number, random: Random): Promise<void> {
    let [asked, answered] = [0, 0];
    do {
      const before = asked;
      const some = 1 + random.below(random.pick([3, 3 * asks.length]));
      await this.send(...Array.from({ length: some }, () => asks[asked++ % asks.length] ?? []));
      await this.answers(before - answered);
      answered = before;
    } while (performance.now() < until || asked % asks.length > 0);
    await this.answers(asked - answered);
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
  }
}

/** A request without a body. */
export function request(fields: Record<string, unknown>): Ask {
  return [["request", fields]];
}

/** An upload that goes at once. */
export function upload(path: string, content: Uint8Array): Ask {
  return [["request", { command: "put", path, size: content.length, mtimeMs: 1_700_000_000_000 }], ["data", content], [
    "end",
    { size: content.length },
  ]];
}
