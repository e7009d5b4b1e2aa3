import type { Peer } from "../peers/peer.ts";
import type { Metric } from "../works/work.ts";
import type { Verdict } from "./bars.ts";
import type { Machine } from "./machine.ts";
import type { Results } from "./results.ts";
import type { Sizes } from "./sizes.ts";

/** What the star in a table means. */
const FEWER = "`*`: not in all rounds, because it takes so long.";

/** Three digits that say something. */
function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3).replace(/e.*/, "");
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** A Markdown table with columns of one width each. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((cells) => (cells[i] ?? "").length)));
  const padded = (cells: readonly string[]) => row(cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)));
  const line = row(widths.map((width) => "-".repeat(width)));
  return [padded(head), line, ...rows.map(padded)].join("\n");
}

function cell(results: Results, { id, unit }: Metric, peer: string, rounds: number): string {
  if (!results.isMeasured(id, peer)) return "-";
  const value = results.median(id, peer);
  if (value === undefined) return "failed";
  const ratio = results.ratio(id, peer);
  const compared = peer === "ferry" || ratio === undefined || id.endsWith("/added") ? "" : ` (${ratio.toFixed(2)})`;
  return `${digits(value)} ${unit}${compared}${results.rounds(id, peer) < rounds ? "*" : ""}`;
}

/** The medians of all peers, with the ratio of Ferry's to theirs. */
function medians(results: Results, sizes: Sizes, peers: readonly Peer[], rounds: number): string {
  const shown = peers.filter(({ id }) => results.metrics.some((metric) => results.isMeasured(metric.id, id)));
  const rows = results.metrics
    .filter(({ id }) => shown.some((peer) => results.isMeasured(id, peer.id)))
    .map((metric) => [metric.title(sizes), ...shown.map(({ id }) => cell(results, metric, id, rounds))]);
  return table(["median of all rounds (Ferry / peer)", ...shown.map(({ name }) => name)], rows);
}

function verdicts(results: Results, sizes: Sizes, list: readonly Verdict[]): string {
  const rows = list.map(({ metric, of, than, most, aim, value, unit, holds }) => {
    const limit = than === undefined ? `<= ${most} ${unit}` : `<= ${most.toFixed(2)} x ${than}`;
    const title = results.metrics.find(({ id }) => id === metric)?.title(sizes) ?? metric;
    const reached = value === undefined ? "-" : than === undefined ? `${digits(value)} ${unit}` : value.toFixed(2);
    return [
      of === "ferry" ? title : `${title}, ${of}`,
      limit,
      aim?.toFixed(2) ?? "",
      reached,
      holds ? "holds" : "MISSED",
    ];
  });
  return table(["bar", "limit", "aim", "reached", ""], rows);
}

/** What is printed at the end, in Markdown. */
export function report(
  results: Results,
  { sizes, peers, bars, machine, rounds, cold }: {
    sizes: Sizes;
    peers: readonly Peer[];
    /** Undefined when the sizes are not those that the bars are about. */
    bars: readonly Verdict[] | undefined;
    machine: Machine;
    rounds: number;
    cold: boolean;
  },
): string {
  const { date, processor, cores, memoryGB, system, deno } = machine;
  const parts = [
    `${date}, ${processor} (${cores} cores), ${memoryGB} GB, ${system}, Deno ${deno}, rounds: ${rounds}${
      cold ? ", cold memory" : ""
    }.`,
    medians(results, sizes, peers, rounds),
    FEWER,
    bars ? verdicts(results, sizes, bars) : "The sizes were small, so these numbers only show that everything works.",
    ...results.failures.map(({ work, peer, round, message }) => `Failed: ${peer}, ${work}, round ${round}: ${message}`),
  ];
  return parts.join("\n\n");
}
