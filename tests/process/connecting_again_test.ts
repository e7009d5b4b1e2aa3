import { assertEquals, assertMatch } from "@std/assert";
import { GREETING_BYTES } from "../helpers/cuts.ts";
import { runClient, startServer } from "../helpers/process.ts";
import { FaultProxy, onlyFirst, type ProxyFaults } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { tempDir } from "../helpers/temp.ts";
import { makeTree } from "../helpers/trees.ts";

const MIB = 1024 * 1024;

const IN_THE_MIDDLE = { cut: { after: 2 * MIB, by: "reset" } } as const;

/** Everything up to the welcome passes, and not all of the answer to the first request. */
const AFTER_THE_WELCOME = { cut: { after: GREETING_BYTES, by: "reset" } } as const;

/** What is typed, what happens to the first connection, and whether the command goes on over another. */
const CASES: [words: string, faults: ProxyFaults, goesOn: boolean][] = [
  ["get there.bin", { toClient: IN_THE_MIDDLE }, true],
  ["get there.bin here.bin", { toClient: AFTER_THE_WELCOME }, true],
  ["put here.bin", { toServer: IN_THE_MIDDLE }, true],
  ["put -r . all", { toServer: IN_THE_MIDDLE }, true],
  ["get --retry-for 0 there.bin", { toClient: IN_THE_MIDDLE }, false],
  ["put --retry-for 0 here.bin", { toServer: IN_THE_MIDDLE }, false],
  ["get there.bin -", { toClient: IN_THE_MIDDLE }, false],
  ["put - new.bin", { toServer: IN_THE_MIDDLE }, false],
  ["sum there.bin", { toClient: AFTER_THE_WELCOME }, false],
  ["dir", { toClient: AFTER_THE_WELCOME }, false],
];

for (const [words, faults, goesOn] of CASES) {
  Deno.test(`client.ts ${words} ${goesOn ? "says" : "does not say"} that it connects again`, async () => {
    await using dir = await tempDir();
    makeTree(dir.path, { "served/there.bin": bytes(4 * MIB, 1), "here/here.bin": bytes(4 * MIB, 2) });
    await using server = await startServer(dir.join("served"));
    await using proxy = await FaultProxy.to(server.address, onlyFirst(faults));
    const { hostname, port } = proxy.address;
    const args = [`${hostname}:${port}`, ...words.split(" ")];
    const input = words.startsWith("put - ") ? bytes(4 * MIB, 3) : "";
    const { code, stderr } = await runClient(args, { cwd: dir.join("here"), input });
    assertEquals(code, goesOn ? 0 : 3, stderr);
    if (goesOn) assertMatch(stderr, /^The connection to \S+ has ended: .+\. Connecting again\.\n/);
    // It may fail, and leave, before it is seen that the connection has ended.
    else assertMatch(stderr, /^(?!.* again\.)(The connection to \S+ has ended: .+\.\n)?Cannot .+\n$/);
  });
}
