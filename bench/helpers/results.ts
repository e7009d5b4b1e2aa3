import type { Metric, Unit, Values, Work } from "../works/work.ts";
import { median } from "./statistics.ts";

/** One value. */
export interface Measurement {
  readonly metric: string;
  readonly peer: string;
  readonly round: number;
  readonly value: number;
}

/** A work that a peer tried and did not do. */
export interface Failure {
  readonly work: string;
  readonly peer: string;
  readonly round: number;
  readonly message: string;
}

/** What was measured so far. A peer that failed at a work has no results there at all. */
export class Results {
  readonly measurements: Measurement[] = [];
  readonly failures: Failure[] = [];
  readonly metrics: readonly Metric[];
  readonly #works: readonly Work[];

  constructor(works: readonly Work[]) {
    this.#works = works;
    this.metrics = works.flatMap(({ metrics }) => metrics);
  }

  /** Adds what a peer reached in one round. */
  add(peer: string, round: number, values: Values): void {
    for (const [metric, value] of Object.entries(values)) this.measurements.push({ metric, peer, round, value });
  }

  /** Whether the peer has failed at the work in any round. */
  hasFailed(work: string, peer: string): boolean {
    return this.failures.some((failure) => failure.work === work && failure.peer === peer);
  }

  /** Whether the peer has tried, successfully or not. */
  isMeasured(metric: string, peer: string): boolean {
    return this.#values(metric, peer).length > 0 || this.#hasFailedAt(metric, peer);
  }

  /** How many rounds the peer has done. */
  rounds(metric: string, peer: string): number {
    return this.#values(metric, peer).length;
  }

  /** The peer's median, or undefined when there is none. */
  median(metric: string, peer: string): number | undefined {
    const values = this.#values(metric, peer);
    return values.length === 0 || this.#hasFailedAt(metric, peer) ? undefined : median(values);
  }

  /** The median of one, Ferry's unless it is said, divided by the peer's, or undefined when there is no such number. */
  ratio(metric: string, peer: string, of = "ferry"): number | undefined {
    const [own, other] = [this.median(metric, of), this.median(metric, peer)];
    return own === undefined || other === undefined ? undefined : own / other;
  }

  /** The unit of a metric. */
  unit(metric: string): Unit | undefined {
    return this.metrics.find(({ id }) => id === metric)?.unit;
  }

  #values(metric: string, peer: string): number[] {
    return this.measurements.filter((m) => m.metric === metric && m.peer === peer).map(({ value }) => value);
  }

  #hasFailedAt(metric: string, peer: string): boolean {
    const work = this.#works.find(({ metrics }) => metrics.some(({ id }) => id === metric));
    return work !== undefined && this.hasFailed(work.name, peer);
  }
}
