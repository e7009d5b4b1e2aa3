import { DELAYED_HOST, ROUND_TRIP_MS, startDelay } from "../helpers/delayed.ts";
import type { Sizes } from "../helpers/sizes.ts";
import { timed, treePlan } from "./transfer.ts";
import { counted, type Metric, type Work } from "./work.ts";

/** Many small files, with and without a round-trip time. */
export function delayWork(way: "down" | "up"): Work {
  const name = `delay-${way}`;
  const what = ({ delayedFiles, smallBytes }: Sizes) => `${counted(delayedFiles)} x ${smallBytes / 1024} KiB ${way}`;
  const metrics: Metric[] = [
    { id: `${name}/near`, unit: "s", title: (sizes) => `${what(sizes)}, no delay` },
    { id: `${name}/far`, unit: "s", title: (sizes) => `${what(sizes)}, ${ROUND_TRIP_MS} ms round trip` },
    { id: `${name}/added`, unit: "s", title: (sizes) => `${what(sizes)}, added by the round trip` },
  ];
  return {
    name,
    metrics,
    ferryOnly: false,
    prepare({ scratch, sizes }) {
      scratch.tree(sizes.delayedFiles);
    },
    async measure(bench, peer, first) {
      const plan = treePlan(bench, bench.scratch.tree(bench.sizes.delayedFiles), way);
      const near = await timed(bench, peer, plan, { bytes: first });
      if (near === undefined) return undefined;
      await using _proxy = await startDelay(peer.ports);
      const far = await timed(bench, peer, plan, { host: DELAYED_HOST, bytes: first });
      if (far === undefined) return undefined;
      return { [`${name}/near`]: near, [`${name}/far`]: far, [`${name}/added`]: far - near };
    },
  };
}
