import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { basename, join } from "@std/path";
import { unprivileged } from "../../helpers/confined.ts";
import { runClient, startServer } from "../../helpers/process.ts";
import { GREETING_BYTES } from "../../helpers/cuts.ts";
import { FaultProxy, onlyFirst } from "../../helpers/proxy.ts";
import { FakeServer } from "../../helpers/raw.ts";
import { scene } from "../../helpers/scene.ts";
import { tempDir } from "../../helpers/temp.ts";
import { linesOf, makeTree, pathsIn, runCommand, type Tree } from "../../helpers/trees.ts";

/** Files on this side whose contents are their names. */
const HERE: Tree = Object.fromEntries(
  ["a", "b", "c", "one.txt", "two.txt", "p1.pdf", "x/same", "y/same", "d1/1", "d2/2", "d3/3"].map((
    path,
  ) => [path, path]),
);

/** What would lose a file without a word, were it carried out: what is typed, what the server has, what is said. */
const REFUSED: [words: string, there: Tree, message: RegExp][] = [
  ["put a b c", {}, /"c" looks like a source.*Write "c\/"/],
  ["put a b c", { c: "old" }, /"c" looks like a source.*it is no directory on the server/],
  // As a shell expands `put *.txt`.
  ["put one.txt two.txt", {}, /"two\.txt" looks like a source/],
  ["put one.txt two.txt", { "two.txt": "old" }, /"two\.txt" looks like a source/],
  ["put -r d1 d2", {}, /"d2" looks like a source/],
  ["put -r d1 d2 d3", {}, /"d3" looks like a source/],
  ["put p1.pdf *.txt", {}, /"\*\.txt" is a pattern/],
  ["put p1.pdf *.txt", { "*.txt": "old" }, /"\*\.txt" is a pattern/],
  ["put p1.pdf *.none", {}, /"\*\.none" is a pattern/],
  ["put p1.pdf */", {}, /"\*\/" is a pattern/],
  ["put -r d1 d?", {}, /"d\?" is a pattern/],
  ["put x/same y/same into/", {}, /^Two sources are called "same"/],
  ["put -r x/same y/same into", { into: null }, /^Two sources are called "same"/],
];

for (const [words, there, message] of REFUSED) {
  const what = Object.keys(there).length > 0 ? `with ${Object.keys(there)} there` : "with nothing there";
  Deno.test(`${words} ${what} is refused, and nothing is sent or made`, async () => {
    await using place = await scene(there, HERE);
    const before = [linesOf(place.there), linesOf(place.here)];
    assertMatch((await place.run(words, 2)).news, message);
    assertMatch((await place.run(words.replace("put", "put --dry-run"), 2)).news, message);
    assertEquals([linesOf(place.there), linesOf(place.here)], before);
    const asked = place.served.events.of("command").map(({ command }) => command);
    assertEquals(asked.filter((command) => !["stat", "close"].includes(command)), []);
  });
}

/** What is clear, and what the server has then. */
const ACCEPTED: [words: string, there: Tree, found: string[]][] = [
  ["put a b c .", {}, ["a", "b", "c"]],
  ["put a b c /", {}, ["a", "b", "c"]],
  ["put a b c/", {}, ["c/", "c/a", "c/b"]],
  ["put a b new/deep/", {}, ["new/", "new/deep/", "new/deep/a", "new/deep/b"]],
  ["put a b into", { into: null }, ["into/", "into/a", "into/b"]],
  ["put one.txt two.txt .", {}, ["one.txt", "two.txt"]],
  ["put one.txt two.txt", { "two.txt": null }, ["two.txt/", "two.txt/one.txt"]],
  ["put one.txt three.txt", {}, ["three.txt"]],
  ["put one.txt three.txt", { "three.txt": "old" }, ["three.txt"]],
  ["put one.txt one.txt", {}, ["one.txt"]],
  ["put ./one.txt one.txt", { "one.txt": "old" }, ["one.txt"]],
  ["put *.txt", {}, ["one.txt", "two.txt"]],
  ["put *.txt p1.pdf texts/", {}, ["texts/", "texts/one.txt", "texts/p1.pdf", "texts/two.txt"]],
  ["put p1.pdf odd[1]", { "odd[1]": null }, ["odd[1]/", "odd[1]/p1.pdf"]],
  ["put -r d1 d2 .", {}, ["d1/", "d1/1", "d2/", "d2/2"]],
  ["put a b nothing", {}, ["nothing/", "nothing/a", "nothing/b"]],
  ["put *.txt nothing", {}, ["nothing/", "nothing/one.txt", "nothing/two.txt"]],
  ["put one.* nothing", {}, ["nothing/", "nothing/one.txt"]],
  ["put -r d1 d2 nothing", {}, ["nothing/", "nothing/d1/", "nothing/d1/1", "nothing/d2/", "nothing/d2/2"]],
  ["put -r d1 other", {}, ["other/", "other/d1/", "other/d1/1"]],
  ["put -r d1/ d2/ other", {}, ["other/", "other/1", "other/2"]],
];

