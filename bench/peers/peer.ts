import type { CommandLine } from "../helpers/process.ts";

/** Directories for one peer. */
export interface Places {
  /** For its own configuration, keys and logs; empty at first. */
  readonly own: string;
  /** What it serves. */
  readonly served: string;
}

/** Something to move. `remote` is relative to the served directory, with `/`; `local` is absolute. */
export interface Transfer {
  /**
   * `get` and `put` name the file itself on both sides. `getTree` and `putTree` move a directory into one that exists:
   * `remote` "a/b" into `local` "/x" makes "/x/b", `local` "/x/b" into `remote` "a" makes "a/b".
   */
  readonly kind: "get" | "put" | "getTree" | "putTree";
  readonly remote: string;
  readonly local: string;
  /** The files of the tree, for clients that have to be told; empty for a file. */
  readonly names: readonly string[];
  /** The address of the server, which may be that of a proxy with the same ports. */
  readonly host: string;
  /** Where a file for the client can be made, such as a list of commands; exists, and is different for every client. */
  readonly notes: string;
}

/** A peer whose server is running. Disposing ends it. */
export interface RunningPeer extends AsyncDisposable {
  /** The process of the server. */
  readonly pid: number;
  /** The ports that clients connect to. */
  readonly ports: readonly number[];
  /** The client that does a transfer, or undefined when there is none. May write a file into `notes`. */
  client(transfer: Transfer): CommandLine | undefined;
}

/** Programs to compare with. */
export interface Peer {
  /** The name for options and results. */
  readonly id: string;
  /** The name in the table. */
  readonly name: string;
  /** How to install it. */
  readonly install: string;
  /** Whether it can run here. */
  isInstalled(): Promise<boolean> | boolean;
  start(places: Places): Promise<RunningPeer>;
}

/** The user that servers shall run as when they would give up root's rights: the one who owns the files. */
export const RUNS_AS_ROOT = Deno.uid() === 0;
