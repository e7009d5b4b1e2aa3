import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { complete } from "../../../lib/cli/client/complete.ts";
import { FaultProxy, onlyFirst } from "../../helpers/proxy.ts";
import { bytes } from "../../helpers/random.ts";
import { assertFile, namesIn } from "../../helpers/raw.ts";
import { MIB } from "../../helpers/resuming.ts";
import { DROP_BOX, Visit } from "../../helpers/visit.ts";

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
  for (const name of ["tree/deep/c.txt", "copy/tree/deep/c.txt"]) await assertFile(served.join(name), "c");
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
    for (const words of [["a.txt"], ["-r", "."]]) {
      const { message } = await visit.fails("Refused", "put", flag, ...words);
      assertEquals(message, `Cannot use ${flag}: ${cannotRead}`);
    }
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
  const { signal } = new AbortController();
  for (const [line, typed] of [["get a", "a"], ["put x ", ""]] as const) {
    assertEquals(await complete(visit.shell, line, signal), { typed, word: typed, names: [], count: 0 });
  }
  await visit.shell.close();
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
  await over.shell.close();
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
  await over.shell.close();
  assertEquals(
    message,
    'Cannot put "a.txt": it exists now; perhaps it had arrived when the connection was lost, but you may not look',
  );
  await assertFile(visit.served.join("a.txt"), "abc");
  const puts = visit.served.events.of("command").filter(({ command }) => command === "put");
  assertEquals(puts.at(-1)?.outcome, "AlreadyExists");
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
    const words of [["put", "a.txt"], ["put", "-r", "d"], ["put", "*.txt", "d"], ["mkdir", "x"], [
      "rename",
      "a.txt",
      "x",
    ], ["rm", "a.txt"]]
  ) {
    assertMatch((await visit.fails("Refused", ...words)).message, /: you may only read here$/);
  }
  assertEquals(await namesIn(visit.served.join()), ["a.txt", "d"]);
});

Deno.test("execute() says in one line which files of a tree exist in a drop box, and --no-clobber goes on", async () => {
  await using visit = await Visit.to(DROP_BOX, { "tree/b": "of another", "tree/c": "c" });
  Deno.mkdirSync(visit.here.join("tree"));
  for (const name of ["a", "b", "c", "d"]) visit.write(`tree/${name}`, name);
  await visit.fails("AlreadyExists", "put", "-r", "tree");
  const [line, sum, ...more] = visit.said;
  assertEquals(line, "2 files exist already and may not be replaced or compared here; --no-clobber skips such files");
  assertMatch(sum ?? "", /^Put 2 files \(.*\), 2 failed\.$/);
  assertEquals(more, []);
  await assertFile(visit.served.join("tree/b"), "of another");
  visit.said.length = 0;
  await visit.run("put", "-r", "--no-clobber", "tree");
  assertMatch(visit.said.join("\n"), /^Put 0 files \(.*\), 4 skipped\.$/);
});

Deno.test("execute() says how to go on with a tree that was interrupted in a drop box", async () => {
  for (
    const [option, how] of [["--retry-for=0", "with --no-clobber to go on"], ["--no-clobber", "to resume"]] as const
  ) {
    await using visit = await Visit.to(DROP_BOX);
    Deno.mkdirSync(visit.here.join("tree"));
    for (let i = 0; i < 20; i++) visit.write(`tree/${i}`, bytes(i === 19 ? 3 * MIB : 10, i));
    await using proxy = await FaultProxy.to(
      visit.served.address,
      onlyFirst({ toServer: { cut: { after: 1.5 * MIB, by: "reset" } } }),
    );
    const over = visit.over(proxy);
    const { message } = await over.fails("Disconnected", "put", "-r", "--retry-for=0", option, "tree");
    await over.shell.close();
    assertMatch(message, new RegExp(` \\(\\d+ files? done; run the same command ${how}\\)$`));
  }
});