for (const [words, there, found] of ACCEPTED) {
  Deno.test(`${words} with ${Object.keys(there).join() || "nothing"} there puts ${found.join()}`, async () => {
    await using place = await scene(there, HERE);
    await place.run(words);
    assertEquals(pathsIn(place.there), found);
  });
}

Deno.test("put of patterns that mean files of one name sends the first, and fails", async () => {
  for (const [words, content] of [["x/* y/*", "x/same"], ["y/same x/*", "y/same"], ["y/* x/s*", "y/same"]]) {
    await using place = await scene({}, HERE);
    const { news } = await place.run(`put ${words} d1/* into/`, 1);
    assertStringIncludes(news, 'Cannot put "same": it is transferred by an earlier source');
    assertEquals(pathsIn(join(place.there, "into")), ["1", "same"]);
    assertEquals(Deno.readTextFileSync(join(place.there, "into", "same")), content);
  }
});

Deno.test("put to a drop box, where nobody may look, takes a word for a directory only when it must be one", async () => {
  await using place = await scene({ into: null }, HERE, { uploadOnly: true });
  for (const words of ["put a b c", "put one.txt two.txt", "put p1.pdf *.txt"]) await place.run(words, 2);
  assertEquals(pathsIn(place.there), ["into/"]);
  await place.run("put a b into");
  await place.run("put one.txt two.txt .");
  await place.run("put c named");
  assertEquals(pathsIn(place.there), ["into/", "into/a", "into/b", "named", "one.txt", "two.txt"]);
});

Deno.test("get of a pattern, or of several files, needs a directory on this side, and makes it", async () => {
  const there = { "r/may.pdf": "may", "r/june.pdf": "june", "r/d/x": "x" };
  await using place = await scene(there, { file: "mine", into: null });
  const before = linesOf(place.here);
  for (const words of ["get r/*.pdf file", "get -r r/* file", "get -n r/* file", "get r/may.pdf r/june.pdf file"]) {
    assertMatch((await place.run(words, 1)).news, /^Cannot write ".*file": it is not a directory$/);
    assertEquals(linesOf(place.here), before, words);
  }
  assertMatch((await place.run("get r/* *.pdf", 2)).news, /"\*\.pdf" is a pattern/);
  assertEquals(linesOf(place.here), before);
  await place.run("get r/*.pdf new");
  await place.run("get r/may.* into");
  await place.run("get r/may.pdf r/june.pdf both");
  await place.run("get r/june.*");
  assertEquals(pathsIn(place.here), [
    "both/",
    "both/june.pdf",
    "both/may.pdf",
    "file",
    "into/",
    "into/may.pdf",
    "june.pdf",
    "new/",
    "new/june.pdf",
    "new/may.pdf",
  ]);
});

Deno.test("put onto a file of what needs a directory says so before anything is sent", async () => {
  for (const words of ["put *.txt old", "put a b old", "put -r d1 old", "put -r a old", "put a old/"]) {
    await using place = await scene({ old: "old" }, HERE);
    const before = linesOf(place.there);
    assertEquals(
      (await place.run(words, 1)).news,
      `Cannot write "${words.split(" ").at(-1)?.replace(/\/$/, "")}": it is not a directory`,
    );
    assertEquals(linesOf(place.there), before);
    const asked = place.served.events.of("command").map(({ command }) => command);
    assertEquals(asked, ["stat", "close"]);
  }
});

