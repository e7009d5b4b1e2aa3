import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { FaultProxy } from "../../helpers/proxy.ts";
import { bytes } from "../../helpers/random.ts";
import { scene } from "../../helpers/scene.ts";
import { assertSameTree, linesOf, pathsIn, runCommand, type Tree } from "../../helpers/trees.ts";
import { Visit } from "../../helpers/visit.ts";

/** What the source has. */
const SOURCE: Tree = { "photos/a": "a", "photos/in/b": "b", "phones/c": "c", "file": "file", "other": "other" };

const PHOTOS = ["a", "in/", "in/b"];
const CONTENT = (top: string) => [`${top}/`, ...PHOTOS.map((path) => `${top}/${path}`)];

/** What TARGET is before: nothing, a directory that has something of its own, or a file. */
type Before = "missing" | "directory" | "file";

/** What a source means: what is in TARGET then; or the new name of a file; or an error. */
const ROWS: [words: string, inTarget: string[] | "named"][] = [
  ["-r photos", CONTENT("photos")],
  ["-r photos/", PHOTOS],
  ["-r photos/.", PHOTOS],
  ["-r photos/in/..", PHOTOS],
  ["-r ./photos", CONTENT("photos")],
  ["-r photos/in", ["in/", "in/b"]],
  ["-r photos/in/", ["b"]],
  ["-r photos phones", [...CONTENT("photos"), "phones/", "phones/c"]],
  ["-r photos/ phones/", [...PHOTOS, "c"]],
  ["-r photos/ file", [...PHOTOS, "file"]],
  ["-r file", ["file"]],
  ["-r ph*", [...CONTENT("photos"), "phones/", "phones/c"]],
  ["-r ph*s/in", ["in/", "in/b"].map((path) => `photos/${path}`).concat("photos/")],
  ["-r photos/*", PHOTOS],
  ["file", "named"],
  ["./file", "named"],
  ["file other", ["file", "other"]],
  ["f* oth*", ["file", "other"]],
  ["f*", ["file"]],
  ["photos/*", ["a"]],
];

