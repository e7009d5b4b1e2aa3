import { assertEquals } from "@std/assert";
import type { Client, FileMetadata, PutOptions, Receipt, ServeOptions, Storage } from "../../lib/mod.ts";
import { encodeBlocks } from "../../lib/protocol/block_fields.ts";
import { sumBlocks } from "../../lib/storage/directory/sum_blocks.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { bytes } from "./random.ts";
import { assertFile, type RawFrame, Served, within } from "./raw.ts";
import { type TempDir, tempDir } from "./temp.ts";

export const MIB = 1024 * 1024;

/** Which way a file goes. */
export type Direction = "get" | "put";

/** Both directions of a transfer. */
export const DIRECTIONS: readonly Direction[] = ["get", "put"];

/** Three blocks and a part of a fourth. */
export const CONTENT = bytes(3 * MIB + 12_345, 7);

/** A copy with one bit of one byte turned around. */
export function flipped(content: Uint8Array, at: number): Uint8Array {
  const copy = content.slice();
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

/** Names in a directory, hidden ones too, sorted. */
export function allNames(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}

/** A server and a local directory; one has a file under the name `f`, the other what an interrupted transfer left. */
export class Resuming implements AsyncDisposable {
  private constructor(readonly direction: Direction, readonly served: Served, readonly local: TempDir) {}

  /** @param kept What was left; nothing when absent. */
  static async of(
    direction: Direction,
    content: Uint8Array,
    kept?: Uint8Array,
    options: Partial<ServeOptions> = {},
    operations?: (storage: Storage) => Partial<Storage>,
  ): Promise<Resuming> {
    const scene = new Resuming(direction, await Served.with({}, options, operations), await tempDir());
    await scene.setSource(content);
    if (kept) await Deno.writeFile(scene.partial, kept);
    return scene;
  }

  get source(): string {
    return this.direction === "get" ? this.served.join("f") : this.local.join("f");
  }

  get target(): string {
    return this.direction === "get" ? this.local.join("f") : this.served.join("f");
  }

  /** The directory in which the file is to appear. */
  get targetDirectory(): string {
    return this.direction === "get" ? this.local.path : this.served.join();
  }

  /** Where what was left of an interrupted transfer lies. */
  get partial(): string {
    return `${this.targetDirectory}/${temporaryName("f")}`;
  }

  /** The size of what was left; 0 when there is nothing. */
  get partialBytes(): number {
    return allNames(this.targetDirectory).includes(temporaryName("f")) ? Deno.statSync(this.partial).size : 0;
  }

  /** Writes the source anew, with a time of its own so that it is not taken for one that is being written. */
  async setSource(content: Uint8Array, second = 0): Promise<void> {
    await Deno.writeFile(this.source, content);
    const time = new Date(1_700_000_000_000 + second * 1000);
    await Deno.utime(this.source, time, time);
  }

  /** Transfers the file. */
  transfer(client: Client, options: PutOptions = {}): Promise<FileMetadata | Receipt> {
    const path = this.local.join("f");
    const transfer: Promise<FileMetadata | Receipt> = this.direction === "get"
      ? client.get("f", path, options)
      : client.put(path, "f", options);
    return within(transfer, `the end of the ${this.direction}`, 10_000);
  }

  /** Transfers the file over a connection of its own. @returns How many bytes of content travelled. */
  async transferred(options: PutOptions = {}): Promise<number> {
    const before = this.served.events.of("close").length;
    {
      await using client = await this.served.connect();
      await this.transfer(client, options);
    }
    await this.served.events.until("close", before + 1);
    const transfers = this.served.events.of("command").filter(({ command }) => command === this.direction);
    return transfers.at(-1)?.bytes ?? NaN;
  }

  /** Fails unless the target has this content and the time of the source, and nothing is beside it. */
  async assertDone(content: Uint8Array): Promise<void> {
    assertEquals(allNames(this.targetDirectory), ["f"]);
    await assertFile(this.target, content);
    assertEquals((await Deno.stat(this.target)).mtime, (await Deno.stat(this.source)).mtime);
  }

  /** Fails unless nothing is under the name, and `bytes` bytes are kept. */
  assertKept(bytes: number): void {
    assertEquals(allNames(this.targetDirectory), bytes === 0 ? [] : [temporaryName("f")]);
    assertEquals(this.partialBytes, bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.served[Symbol.asyncDispose]();
    await this.local[Symbol.asyncDispose]();
  }
}

/** The fields that carry the sums of the blocks of `content`. */
export async function fieldsOf(content: Uint8Array, blockSize = MIB) {
  let at = 0;
  const read = (into: Uint8Array) => {
    const piece = content.subarray(at, at + into.length);
    into.set(piece);
    at += piece.length;
    return piece.length > 0 ? piece.length : null;
  };
  return encodeBlocks(await sumBlocks(read, { length: content.length, blockSize }));
}

/** The metadata of `CONTENT` on a made-up server. */
export const FACTS = { size: CONTENT.length, mtimeMs: 1_700_000_000_000, version: "v" };

/** What is tested of a request. */
export interface Asked {
  readonly command: string;
  readonly offset?: number;
}

/** The request in a frame. */
export function asked(frame: RawFrame | undefined): Asked | undefined {
  return frame?.kind === "request" ? frame.value as Asked : undefined;
}
