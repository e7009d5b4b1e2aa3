import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { formatAddress } from "../../lib/transport/address.ts";
import { CLIENT_ACCESS, DENO, hasTerminal, inTerminal, PROJECT } from "../helpers/process.ts";
import { Visit } from "../helpers/visit.ts";

/** What the user waits for the prompt at most, in ms. */
const MAX_START_MS = 120;

const RUNS = 15;

Deno.test("client.ts shows its prompt within 120 ms", { ignore: !hasTerminal }, async () => {
  await using visit = await Visit.to({});
  const client = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), formatAddress(visit.served.address)];
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    await using terminal = inTerminal(["sh", "-c", 'echo go; exec "$0" "$@"', ...client]);
    await terminal.stdout.until("go");
    const began = performance.now();
    await terminal.stdout.until("ferry:/> ");
    times.push(performance.now() - began);
    await terminal.type("quit\r");
    assertEquals(await terminal.ended(), 0);
  }
  const median = times.sort((a, b) => a - b)[RUNS >> 1] ?? Infinity;
  assert(median < MAX_START_MS, times.map(Math.round).join());
});
