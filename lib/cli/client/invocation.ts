import type { Storage } from "../../storage/storage.ts";
import type { Filter } from "../../transfer/filter.ts";
import type { Place } from "../../transfer/place.ts";
import type { Retry } from "../../transfer/retry.ts";
import type { Flags } from "./flags.ts";
import type { Shell } from "./shell.ts";

/** One use of a command. */
export interface Invocation {
  readonly shell: Shell;
  readonly args: readonly string[];
  readonly flags: Flags;
  /** Which parts of a tree are taken; all when absent. */
  readonly filter: Filter | undefined;
  readonly signal: AbortSignal;
}

/** One use of a command that transfers files. */
export interface Transfer extends Invocation {
  /** The server, over as many connections as the command has asked for. */
  readonly server: Storage;
  readonly retry: Retry;
}

/** The two ends of a transfer. */
export interface Ends {
  readonly source: Place;
  readonly target: Place;
}
