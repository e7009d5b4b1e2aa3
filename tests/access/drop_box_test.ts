import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { execute } from "../../lib/cli/client/commands.ts";
import { complete } from "../../lib/cli/client/complete.ts";
import { restriction } from "../../lib/cli/client/rights.ts";
import { Shell } from "../../lib/cli/client/shell.ts";
import type { ErrorCode } from "../../lib/mod.ts";
import { type Right, RIGHTS } from "../../lib/protocol/commands.ts";
import { formatAddress } from "../../lib/transport/address.ts";
import type { Policy } from "../../lib/access/policy.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { clientInTerminal, hasTerminal } from "../helpers/process.ts";
import { type Address, FaultProxy, onlyFirst } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, namesIn, RawPeer, Served } from "../helpers/raw.ts";
import { CONTENT, fieldsOf, MIB, Resuming } from "../helpers/resuming.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

const NO_TERMINAL = { ignore: !hasTerminal };

/** A server for everybody with these limits, and a client with a directory of its own. */
class Visit implements AsyncDisposable {
  readonly said: string[] = [];
  printed = "";
  readonly shell: Shell;

  private constructor(readonly served: Served, readonly here: TempDir, address: Address) {
    const print = (text: string) => {
      this.printed += text;
      return Promise.resolve();
    };
    this.shell = new Shell(address, { print, inform: (line) => this.said.push(line) }, false);
    this.shell.localDirectory = here.path;
  }

  static async to(policy: Policy, files: Record<string, string> = {}): Promise<Visit> {
    const served = await Served.with(files, policy);
    return new Visit(served, await tempDir(), served.address);
  }

  /** The same visit over a connection with faults. */
  over({ address }: FaultProxy): Visit {
    return new Visit(this.served, this.here, address);
  }

  run(...words: string[]): Promise<void> {
    return execute(this.shell, words, new AbortController().signal);
  }

