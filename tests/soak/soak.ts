import { DENO, eventually } from "../helpers/process.ts";
import { Wrong } from "./model.ts";
import { handlesOf, type Kind } from "./server.ts";
import { type Result, type Soaking, Stand, together } from "./stand.ts";
import { Tally } from "./tally.ts";

/** What came of a run in which everything was as it must be. */
export interface Soaked {
  readonly tally: Tally;
  readonly results: readonly Result[];
}

/** The handles of this process that a client could have left open: sockets, and files that are not the program's. */
function ownHandles(): string[] {
  return handlesOf("self").filter((link) => /^socket|ferry-test-/.test(link));
}

/**
 * Runs clients on bad lines against a server on loopback, and at the same time against an encrypted one.
 *
 * @throws {Wrong} When anything was not as it must be.
 */
export async function soak(soaking: Soaking): Promise<Soaked> {
  // With the first process that it starts, the runtime opens sockets of its own.
  await new Deno.Command(DENO, { args: ["--version"], stdout: "null" }).output();
  const before = ownHandles();
  const tally = new Tally();
  const kinds: Kind[] = ["plain", "tls"];
  const runs = kinds.map((kind, i) => Stand.run(kind, { ...soaking, seed: soaking.seed + i }, tally));
  const results = await together(soaking.stop, ...runs);
  const isAsBefore = () => ownHandles().join() === before.join();
  await eventually("the clients have closed what they opened", isAsBefore, 50).catch((cause) => {
    throw new Wrong(`the clients have left open: ${ownHandles()}, and not ${before}`, { cause });
  });
  return { tally, results };
}

/** What a server used, from its warming up to the end. */
function useOf({ kind, rounds, uses }: Result): string {
  const memory = uses.map(({ megabytes }) => megabytes.toFixed(0)).join(" ");
  return `${kind.padEnd(11)}  ${rounds} rounds; after the last ${uses.length}, ${memory} MB, ${
    uses.at(-1)?.handles.length
  } handles`;
}

/** Some lines that say what was done. */
export function summary({ tally, results }: Soaked, seed: number, seconds: number): string {
  const { cases, failures, connections, blows, files, resumed, swept, bytes } = tally;
  return `Soaked: ${cases.total} cases, ${files} files compared, ${
    (bytes / 1e9).toFixed(2)
  } GB, ${connections.total} connections, ` +
    `${seconds.toFixed(0)} s, seed ${seed}; nothing was wrong.
  cases        ${cases}
  failures     ${failures}
  connections  ${connections}
  blows        ${blows}
  partials     ${resumed} gone on with, ${swept} swept, 0 left
  ${results.map(useOf).join("\n  ")}`;
}
