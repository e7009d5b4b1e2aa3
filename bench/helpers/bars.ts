import type { Unit } from "../works/work.ts";
import type { Results } from "./results.ts";

/** What Ferry must reach at the sizes of a full run. */
interface Bar {
  readonly metric: string;
  /** Whose value it is; Ferry's without encryption when absent. */
  readonly of?: string;
  /** The peer whose time is 1; without one, `most` is a value of its own. */
  readonly than?: string;
  readonly most: number;
  /** What would be good to reach. */
  readonly aim?: number;
}

const BARS: readonly Bar[] = [
  { metric: "down", than: "nginx", most: 1.0, aim: 0.65 },
  { metric: "down", than: "rsync", most: 0.8 },
  { metric: "up", than: "rsync", most: 0.9, aim: 0.65 },
  { metric: "up", than: "sftp", most: 0.6 },
  { metric: "down", of: "ferry-tls", than: "ferry", most: 2.0 },
  { metric: "down", of: "ferry-tls", than: "scp", most: 0.67 },
  { metric: "down", of: "ferry-tls", than: "sftp", most: 0.67 },
  { metric: "small-down", than: "rsync", most: 1.0, aim: 0.7 },
  { metric: "small-up", than: "rsync", most: 1.0, aim: 0.7 },
  { metric: "delay-down/added", most: 1.5 },
  { metric: "delay-down/far", than: "rsync", most: 1.0 },
  { metric: "delay-up/added", most: 1.5 },
  { metric: "delay-up/far", than: "rsync", most: 1.0 },
  { metric: "first-byte", most: 5 },
  { metric: "listing/first", most: 100 },
  { metric: "listing/all", most: 3 },
  { metric: "neighbour/busy", most: 50 },
  { metric: "idle", most: 20 },
  { metric: "peak", most: 400 },
];

/** Whether Ferry reaches a bar. */
export interface Verdict {
  readonly metric: string;
  readonly of: string;
  readonly than: string | undefined;
  readonly most: number;
  readonly aim: number | undefined;
  /** Ferry's value, or its ratio to the peer's; undefined when there is none. */
  readonly value: number | undefined;
  /** Of the value; undefined for a ratio. */
  readonly unit: Unit | undefined;
  readonly holds: boolean;
}

/** Compares with all bars that are about what was measured. */
export function judge(results: Results): Verdict[] {
  const measured = BARS.filter(({ metric, of = "ferry", than }) =>
    results.isMeasured(metric, of) && (than === undefined || results.isMeasured(metric, than))
  );
  return measured.map(({ metric, of = "ferry", than, most, aim }) => {
    const value = than === undefined ? results.median(metric, of) : results.ratio(metric, than, of);
    const unit = than === undefined ? results.unit(metric) : undefined;
    return { metric, of, than, most, aim, value, unit, holds: value !== undefined && value <= most };
  });
}
