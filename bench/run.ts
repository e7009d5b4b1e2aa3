/**
 * Compares Ferry with other programs; `deno task bench --help` says how.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { judge } from "./helpers/bars.ts";
import { thisMachine } from "./helpers/machine.ts";
import { type Options, parseOptions, usage } from "./helpers/options.ts";
import { report } from "./helpers/report.ts";
import { Results } from "./helpers/results.ts";
import { Scratch } from "./helpers/scratch.ts";
import { FULL, QUICK } from "./helpers/sizes.ts";
import { PEERS } from "./peers/mod.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import { WORKS } from "./works/mod.ts";
import type { Bench, Work } from "./works/work.ts";

const RESULTS = fromFileUrl(import.meta.resolve("./results"));

/** Who takes longer than this for one round of a work does not do it again, in ms. */
const SLOW_MS = 30_000;

/** The exit code after Ctrl-C. */
const INTERRUPTED = 130;

interface Contestant {
  readonly peer: Peer;
  readonly running: RunningPeer;
}

/** Aborted by the first Ctrl-C; the second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(INTERRUPTED);
      console.error("Stopping; again to stop at once and leave everything as it is.");
      controller.abort(new DOMException("interrupted", "AbortError"));
    });
  }
  return controller.signal;
}

/** Starts all peers that are wanted and installed; says which are not. */
async function startPeers(stack: AsyncDisposableStack, scratch: Scratch, wanted: readonly string[]) {
  const contestants: Contestant[] = [];
  for (const peer of PEERS) {
    if (wanted.length > 0 && peer.id !== "ferry" && !wanted.includes(peer.id)) continue;
    if (!await peer.isInstalled()) {
      console.error(`Left out, because it is not installed: ${peer.name}. To install it: ${peer.install}`);
      continue;
    }
    try {
      const running = stack.use(await peer.start({ own: scratch.own(), served: scratch.served }));
      contestants.push({ peer, running });
    } catch (error) {
      console.error(`Left out, because it does not start: ${peer.name}.`, error);
    }
  }
  return contestants;
}

/** @returns Whether it is worth while to do it again. */
async function measure(bench: Bench, work: Work, { peer, running }: Contestant, round: number, results: Results) {
  const began = performance.now();
  try {
    const values = await work.measure(bench, running, round === 1);
    if (!values) return false;
    results.add(peer.id, round, values);
    const shown = Object.entries(values).map(([id, value]) => `${id} ${value.toFixed(3)} ${results.unit(id)}`);
    console.error(`${work.name}, round ${round}, ${peer.name}: ${shown.join(", ")}`);
    return peer.id === "ferry" || performance.now() - began < SLOW_MS;
  } catch (error) {
    bench.signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    results.failures.push({ work: work.name, peer: peer.id, round, message });
    console.error(`${work.name}, round ${round}, ${peer.name}: FAILED: ${message}`);
    return false;
  }
}

/** Every peer once a round, and every round another one first. Who fails, cannot, or is slow does it only once. */
async function compete(bench: Bench, work: Work, all: readonly Contestant[], rounds: number, results: Results) {
  work.prepare(bench);
  const contestants = work.ferryOnly ? all.filter(({ peer }) => peer.id === "ferry") : all;
  const done = new Set<Contestant>();
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) % contestants.length;
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      bench.signal.throwIfAborted();
      if (done.has(contestant)) continue;
      if (!await measure(bench, work, contestant, round, results)) done.add(contestant);
    }
  }
}

function save(path: string | undefined, date: string, content: unknown): string {
  const file = path ?? join(RESULTS, `${date.replace(/[ :]/g, "-")}.json`);
  Deno.mkdirSync(dirname(file), { recursive: true });
  Deno.writeTextFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

async function bench(options: Options, signal: AbortSignal): Promise<Results> {
  const { rounds, only, quick, cold, json } = options;
  const sizes = quick ? QUICK : FULL;
  const works = WORKS.filter(({ name }) => only.length === 0 || only.includes(name));
  const results = new Results(works);
  const machine = thisMachine();
  {
    await using scratch = new Scratch(sizes, options);
    await using stack = new AsyncDisposableStack();
    const contestants = await startPeers(stack, scratch, options.peers);
    for (const work of works) await compete({ scratch, sizes, signal }, work, contestants, rounds, results);
  }
  const bars = quick ? undefined : judge(results);
  console.log(report(results, { sizes, peers: PEERS, bars, machine, rounds, cold }));
  const { measurements, failures } = results;
  const file = save(json, machine.date, { machine, options, sizes, bars, measurements, failures });
  console.error(`All values are in ${file}`);
  return results;
}

async function main(): Promise<number> {
  const works = WORKS.map(({ name }) => name);
  const peers = PEERS.map(({ id }) => id);
  let options: Options | undefined;
  try {
    options = parseOptions(Deno.args, works, peers);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (!options) {
    console.log(usage(works, peers));
    return 0;
  }
  const signal = interruption();
  try {
    return (await bench(options, signal)).failures.length > 0 ? 1 : 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error("Interrupted; everything was ended and removed.");
    return INTERRUPTED;
  }
}

if (import.meta.main) Deno.exit(await main());