for (const verb of ["get", "put"] as const) {
  const from = (tree: Tree, other: Tree = {}) => verb === "get" ? scene(tree, other) : scene(other, tree);
  type Scene = Awaited<ReturnType<typeof scene>>;
  const source = ({ there, here }: Scene) => verb === "get" ? there : here;
  const target = ({ there, here }: Scene) => verb === "get" ? here : there;
  const asked = ({ served }: Scene, since: number) =>
    served.events.of("command").slice(since).map(({ command }) => command);
  /** What the server did since a number of commands, other than to look and to make directories. */
  const changes = (place: Scene, since: number) =>
    asked(place, since).filter((command) => !["stat", "dir", "mkdir", "set", "close"].includes(command));

  /** The code of a command that transfers all but a directory. */
  const codeOf = (words: string) => words.startsWith("photos/*") ? 1 : 0;

  /** Runs a command again: nothing is different then, and nothing of a tree or pattern was sent. */
  const assertSameAgain = async (place: Scene, words: string) => {
    const after = linesOf(target(place));
    const since = place.served.events.of("command").length;
    const { news } = await place.run(words, codeOf(words.replace(/^\w+ /, "")));
    assertEquals(linesOf(target(place)), after);
    if (!/ -r |\*/.test(words)) return;
    assertEquals(changes(place, since), []);
    // Only the top is asked for once more, to learn whether anything may be put there.
    const again = asked(place, since);
    assert(again.filter((command) => command === "mkdir").length <= words.split(" ").length, again.join(" "));
    assert(!again.includes("set"), again.join(" "));
    assert(!/^(Got|Put) "/m.test(news), news);
    for (const [, files] of news.matchAll(/^(?:Got|Put) (\d+) files?/gm)) assertEquals(files, "0", news);
  };

  for (const [words, inTarget] of ROWS) {
    for (const before of ["missing", "directory", "file"] as const) {
      for (const to of ["T", "T/", "deep/T"]) {
        const isFile = before === "file";
        const isName = inTarget === "named" && before !== "directory" && !to.endsWith("/");
        if (to === "deep/T" && (before !== "missing" || isName)) continue;
        const end = isFile && !isName ? "is refused" : isName ? "makes a file" : "goes into the directory";
        Deno.test(`${verb} ${words} ${to} ${end} when TARGET is ${before}, and the same the second time`, async () => {
          const had: Record<Before, Tree> = { missing: {}, directory: { "T/own": "own" }, file: { T: "own" } };
          await using place = await from(SOURCE, had[before]);
          const top = join(target(place), to);
          const state = linesOf(target(place));
          if (isFile && !isName) {
            assertMatch(
              (await place.run(`${verb} ${words} ${to}`, 1)).news,
              /^Cannot write ".*T": it is not a directory$/,
            );
            assertEquals(linesOf(target(place)), state);
            assertEquals(changes(place, 0), []);
            return;
          }
          const planned = await place.run(`${verb} --dry-run ${words} ${to}`, codeOf(words));
          assertEquals(linesOf(target(place)), state);
          await place.run(`${verb} ${words} ${to}`, codeOf(words));
          if (isName) assertEquals(Deno.readTextFileSync(top), "file");
          else {
            const found = inTarget === "named" ? ["file"] : inTarget;
            assertEquals(pathsIn(top), [...found, ...(before === "directory" ? ["own"] : [])].sort());
          }
          // What was planned is what there is now. Directories on the way to what a pattern matches are not in the plan.
          const destinations = Array.from(planned.output.matchAll(/(?:as|^mkdir) "(.*)"$/gm), ([, path = ""]) => path);
          const absolute = destinations.map((path) => verb === "get" ? path : join(place.there, path)).sort();
          const made = pathsIn(target(place)).filter((path) => !state.some((line) => line.startsWith(path)))
            .map((path) => join(target(place), path).replace(/\/$/, "")).sort();
          if (to !== "deep/T" && !isFile && !words.includes("*s/")) {
            assertEquals(absolute.map((path) => path.replace(/\/$/, "")), made);
          }
          await assertSameAgain(place, `${verb} ${words} ${to}`);
        });
      }
    }
  }

  Deno.test(`${verb} -r without TARGET goes into the current directory, and a / at the end means nothing then`, async () => {
    const cases: [string, string[]][] = [
      ["-r photos", CONTENT("photos")],
      ["-r photos/", CONTENT("photos")],
      ["-r photos/in/", ["in/", "in/b"]],
      ["-r photos/.", PHOTOS],
      ["-r photos/in/..", PHOTOS],
      ["-r photo*", CONTENT("photos")],
      ["file", ["file"]],
    ];
    for (const [words, found] of cases) {
      await using place = await from(SOURCE);
      await place.run(`${verb} ${words}`);
      assertEquals(pathsIn(target(place)), found, words);
      await assertSameAgain(place, `${verb} ${words}`);
    }
    for (const words of ["-r .", "-r photos/..", ...(verb === "get" ? ["-r /"] : [])]) {
      await using place = await from(SOURCE);
      await place.run(`${verb} ${words}`);
      assertSameTree(target(place), source(place));
      await assertSameAgain(place, `${verb} ${words}`);
      await place.run(`${verb} ${words} T`);
      assertSameTree(`${target(place)}/T`, source(place));
      await assertSameAgain(place, `${verb} ${words} T`);
    }
  });

  Deno.test(`${verb} -r of a tree whose place has a file says so, and transfers nothing`, async () => {
    for (const words of ["-r photos T", "-r photos/ T/photos"]) {
      await using place = await from(SOURCE, { "T/photos": "own" });
      const before = linesOf(target(place));
      const { news } = await place.run(`${verb} ${words}`, 1);
      assertMatch(news, /^Cannot write ".*T\/photos": it is not a directory$/);
      assertEquals([linesOf(target(place)), changes(place, 0)], [before, []]);
    }
  });

  Deno.test(`${verb} says which of several sources failed, and transfers the others`, async () => {
    await using place = await from(SOURCE, { T: null });
    const { news } = await place.run(`${verb} file none photos other T`, 5);
    assertMatch(news, /^Cannot \w+ ".*none": no such file or directory$/m);
    assertMatch(news, new RegExp(`^Cannot ${verb} ".*photos": it is a directory; use ${verb} -r$`, "m"));
    assertMatch(news, /\n2 of 4 failed$/);
    assertEquals(pathsIn(`${target(place)}/T`), ["file", "other"]);
  });

  for (
    const [words, first] of [
      [`${verb} NAMES .`, verb],
      [`${verb} NAMES T/`, verb === "get" ? "stat" : "put"],
      [`${verb} -r NAMES .`, verb === "get" ? "stat" : "put"],
      [`${verb} --connections 1 NAMES own`, verb],
    ] as const
  ) {
    Deno.test(`${words} asks for all files before the first answer has come`, async () => {
      const names = Array.from({ length: 50 }, (_, i) => `f${i}`);
      await using place = await from(Object.fromEntries(names.map((name) => [name, name])), { own: null });
      const commands = () => place.served.events.of("command");
      // Nothing more gets to the client when the first file was asked for.
      await using proxy: FaultProxy = await FaultProxy.to(place.served.address, {
        toClient: {
          get stallAfter(): number {
            return commands().some(({ command }) => command === first) ? proxy.passed.toClient : Infinity;
          },
        },
      });
      const line = words.split(" ").flatMap((word) => word === "NAMES" ? names : [word]);
      const running = runCommand(proxy.address, place.here, line);
      await proxy.stalled;
      const before = commands().findIndex(({ command }) => command === first);
      await place.served.events.until("command", before + names.length);
      proxy.release();
      const { code, news } = await running;
      assertEquals(code, 0, news);
      assertEquals(news.split("\n").filter((text) => /^(Got|Put) "/.test(text)).length, names.length);
      const top = words.endsWith("own") ? "own/" : words.endsWith("T/") ? "T/" : "";
      for (const name of names) assertEquals(Deno.readTextFileSync(`${target(place)}/${top}${name}`), name);
      // The directory is made once, however many files go there.
      assert(commands().filter(({ command }) => command === "mkdir").length <= 1);
    });
  }

  Deno.test(`${verb} of several directories and files with -r does each`, async () => {
    await using place = await from(SOURCE);
    const { news } = await place.run(`${verb} -r photos file none phones other T`, 5);
    assertEquals(pathsIn(`${target(place)}/T`), [
      "file",
      "other",
      "phones/",
      "phones/c",
      "photos/",
      "photos/a",
      "photos/in/",
      "photos/in/b",
    ]);
    assertMatch(news, /\n1 of 5 failed$/);
  });

  Deno.test(`${verb} refuses a file whose name ends as that of a directory`, async () => {
    for (const words of ["file/ T", "file/ .", "-r file/ T", "file/ other T/", "photos/a/"]) {
      await using place = await from(SOURCE);
      const { news } = await place.run(`${verb} ${words}`, 1);
      const name = words.replace("-r ", "").split(" ")[0];
      assertStringIncludes(news, `Cannot ${verb} "${name}": it is not a directory`);
      assertEquals(pathsIn(target(place)), words.includes("other") ? ["T/", "T/other"] : []);
    }
    await using place = await from(SOURCE);
    assertMatch((await place.run(`${verb} photos/ T`, 1)).news, /photos": it is a directory; use (get|put) -r$/);
  });

  Deno.test(`${verb} --update says that the target is newer, and not that there is nothing to do`, async () => {
    await using place = await from({ one: "old" }, { one: "newer and different", T: null });
    const { mtime } = await Deno.stat(`${source(place)}/one`);
    const at = (mtime?.getTime() ?? 0) + 5000;
    await Deno.utime(`${target(place)}/one`, new Date(at), new Date(at));
    for (const option of ["-u", "-r -u"]) {
      assertMatch((await place.run(`${verb} ${option} one`)).news, /^Skipped ".*one": ".*one" is newer\.$/);
    }
    assertEquals(Deno.readTextFileSync(`${target(place)}/one`), "newer and different");
    await place.run(`${verb} one T`);
    assertMatch((await place.run(`${verb} -u one T`)).news, /^Skipped ".*one": nothing to do\.$/);
  });

  Deno.test(`${verb} makes no TARGET for sources that are not there`, async () => {
    await using place = await from(SOURCE);
    for (const words of ["none T/", "-r none T", "none neither T", "n* T", "-r n* T", "photos T/"]) {
      const isDirectory = words.startsWith("photos");
      await place.run(`${verb} ${words}`, isDirectory ? 1 : 5);
    }
    assertEquals(pathsIn(target(place)), []);
  });

  Deno.test(`${verb} never replaces what an earlier source has put there, and the second run sends nothing`, async () => {
    const tree = { "x/same": "x", "y/same": "y", "y/more": "more", "same": "mine" };
    const cases: [words: string, content: string][] = [
      ["-r x/ y/", "x"],
      ["-r y/ x/", "y"],
      ["x/* y/*", "x"],
      ["x/* same", "x"],
      ["same x/*", "mine"],
      ["-r same y/", "mine"],
    ];
    for (const [words, content] of cases) {
      await using place = await from(tree, { T: null });
      const { news } = await place.run(`${verb} ${words} T`, 1);
      assertStringIncludes(news, `Cannot ${verb} "same": it is transferred by an earlier source`);
      assertEquals(Deno.readTextFileSync(`${target(place)}/T/same`), content, words);
      if (!words.includes("-r")) continue;
      const after = linesOf(target(place));
      const asked = place.served.events.of("command").length;
      await place.run(`${verb} ${words} T`, 1);
      assertEquals([linesOf(target(place)), changes(place, asked)], [after, []]);
    }
    await using several = await from({ ...tree, "z/last": "last" }, { T: null });
    const { news } = await several.run(`${verb} -r x/ y/ z/ T`, 1);
    assertEquals(news.match(/an earlier source/g)?.length, 1, news);
    assertEquals(pathsIn(`${target(several)}/T`), ["last", "more", "same"]);
    await using place = await from(tree, { T: null });
    assertStringIncludes((await place.run(`${verb} x/same y/same T`, 2)).news, 'Two sources are called "same"');
    assertEquals(pathsIn(`${target(place)}/T`), []);
  });

  Deno.test(`${verb} -r sends what is the same only with --all, and a single file always`, async () => {
    await using place = await from({ "t/a": "a", "t/b": "b", one: "1" });
    const sent = async (words: string) => {
      const asked = place.served.events.of("command").length;
      const { news } = await place.run(`${verb} ${words}`);
      return [changes(place, asked).length, / (\d+) skipped/.exec(news)?.[1]];
    };
    assertEquals(await sent("-r t"), [2, undefined]);
    assertEquals(await sent("-r t"), [0, "2"]);
    assertEquals(await sent("-r --all t"), [2, undefined]);
    assertEquals(await sent("t/* t"), [0, "2"]);
    assertEquals(await sent("--all t/* t"), [2, undefined]);
    for (let run = 0; run < 2; run++) assertEquals(await sent("one"), [1, undefined]);
    for (const option of ["-u", "--update", "-r"]) {
      assertEquals(
        (await place.run(`${verb} ${option} one`)).news,
        `Skipped "${source(place) === place.here ? `${place.here}/` : ""}one": nothing to do.`,
      );
    }
    for (const option of ["--update", "--checksum"]) {
      const { news } = await place.run(`${verb} -r --all ${option} t`, 2);
      assertEquals(news, "--all cannot be combined with --update or --checksum");
    }
  });

  Deno.test(`${verb} -r --update keeps what is newer at the target, and sends another size of the same time`, async () => {
    await using place = await from({ "t/newer": "old", "t/older": "new", "t/size": "longer", "t/same": "same" });
    await place.run(`${verb} -r t`);
    const there = `${target(place)}/t`;
    const write = async (name: string, content: string, change: number) => {
      const { mtime } = await Deno.stat(`${there}/${name}`);
      await Deno.writeTextFile(`${there}/${name}`, content);
      const time = new Date((mtime?.getTime() ?? 0) + change);
      await Deno.utime(`${there}/${name}`, time, time);
    };
    await write("newer", "kept", 1);
    await write("older", "lost", -1);
    await write("size", "short", 0);
    const { news } = await place.run(`${verb} -r --update t`);
    assertMatch(news, / 2 files .* 2 skipped/);
    assertEquals(
      ["newer", "older", "size", "same"].map((name) => Deno.readTextFileSync(`${there}/${name}`)),
      ["kept", "new", "longer", "same"],
    );
  });

  Deno.test(
    `${verb} -r gives a directory's time and permission bits to what it makes, not to what was there`,
    NOT_ON_WINDOWS,
    async () => {
      await using place = await from({ "t/a": "a", "private/b": "b" }, { old: null });
      const time = new Date(1_500_000_000_000);
      const stat = async (path: string) => {
        const { mode, mtime } = await Deno.stat(`${target(place)}/${path}`);
        return [(mode ?? 0) & 0o777, mtime?.getTime()];
      };
      for (const name of ["t", "private"]) {
        await Deno.chmod(`${source(place)}/${name}`, 0o700);
        await Deno.utime(`${source(place)}/${name}`, time, time);
      }
      await Deno.chmod(`${target(place)}/old`, 0o750);
      const wanted = [0o700, time.getTime()];
      for (let run = 0; run < 2; run++) {
        await place.run(`${verb} -r t private into`);
        for (const path of ["into/t", "into/private"]) assertEquals(await stat(path), wanted);
        await place.run(`${verb} -r private/ new`);
        assertEquals(await stat("new"), wanted);
        await place.run(`${verb} -r private/ old`);
        assertEquals((await stat("old"))[0], 0o750);
        assert((await stat("old"))[1] !== time.getTime());
      }
    },
  );
}

Deno.test("get goes through a link that the user made to another place", NOT_ON_WINDOWS, async () => {
  await using place = await scene({ "t/a": "a", f: "f" }, { "disk/x": null });
  await Deno.mkdir(`${place.here}/here`);
  await Deno.symlink("../disk", `${place.here}/here/t`);
  await place.run("get -r t here");
  await place.run("get f here/t");
  assertEquals(pathsIn(`${place.here}/disk`), ["a", "f", "x/"]);
});

Deno.test("get and put take no part of the current directories for a pattern", NOT_ON_WINDOWS, async () => {
  await using visit = await Visit.to({}, { "[d]/r1": "1" });
  await Deno.mkdir(visit.here.join("[h]"));
  visit.write("[h]/l1", "1");
  await visit.run("cd", "[d]");
  await visit.run("lcd", "[h]");
  await visit.run("get", "r?");
  await visit.run("put", "l?");
  assertEquals(pathsIn(visit.here.join("[h]")), ["l1", "r1"]);
  assertEquals(pathsIn(visit.served.join("[d]")), ["l1", "r1"]);
});

for (
  const [words, code, said] of [
    ["get x", 1, 'Cannot write "HERE/x": it is a directory; remove it first to put a file in its place'],
    ["get -r x", 1, 'Cannot write "HERE/x": it is a directory; remove it first to put a file in its place'],
    ["get -r large", 1, 'Cannot write "HERE/large": it is a directory; remove it first to put a file in its place'],
    ["get nothing", 5, 'Cannot get "nothing": no such file or directory'],
    ["get -r nothing", 5, 'Cannot get "nothing": no such file or directory'],
    ["get d", 1, 'Cannot get "d": it is a directory; use get -r'],
  ] as const
) {
  Deno.test(`${words} says what is wrong where a directory of that name is here`, async () => {
    const directories = { "x/a": "a", "nothing/a": "a", "d/a": "a", "large/a": "a" };
    await using place = await scene({ "x": "1", "d/b": "b", "large": bytes(3_000_000, 1) }, directories);
    const { news } = await place.run(words, code);
    assertEquals(news.replace(place.here, "HERE"), said);
    assertEquals(pathsIn(place.here), ["d/", "d/a", "large/", "large/a", "nothing/", "nothing/a", "x/", "x/a"]);
  });
}
