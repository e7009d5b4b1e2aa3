import { assert, assertEquals } from "@std/assert";
import { restriction } from "../../../lib/cli/client/rights.ts";
import { type Right, RIGHTS } from "../../../lib/protocol/commands.ts";
import { formatAddress } from "../../../lib/transport/address.ts";
import { clientInTerminal, hasTerminal } from "../../helpers/process.ts";
import { assertFile } from "../../helpers/raw.ts";
import { DROP_BOX, Visit } from "../../helpers/visit.ts";

const NO_TERMINAL = { ignore: !hasTerminal };

Deno.test("restriction() says what a session may not do, and nothing when it may do everything", () => {
  const cases: [readonly Right[], string | undefined][] = [
    [RIGHTS, undefined],
    [[], "You may not do anything here."],
    [["read"], "You may only list and read here."],
    [["add"], "You may only add files here."],
    [["read", "add"], "You may not replace files, or remove or rename here."],
    [["read", "add", "remove"], "You may not replace files here."],
    [["read", "add", "overwrite"], "You may not remove or rename here."],
  ];
  for (const [allows, text] of cases) assertEquals(restriction(allows), text);
  assertEquals(restriction([...RIGHTS, "fly"]), undefined);
  assertEquals(restriction(["read", "fly"]), "You may only list and read here.");
});

Deno.test(
  "client.ts says at the prompt what may not be done, and stays quiet where it may not look",
  NO_TERMINAL,
  async () => {
    await using visit = await Visit.to(DROP_BOX, { "a.txt": "old" });
    visit.write("new.txt", "new");
    await using client = clientInTerminal([formatAddress(visit.served.address)], { cwd: visit.here.path });
    const { stdout } = client;
    await stdout.until("Connected to ");
    await stdout.until("\n\r\x1b[KYou may only add files here.\r\n");
    await stdout.until("ferry:/> ");
    await client.type("get a\t\t");
    await stdout.until("get a");
    await client.type("\x15cd box\r");
    await stdout.until("ferry:/box> ");
    await client.type("cd /\r");
    await stdout.until("ferry:/> ");
    await client.type("put new.txt\r");
    await stdout.until('Put "new.txt" as "new.txt"');
    await stdout.until("ferry:/> ");
    assert(!/Cannot|Error|may not/.test(stdout.text), stdout.text);
    await client.type("get a.txt\r");
    await stdout.until('Cannot get "a.txt": you may not list or read anything here');
    await client.type("quit\r");
    assertEquals(await client.ended(), 0);
    await assertFile(visit.served.join("new.txt"), "new");
  },
);

Deno.test("client.ts says nothing of rights at the prompt to who may do everything", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  await using client = clientInTerminal([formatAddress(visit.served.address)]);
  await client.stdout.until("ferry:/> ");
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
  assert(!client.stdout.text.includes("You may"), client.stdout.text);
});
