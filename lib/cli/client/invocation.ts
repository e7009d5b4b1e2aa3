import type { Flags } from "./flags.ts";
import type { Shell } from "./shell.ts";

/** One use of a command. */
export interface Invocation {
  readonly shell: Shell;
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly signal: AbortSignal;
}
