import { assertEquals } from "@std/assert";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import { concat } from "../helpers/frames.ts";
import type { RawPeer } from "../helpers/raw.ts";
import type { Answered } from "./answers.ts";
import { PART_BYTES, SHARED_PARTS } from "./dialogue.ts";

/** Where the file will be. No other request names it. */
export const SHARED_PATH = "shared.bin";

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
   * Ends the upload. Fails unless it succeeds exactly when the parts leave no gap.
   *
   * @param file Where the file is then.
   * @returns The content that it must have; undefined when there is none.
   */
  async finish(answered: readonly Answered[], file: string): Promise<Uint8Array | undefined> {
    const parts = answered.flatMap((each) => this.#partOf(each));
    await this.#host.send("end", { size: 0 });
    const { outcome } = await this.#host.answer();
    const stored = parts.filter(({ isStored }) => isStored);
    assertEquals(outcome, withoutGap(stored) === SIZE ? "ok" : "BadRequest");
    if (outcome !== "ok") return undefined;
    // A client that gives up a part has to send all of it again, or what there is of it may stay.
    if (parts.some(({ isStored, bytes }) => !isStored && bytes.length > 0)) return Deno.readFileSync(file);
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
