import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../../lib/transport/address.ts";
import { clientInTerminal, hasTerminal, startServer } from "../../helpers/process.ts";
import { at } from "../../helpers/storage.ts";
import { Visit } from "../../helpers/visit.ts";

Deno.test("open leaves a server for another, and stays where it is if it cannot", async () => {
  await using first = await Visit.to({}, { "d/one.txt": "1" });
  await using second = await Visit.to({ readOnly: true }, { "two.txt": "2" });
  const { shell } = first;
  await first.run("cd", "d");
  const [before, after] = [first, second].map(({ served }) => formatAddress(served.address));
  await first.fails("Unreachable", "open", "127.0.0.1:1");
  assertEquals([shell.remoteDirectory, shell.name, formatAddress(shell.address)], ["d", "ferry", before]);
  await first.run("sum", "one.txt");

  await first.run("open", after ?? "");
  await first.served.events.until("close");
  assertEquals([shell.remoteDirectory, shell.name], ["", after]);
  assertEquals(first.said, [
    `Connected to ${after}. Type "help" for the commands.`,
    "You may only list and read here.",
  ]);
  first.printed = "";
  await first.run("dir");
  assertStringIncludes(first.printed, "  two.txt\n");
});

Deno.test("status shows the server, whether there is a connection, the rights, and where one is", async () => {
  await using visit = await Visit.to({ readOnly: true }, { "d/x": "1" });
  visit.shell.remoteDirectory = at("d");
  // It connects.
  await visit.run("status");
  assertEquals(visit.printed.split("\n"), [
    `server: ${formatAddress(visit.served.address)} (not encrypted, no secret)`,
    "connection: open",
    "rights: You may only list and read here.",
    "directory there: /d",
    `directory here: ${visit.here.path}`,
    "rate: not limited",
    "",
  ]);
  await visit.served.server.shutdown();
  visit.printed = "";
  await visit.run("status");
  assertStringIncludes(visit.printed, "connection: ended; the next command connects again\n");
});

Deno.test(
  "open asks at the prompt for the secret, and does not show or keep it",
  { ignore: !hasTerminal },
  async () => {
    await using visit = await Visit.to({});
    const file = visit.here.join("secret");
    await using server = await startServer(visit.served.join(), ["--secret-file", file], [
      "--allow-net",
      "--allow-read",
      "--allow-write",
    ]);
    const secret = Deno.readTextFileSync(file).trim();
    await using client = clientInTerminal([formatAddress(visit.served.address)]);
    const { stdout } = client;
    await stdout.until("ferry:/> ");
    await client.type(`open ${server.at}\r`);
    await stdout.until("Secret: ");
    await client.type(`${secret}\r`);
    await stdout.until(`Connected to ${server.at}.`);
    await stdout.until(`${server.at}:/> `);
    await client.type("status\r");
    await stdout.until(`server: ${server.at} (not encrypted, with a secret)\r\n`);
    await stdout.until(`${server.at}:/> `);
    // Twice up is the line before, which is the last command and no answer.
    await client.type("\x1b[A\x1b[A");
    await stdout.until(`open ${server.at}`);
    assertEquals(stdout.text.includes(secret), false);
    await client.type("\x15quit\r");
    assertEquals(await client.ended(), 0);
  },
);
