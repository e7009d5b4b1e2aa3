import type { FlagName } from "./flags.ts";
import type { Invocation } from "./invocation.ts";

/** What an argument of a command names, for completion. Only for a source does a `/` at the end have a meaning. */
export type ArgumentKind =
  | "remote"
  | "local"
  | "remote source"
  | "local source"
  | "remote directory"
  | "local directory"
  | "command";

/** A command that the user can type. */
export interface ShellCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** What follows the name, for help. */
  readonly parameters: string;
  readonly summary: string;
  /** The options that it has. */
  readonly flags?: readonly FlagName[];
  /** How many arguments it takes: at least, at most. */
  readonly arity: readonly [number, number];
  /** The kinds that each of its arguments can be; the last ones stand for all that follow. */
  readonly completes: readonly (ArgumentKind | readonly ArgumentKind[])[];
  /** Uses of it, each with what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  run(invocation: Invocation): Promise<void> | void;
}
