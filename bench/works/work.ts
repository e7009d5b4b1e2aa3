import type { Scratch } from "../helpers/scratch.ts";
import type { Sizes } from "../helpers/sizes.ts";
import type { RunningPeer } from "../peers/peer.ts";

/** What all works of a run share. */
export interface Bench {
  readonly scratch: Scratch;
  readonly sizes: Sizes;
  /** Aborted when the run is to end early. */
  readonly signal: AbortSignal;
}

/** The units of what is measured. Decimal: 1 MB is 1,000,000 bytes. */
export type Unit = "s" | "ms" | "KB" | "MB";

/** Something that a work measures; less is better. */
export interface Metric {
  /** The name in the results. */
  readonly id: string;
  readonly unit: Unit;
  /** The name in the table. */
  title(sizes: Sizes): string;
}

/** Values by the `id` of the metric. */
export type Values = Readonly<Record<string, number>>;

/** Something that is done in every round by every peer that can do it. */
export interface Work {
  /** The name for `--only`. */
  readonly name: string;
  readonly metrics: readonly Metric[];
  /** Whether only Ferry does it. */
  readonly ferryOnly: boolean;
  /** Makes what is needed, so that it is not made within the first measurement. */
  prepare(bench: Bench): void;
  /**
   * Does it once.
   *
   * @param first Whether it is the first round, in which the bytes of what arrived are compared too.
   * @returns The values, or undefined when the peer cannot do it.
   * @throws {Error} When it went wrong, also when what arrived is not what was sent.
   */
  measure(bench: Bench, peer: RunningPeer, first: boolean): Promise<Values | undefined>;
}

/** A number with commas between thousands. */
export function counted(n: number): string {
  return n.toLocaleString("en-US");
}

/** A size for titles. */
export function sized(bytes: number): string {
  return bytes >= 1e9 ? `${bytes / 1e9} GB` : `${bytes / 1e6} MB`;
}