/** A `get` that would replace a file here by another: what is typed, what the server has, what is here. */
const REFUSED_GETS: [words: string, there: Tree, here: Tree, message: RegExp][] = [
  // As a shell expands `get *.txt`.
  ["get one.txt two.txt", { "one.txt": "1", "two.txt": "2" }, { "one.txt": "x", "two.txt": "y" }, /"two\.txt" looks/],
  ["get d/one d/two", { "d/one": "1", "d/two": "2" }, { "d/two": "mine" }, /"d\/two" looks/],
  ["get one d//two", { one: "1", "d/two": "2" }, { "d/two": "mine" }, /"d\/\/two" looks/],
  ["get ./one ./two", { one: "1", two: "2" }, { two: "mine" }, /"\.\/two" looks/],
  ["get one two", { one: "1", "two/x": "2" }, { two: "mine" }, /"two" looks/],
  ["get -r d1 two", { "d1/1": "1", two: "2" }, { two: "mine" }, /"two" looks.*it is no directory here/],
  ["get one two", { one: "two", two: "2" }, { two: "two" }, /"two" looks/],
  ["get one three two", { one: "1", two: "2", three: "3" }, { two: "mine" }, /"two" looks/],
  // As it is typed by who forgets where they go.
  ["get one three two", { one: "1", two: "2", three: "3" }, {}, /"two" looks.*Write "two\/"/],
  ["get one two", { one: "1", two: "2" }, {}, /"two" looks.*Write "two\/"/],
  ["get -u one two", { one: "1", two: "2" }, {}, /"two" looks/],
  ["get -r d1 d2", { "d1/1": "1", "d2/2": "2" }, {}, /"d2" looks/],
  ["get -r d1/ d2", { "d1/1": "1", "d2/2": "2" }, {}, /"d2" looks/],
  ["get o* two", { one: "1", two: "2" }, {}, /"two" looks/],
];

for (const [words, there, here, message] of REFUSED_GETS) {
  Deno.test(`${words} with ${Object.keys(there)} there is refused, and nothing is fetched`, async () => {
    await using place = await scene(there, here);
    const before = [linesOf(place.there), linesOf(place.here)];
    const { news } = await place.run(words, 2);
    assertMatch(news, message);
    assertStringIncludes(news, "such as . for the current directory here");
    assertMatch((await place.run(words.replace("get", "get --dry-run"), 2)).news, message);
    assertEquals([linesOf(place.there), linesOf(place.here)], before);
    const asked = place.served.events.of("command").map(({ command }) => command);
    // Where nothing here is at risk, the source is looked at meanwhile.
    const looks = Object.keys(here).length > 0 ? ["stat", "close"] : ["stat", "dir", "close"];
    assertEquals(asked.filter((command) => !looks.includes(command)), []);
  });
}

/** What is clear, the file here that has "1" then, and what is asked. */
const ACCEPTED_GETS: [words: string, there: Tree, here: Tree, got: string, asked: string[]][] = [
  ["get one two", { one: "1" }, { two: "mine" }, "two", ["stat", "get"]],
  ["get one two", { one: "1" }, {}, "two", ["stat", "get"]],
  ["get one two", { one: "1", two: "2" }, { two: null }, "two/one", ["get"]],
  ["get one", { one: "1", two: "2" }, { one: "mine", two: "mine" }, "one", ["get"]],
  ["get one one", { one: "1" }, { one: "mine" }, "one", ["get"]],
  ["get ./one one", { one: "1" }, { one: "mine" }, "one", ["get"]],
  // Nothing on the server can have such a name.
  ["get one d/../../HERE/two", { one: "1", two: "2" }, { d: null, two: "mine" }, "two", ["get"]],
];

for (const [words, there, here, got, asked] of ACCEPTED_GETS) {
  Deno.test(`${words} with ${Object.keys(there)} there and ${Object.keys(here)} here gets ${got}`, async () => {
    await using place = await scene(there, here);
    await place.run(words.replace("HERE", basename(place.here)));
    assertEquals(Deno.readTextFileSync(join(place.here, got)), "1");
    assertEquals(place.served.events.of("command").map(({ command }) => command), [...asked, "close"]);
  });
}

Deno.test("get onto a file here asks again whether it is on the server when the connection was lost", async () => {
  await using place = await scene({ one: "1" }, { two: "mine" });
  // Everything up to the welcome passes, and not all of the answer to the first question.
  const cut = onlyFirst({ toClient: { cut: { after: GREETING_BYTES, by: "reset" } } });
  await using proxy = await FaultProxy.to(place.served.address, cut);
  const { code, news } = await runCommand(proxy.address, place.here, ["get", "one", "two"]);
  assertEquals(code, 0, news);
  assertStringIncludes(news, "Connecting again.");
  assertEquals(Deno.readTextFileSync(join(place.here, "two")), "1");
});

