import type { FileMetadata } from "../core/metadata.ts";
import type { OperationOptions, UploadOptions } from "../storage/storage.ts";
import type { Verb } from "./place.ts";
import type { Attempts, Retry } from "./retry.ts";

/** What is known of a source, such as its entry in a listing. */
export type Known = Pick<FileMetadata, "size" | "mtimeMs" | "mode">;

/** How to transfer the content of a file. */
export interface ContentOptions extends OperationOptions, Pick<UploadOptions, "overwrite" | "durable"> {
  /** What the user calls it, for messages; "copy" when absent. */
  readonly verb?: Verb | undefined;
  /** What is known of the source. Without its size a place far away may not say what it has kept of the file. */
  readonly known?: Known | undefined;
  /** Whether what an earlier attempt has left is used, after it was compared (the default). */
  readonly resume?: boolean | undefined;
  /** The time of last change that the file shall have, in ms since 1970; that of the source when absent. */
  readonly mtimeMs?: number | undefined;
  /** How many ranges of a large file are under way at the same time, where the target takes them; 1 when absent. */
  readonly connections?: number | undefined;
  /** Repeats what fails because a connection was lost; nothing is repeated when it is absent. */
  readonly retry?: Retry | undefined;
  /** Told how many bytes the target has and how many there are in all. Must not throw. */
  readonly onProgress?: ((moved: number, total: number) => void) | undefined;
  /** Told when the source only became longer meanwhile, and the target has it as it was at the start; its size then. */
  readonly onGrown?: ((size: number) => void) | undefined;
  /** Told how many bytes a target leaves for a later attempt when one was given up, where that is known. */
  readonly onKept?: ((bytes: number) => void) | undefined;
  /** Waits for the turn to send; what it gives is called when all is sent, or given up. */
  readonly turn?: (() => Promise<() => void> | (() => void)) | undefined;
  /** Those that this is one of: when the turn has come, a pause may have begun meanwhile. */
  readonly attempts?: Attempts | undefined;
}
