import { assert } from "@std/assert";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import { concat } from "../helpers/frames.ts";
import type { RawPeer } from "../helpers/raw.ts";
import type { Answered } from "./answers.ts";
import { PART_BYTES, SHARED_PARTS } from "./dialogue.ts";

/** Where the file will be. No other request names it. */
const SHARED_PATH = "shared.bin";

const SIZE = SHARED_PARTS * PART_BYTES;

/** A part of the file as it travelled. */
interface Part {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isStored: boolean;
}

/** An upload that one client has begun, and that others may send parts of. */
export class SharedUpload {
  readonly name: string;
  readonly #host: RawPeer;

  private constructor(host: RawPeer, name: string) {
    this.#host = host;
    this.name = name;
  }

  static async begin(host: RawPeer): Promise<SharedUpload> {
    await host.send("request", {
      command: "put",
      path: SHARED_PATH,
      size: SIZE,
      mtimeMs: 1e12,
      shared: true,
    });
    const { upload } = MESSAGES.readyToReceive((await host.receive())?.value, "ready");
    return new SharedUpload(host, upload);
  }

  /**
   * Ends the upload. Fails unless it succeeds exactly when the parts leave no gap, and none was given up in the middle.
   *
   * @returns The content that it must have; undefined when there is none.
   */
  async finish(answered: readonly Answered[]): Promise<Uint8Array | undefined> {
    const parts = answered.flatMap((each) => this.#partOf(each));
    await this.#host.send("end", { size: 0 });
    const { outcome } = await this.#host.answer();
    const stored = parts.filter(({ isStored }) => isStored);
    const isWhole = withoutGap(stored) === SIZE;
    // What a client has given up in the middle may lie over other parts, unless all of it was sent again.
    const isInDoubt = parts.some(({ isStored, bytes }) => !isStored && bytes.length > 0);
    assert(isWhole && outcome === "ok" || (!isWhole || isInDoubt) && outcome === "BadRequest", outcome);
    if (outcome !== "ok") return undefined;
    const content = new Uint8Array(SIZE);
    for (const { offset, bytes } of stored) content.set(bytes, offset);
    return content;
  }

  #partOf({ request, body, answer }: Answered): Part[] {
    if (request?.command !== "part" || request.upload !== this.name) return [];
    return [{ offset: request.offset, bytes: concat(...body.parts), isStored: answer.at(-1)?.kind === "ok" }];
  }
}

/** How many bytes from the beginning the parts have among them. */
function withoutGap(parts: readonly Part[]): number {
  let size = 0;
  for (const { offset, bytes } of parts.toSorted((a, b) => a.offset - b.offset)) {
    if (offset <= size) size = Math.max(size, offset + bytes.length);
  }
  return size;
}