for (const code of ["NotFound", "InvalidPath", "NotADirectory", "Refused", "Internal"] as const) {
  const isFetched = code !== "Internal";
  Deno.test(`get onto a file here ${isFetched ? "goes on" : "fails"} when the server answers ${code} for its name`, async () => {
    await using dir = await tempDir();
    makeTree(dir.path, { two: "mine" });
    await using server = FakeServer.welcoming(async (peer) => {
      for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
        const { command } = frame.value as { command: string };
        if (command === "stat") await peer.send("error", { code, message: "no" });
        else if (command === "close") return await peer.send("ok", {});
        else {
          await peer.send("ready", { size: 1, mtimeMs: 0, version: "v" });
          await peer.sendAll(["data", new Uint8Array([0x31])], ["end", { size: 1 }], ["ok", {}]);
        }
      }
    });
    const ran = await runCommand(server.address, dir.path, ["get", "one", "two"]);
    assertEquals(ran.code, isFetched ? 0 : 1, ran.news);
    assertEquals(Deno.readTextFileSync(dir.join("two")), isFetched ? "1" : "mine");
  });
}

Deno.test("get to a file here does not look at a server where nobody may", async () => {
  await using place = await scene({ one: "1", two: "2" }, { two: "mine" }, { uploadOnly: true });
  await place.run("get one two", 4);
  assertEquals(place.served.events.of("command").map(({ command }) => command), ["get", "close"]);
});

Deno.test("put refuses an empty name for where its sources go, and sends nothing", async () => {
  for (const words of ["put a ", "put a b ", "put -r d1 ", "put -n a ", "put *.txt "]) {
    for (const there of [{}, { into: null }]) {
      await using place = await scene(there, HERE);
      assertStringIncludes(
        (await place.run(words, 2)).news,
        "The last word is empty; write . for the current directory on the server",
      );
      assertEquals(place.served.events.of("command"), []);
      assertEquals(pathsIn(place.there), Object.keys(there).map((path) => `${path}/`));
    }
  }
});

Deno.test("get refuses an empty name for where its sources go, and an empty source", async () => {
  await using place = await scene({ one: "1", two: "2" });
  for (const words of ["get one ", "get one two ", "get -r one ", "get o* "]) {
    assertStringIncludes(
      (await place.run(words, 2)).news,
      "The last word is empty; write . for the current directory here",
    );
  }
  for (const words of ["get ", "get -r ", "get  into", "get -r  into"]) {
    assertStringIncludes((await place.run(words, 1)).news, 'Cannot get "": the name is empty');
  }
  assertEquals(pathsIn(place.here), []);
});

Deno.test("client.ts put - refuses the name of a directory and a pattern, and takes none of its input", async () => {
  await using dir = await tempDir();
  makeTree(dir.path, { "served/into": null });
  await using server = await startServer(dir.join("served"));
  for (const target of ["newdir/", "into/", ".", "..", "*.txt", "a/b/", ""]) {
    const { code, stderr } = await runClient([server.at, "put", "-", target], { input: "content" });
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /^put - needs the name|is a pattern/);
  }
  assertEquals(pathsIn(dir.join("served")), ["into/"]);
});

const holds = await unprivileged();

Deno.test(
  "client.ts get is done when its directory cannot be swept, or something in it",
  { ignore: holds === undefined },
  async () => {
    await using dir = await tempDir();
    makeTree(dir.path, { "served/f": "content", here: null });
    const here = dir.join("here");
    await using server = await startServer(dir.join("served"));
    // Somebody else's, which may not be opened, and old enough to be removed; then nothing there may be listed.
    const other = join(here, ".ferry-0123456789abcdef.part");
    Deno.writeTextFileSync(other, "x");
    Deno.utimeSync(other, 1, 1);
    Deno.chmodSync(other, 0);
    for (const mode of [0o700, 0o300]) {
      Deno.chmodSync(here, mode);
      const { code, stderr } = await runClient([server.at, "get", "f"], { cwd: here, under: holds ?? [] });
      assertMatch(stderr, /^Got "f" as "f" \(7 B in \d+ ms\)\.\n$/);
      assertEquals(code, 0);
      assertEquals(Deno.readTextFileSync(join(here, "f")), "content");
    }
  },
);