  fails(code: ErrorCode, ...words: string[]): Promise<Error> {
    return failsWith(this.run(...words), code);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.here.join(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shell.link.close();
    await this.served[Symbol.asyncDispose]();
    await this.here[Symbol.asyncDispose]();
  }
}

const DROP_BOX: Policy = { uploadOnly: true };

Deno.test("execute() puts files and trees into a drop box, and asks for nothing that it may not know", async () => {
  await using visit = await Visit.to(DROP_BOX);
  visit.write("a.txt", "a");
  visit.write("b.txt", "b");
  Deno.mkdirSync(visit.here.join("tree", "deep"), { recursive: true });
  visit.write("tree/deep/c.txt", "c");
  visit.write("large", bytes(3 * MIB, 1));
  await visit.run("put", "a.txt");
  await visit.run("put", "a.txt", "other.txt");
  await visit.run("put", "a.txt", "b.txt", "box/");
  await visit.run("put", "*.txt", "matching/");
  await visit.run("put", "-r", "tree");
  await visit.run("put", "-r", "tree", "copy");
  await visit.run("put", "--connections", "2", "large");
  await visit.run("mkdir", "made");
  await visit.run("cd", "made");
  await visit.run("put", "b.txt");
  await visit.run("put", "a.txt", "/box/again.txt");
  await visit.run("say", "thank", "you");
  const { served } = visit;
  assertEquals(await namesIn(served.join()), [
    "a.txt",
    "box",
    "copy",
    "large",
    "made",
    "matching",
    "other.txt",
    "tree",
  ]);
  for (const name of ["a.txt", "other.txt", "box/a.txt", "box/again.txt", "matching/a.txt"]) {
    await assertFile(served.join(name), "a");
  }
  for (const name of ["box/b.txt", "made/b.txt", "matching/b.txt"]) await assertFile(served.join(name), "b");
  for (const name of ["tree/deep/c.txt", "copy/deep/c.txt"]) await assertFile(served.join(name), "c");
  await assertFile(served.join("large"), bytes(3 * MIB, 1));
  assertEquals(served.events.of("command").filter(({ outcome }) => outcome !== "ok"), []);
});

Deno.test("execute() says what a drop box refuses", async () => {
  await using visit = await Visit.to(DROP_BOX, { "a.txt": "old", "d/x": "x" });
  visit.write("a.txt", "new");
  const cannotRead = "you may not list or read anything here";
  for (const words of [["dir"], ["get", "a.txt"], ["get", "-r", "d"], ["get", "*.txt"], ["stat", "a.txt"]]) {
    assertStringIncludes((await visit.fails("Refused", ...words)).message, cannotRead);
  }
  for (const words of [["rename", "a.txt", "b"], ["remove", "a.txt"]]) {
    const { message } = await visit.fails("Refused", ...words);
    assertEquals(message, `Cannot ${words[0]} "a.txt": you may not remove or rename anything here`);
  }
  const { message } = await visit.fails("AlreadyExists", "put", "a.txt");
  assertEquals(message, 'Cannot put "a.txt": it exists already, and you may not replace files here');
  const verified = await visit.fails("Refused", "put", "--verify", "a.txt", "verified.txt");
  assertEquals(verified.message, 'Cannot verify "verified.txt": you may not read anything here');
  for (const flag of ["--update", "--checksum", "--dry-run"]) {
    assertStringIncludes((await visit.fails("Refused", "put", flag, "a.txt")).message, cannotRead);
  }
  assertEquals(await namesIn(visit.served.join()), ["a.txt", "d"]);
  await visit.fails("AlreadyExists", "mkdir", "d");
  await visit.fails("NotFound", "put", "a.txt", "missing/a.txt");
  await visit.run("put", "--no-clobber", "a.txt");
  assertStringIncludes(visit.said.at(-1) ?? "", "Skipped");
  await assertFile(visit.served.join("a.txt"), "old");
  assertEquals(visit.printed, "");
});

Deno.test("complete() offers nothing from a drop box, and does not ask", async () => {
  await using visit = await Visit.to(DROP_BOX, { "a.txt": "a" });
  assertEquals(await complete(visit.shell, "get a"), [[], "a"]);
  assertEquals(await complete(visit.shell, "put x "), [[], ""]);
  await visit.shell.link.close();
  await visit.served.events.until("close");
  assertEquals(visit.served.events.of("command").map(({ command }) => command), ["close"]);
});

Deno.test("execute() sends a file to a drop box again when the connection was lost in the middle", async () => {
  await using visit = await Visit.to(DROP_BOX);
  const content = bytes(3 * MIB, 2);
  visit.write("large", content);
  await using proxy = await FaultProxy.to(
    visit.served.address,
    onlyFirst({ toServer: { cut: { after: 1.5 * MIB, by: "reset" } } }),
  );
  const over = visit.over(proxy);
  await over.run("put", "large");
  await over.shell.link.close();
  await assertFile(visit.served.join("large"), content);
  assertEquals(over.said.length, 2, over.said.join("\n"));
  assertStringIncludes(over.said[0] ?? "", "Connecting again.");
  assert(!visit.served.events.of("command").some(({ command }) => command === "stat"));
});

Deno.test("execute() does not claim that a file has arrived in a drop box when the confirmation was lost", async () => {
  await using visit = await Visit.to(DROP_BOX);
  visit.write("a.txt", "abc");
  // Everything up to the welcome passes, which has 62 bytes with both headers and the hello.
  await using proxy = await FaultProxy.to(
    visit.served.address,
    onlyFirst({ toClient: { cut: { after: 70, by: "reset" } } }),
  );
  const over = visit.over(proxy);
  const { message } = await over.fails("AlreadyExists", "put", "a.txt");
  await over.shell.link.close();
  assertEquals(
    message,
    'Cannot put "a.txt": it exists now; perhaps it had arrived when the connection was lost, but you may not look',
  );
  await assertFile(visit.served.join("a.txt"), "abc");
  const puts = visit.served.events.of("command").filter(({ command }) => command === "put");
  assertEquals(puts.at(-1)?.outcome, "AlreadyExists");
});

Deno.test("offer tells a drop box of whole blocks only, whatever size it names, and who may read of all bytes", async () => {
  const kept = bytes(MIB + 100, 3);
  for (const policy of [DROP_BOX, {}]) {
    await using served = await Served.with({ [temporaryName("f")]: kept }, policy);
    using peer = await RawPeer.greeted(served.address);
    for (const size of [0, 1, 100, MIB - 1, MIB, MIB + 1, MIB + 99, MIB + 100, MIB + 101, 3 * MIB]) {
      const all = Math.min(size, kept.length);
      const told = policy === DROP_BOX ? all - all % MIB : all;
      const { fields, outcome } = await peer.ask({ command: "offer", path: "f", size });
      const { kept: state, ...sums } = fields as { kept?: string };
      assertEquals([outcome, sums], ["ok", await fieldsOf(kept.subarray(0, told))], `${size}`);
      assertEquals(state !== "", told > 0, `${size}`);
    }
    const { fields } = await peer.ask({ command: "offer", path: "f" });
    assertEquals(fields, { covered: 0, blockSize: MIB, hashes: "", kept: "" } as typeof fields);
    // With larger blocks there is no whole one.
    const size = 2 ** 30 + 1;
    const { covered } = (await peer.ask({ command: "offer", path: "f", size })).fields as { covered?: number };
    assertEquals(covered, policy === DROP_BOX ? 0 : kept.length);
  }
});

Deno.test("put into a drop box mixes no block of what was kept with bytes of its own", async () => {
  await using served = await Served.with({ [temporaryName("f")]: bytes(MIB + 100, 3) }, DROP_BOX);
  using peer = await RawPeer.greeted(served.address);
  const size = 3 * MIB;
  const offer = async () => (await peer.ask({ command: "offer", path: "f", size })).fields as { kept?: string };
  const { kept = "" } = await offer();
  assertMatch(kept, /^[0-9a-f]{64}$/);
  for (const offset of [1, MIB - 1, MIB + 1, MIB + 100]) {
    await peer.sendAll(["request", { command: "put", path: "f", size, offset, kept }], ["end", { size: 0 }]);
    assertEquals((await peer.answer()).outcome, "BadRequest", `${offset}`);
    assertEquals((await offer()).kept, kept, "what was kept is as it was");
  }
  // Nor by way of a part that lies in what was kept.
  using other = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "f", size, offset: MIB, kept, shared: true });
  const { upload } = (await peer.receive())?.value as { upload: string };
  await other.sendAll(["request", { command: "part", upload, offset: 7 }], ["end", { size: 0 }]);
  assertEquals((await other.answer()).outcome, "BadRequest");
  await peer.send("error", { code: "Cancelled", message: "" });
  assertEquals((await peer.answer()).outcome, "Cancelled");
});

Deno.test("put() into a drop box goes on after the last whole block that was kept", async () => {
  await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, MIB + 100), DROP_BOX);
  assertEquals(await scene.transferred(), CONTENT.length - MIB);
  await scene.assertDone(CONTENT);
});

Deno.test("execute() gets everything for who may only read, and says what else is refused", async () => {
  await using visit = await Visit.to({ readOnly: true }, { "a.txt": "a", "d/e/b.txt": "b" });
  await visit.run("get", "a.txt");
  await visit.run("get", "-r", "d");
  await visit.run("cd", "d");
  await assertFile(visit.here.join("a.txt"), "a");
  await assertFile(visit.here.join("d", "e", "b.txt"), "b");
  await visit.run("cd", "/");
  for (
    const words of [["put", "a.txt"], ["put", "-r", "d"], ["mkdir", "x"], ["rename", "a.txt", "x"], ["rm", "a.txt"]]
  ) {
    assertMatch((await visit.fails("Refused", ...words)).message, /: you may only read here$/);
  }
  assertEquals(await namesIn(visit.served.join()), ["a.txt", "d"]);
});

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
    await stdout.until("\nYou may only add files here.\r\n");
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
