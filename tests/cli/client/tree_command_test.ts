import { execute } from "../../../lib/cli/client/shell_commands.ts";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { Served } from "../../helpers/raw.ts";
import { withWrongSums } from "../../helpers/sums.ts";
import { scene } from "../../helpers/scene.ts";
import { runClient, startClient, startServer } from "../../helpers/process.ts";
import { FaultProxy } from "../../helpers/proxy.ts";
import { bytes } from "../../helpers/random.ts";
import { tempDir } from "../../helpers/temp.ts";
import { assertSameTree, linesOf, makeTree, pathsIn, runCommand, type Tree } from "../../helpers/trees.ts";

const REPORTS: Tree = {
  "reports/may.pdf": "may",
  "reports/june.pdf": "june",
  "reports/notes.txt": "notes",
  "reports/old/april.pdf": "april",
  "reports/empty": null,
  "天线/测试.doc": bytes(3000),
};

for (const verb of ["get", "put"] as const) {
  /** The same tree on the side that the command takes it from. */
  const from = (tree: Tree, other: Tree = {}) => verb === "get" ? scene(tree, other) : scene(other, tree);
  type Scene = Awaited<ReturnType<typeof scene>>;
  const source = ({ there, here }: Scene) => verb === "get" ? there : here;
  const target = ({ there, here }: Scene) => verb === "get" ? here : there;

  Deno.test(`${verb} -r copies a directory under its name, or into the target`, async () => {
    await using place = await from(REPORTS);
    assertMatch((await place.run(`${verb} -r reports`)).news, /^(Got|Put) 4 files \(/);
    assertSameTree(`${target(place)}/reports`, `${source(place)}/reports`);
    await place.run(`${verb} -r 天线 reports/`);
    assertSameTree(`${target(place)}/reports/天线`, `${source(place)}/天线`);
    await place.run(`${verb} -r reports/old another`);
    assertEquals(pathsIn(`${target(place)}/another`), ["old/", "old/april.pdf"]);
    await place.run(`${verb} -r reports/empty/ nothing`);
    assertEquals(pathsIn(`${target(place)}/nothing`), []);
  });

  Deno.test(`${verb} without -r refuses a directory`, async () => {
    await using place = await from(REPORTS);
    const { news } = await place.run(`${verb} reports`, 1);
    assertStringIncludes(news, "directory");
    assertEquals(pathsIn(target(place)), []);
  });

  Deno.test(`${verb} takes the files that a pattern means`, async () => {
    const cases: [string, string[]][] = [
      ["reports/*.pdf", ["june.pdf", "may.pdf"]],
      ["reports/*", ["june.pdf", "may.pdf", "notes.txt"]],
      ["reports/{may,june}.*", ["june.pdf", "may.pdf"]],
      ["reports/[jn]*", ["june.pdf", "notes.txt"]],
      ["reports/???.pdf", ["may.pdf"]],
      ["**/april.pdf", ["reports/", "reports/old/", "reports/old/april.pdf"]],
      ["reports/**/*.pdf", ["june.pdf", "may.pdf", "old/", "old/april.pdf"]],
      ["reports/*/*.pdf", ["old/", "old/april.pdf"]],
      ["天*/*.doc", ["天线/", "天线/测试.doc"]],
    ];
    for (const [pattern, wanted] of cases) {
      await using place = await from(REPORTS, { "into": null });
      const { news } = await place.run(`${verb} ${pattern} into`, pattern === "reports/*" ? 1 : 0);
      assertEquals(pathsIn(`${target(place)}/into`), wanted, pattern);
      assertEquals(news.includes("failed"), pattern === "reports/*", news);
    }
  });

  Deno.test(`${verb} of a pattern without -r says which directories it leaves out, and fails`, async () => {
    const words = (path: string) => new RegExp(`^Cannot \\w+ ".*${path}": it is a directory; use ${verb} -r$`, "m");
    await using place = await from({ ...REPORTS, "only/d/f": "f", "m/a.d/b.d/x": "x", "m/c.d/e.d": "e" }, {
      into: null,
    });
    const { news } = await place.run(`${verb} reports/* into`, 1);
    for (const name of ["reports/old", "reports/empty"]) assertMatch(news, words(name));
    assertMatch(news, /^(Got|Put) 3 files \(.*\), 2 failed\.\n2 entries could not be transferred$/m);
    // Neither one that is excluded, nor one in which something matches, was left out.
    assertEquals(
      (await place.run(`${verb} --exclude old --exclude empty reports/* into`)).news.includes("directory"),
      false,
    );
    const deep = (await place.run(`${verb} m/**/*.d into`, 1)).news;
    for (const path of ["m/a.d", "m/a.d/b.d"]) assertMatch(deep, words(path));
    assertMatch(deep, /^2 entries could not be transferred$/m);
    assertEquals(pathsIn(`${target(place)}/into`), ["c.d/", "c.d/e.d", "june.pdf", "may.pdf", "notes.txt"]);
    // Nothing is made for what is not transferred.
    assertMatch((await place.run(`${verb} only/* new`, 1)).news, words("only/d"));
    assertEquals(pathsIn(target(place)).includes("new/"), false);
  });

  Deno.test(`${verb} of a pattern of which all is excluded says so, and makes nothing`, async () => {
    await using place = await from({ "k/z.o": "z" });
    const { news } = await place.run(`${verb} --exclude *.o k/* T`);
    assertMatch(news, /^(Got|Put) 0 files: all that matches "k\/\*" is excluded\.$/);
    assertEquals(pathsIn(target(place)), []);
    await place.run(`${verb} --exclude *.o k/*.c T`, 5);
  });

  Deno.test(`${verb} -r takes all that is in the directories that a pattern means`, async () => {
    await using place = await from(REPORTS, { "into": null });
    await place.run(`${verb} -r rep* into`);
    assertSameTree(`${target(place)}/into/reports`, `${source(place)}/reports`);
  });

  Deno.test(`${verb} of a pattern that nothing matches says so and exits with 5`, async () => {
    await using place = await from(REPORTS, { "into": null });
    for (const pattern of ["*.png", "reports/*.png", "none/*", "**/none"]) {
      await place.run(`${verb} ${pattern} into`, 5);
    }
    assertEquals(pathsIn(target(place)), ["into/"]);
  });

  Deno.test(`${verb} takes a name that really has wildcards in it as it is`, async () => {
    const odd = { "[1].txt": "one", "1.txt": "no", "a*b": "star", "axb": "no", "d{x}/f?": "deep", "**": "stars" };
    for (const [name, found] of [["[1].txt", "[1].txt"], ["a*b", "a*b"], ["d{x}/f?", "f?"], ["**", "**"]] as const) {
      await using place = await from(odd, { "into": null });
      await place.run(`${verb} ${name} into`);
      assertEquals(pathsIn(`${target(place)}/into`), [found]);
    }
    await using place = await from(odd, { "into": null });
    await place.run(`${verb} -r d{x} into`);
    assertEquals(pathsIn(`${target(place)}/into`), ["d{x}/", "d{x}/f?"]);
    await place.run(`${verb} -r . all`);
    assertSameTree(`${target(place)}/all`, source(place));
  });

  Deno.test(`${verb} -r sends what differs in size or time only`, async () => {
    await using place = await from({
      "t/same": "same",
      "t/size": "longer",
      "t/time": "time!",
      "t/new": "new",
      "t/d": null,
    });
    await place.run(`${verb} -r t`);
    await Deno.writeTextFile(`${target(place)}/t/size`, "short");
    await Deno.utime(`${target(place)}/t/time`, 1, 1);
    await Deno.remove(`${target(place)}/t/new`);
    // Same size and time: not looked into.
    const { mtime } = await Deno.stat(`${target(place)}/t/same`);
    await Deno.writeTextFile(`${target(place)}/t/same`, "SAME");
    await Deno.utime(`${target(place)}/t/same`, mtime ?? 0, mtime ?? 0);
    const to = verb === "get" ? "." : "";
    const { news } = await place.run(`${verb} -r t ${to}`.trim());
    assertMatch(news, /^(Got|Put) 3 files \(.*\), 1 skipped\.$/m);
    assertEquals(await Deno.readTextFile(`${target(place)}/t/same`), "SAME");
    assertMatch((await place.run(`${verb} -r -u t ${to}`.trim())).news, / 0 files .* 4 skipped/);
    assertMatch((await place.run(`${verb} -r --checksum t ${to}`.trim())).news, / 1 file .* 3 skipped/);
    assertSameTree(`${target(place)}/t`, `${source(place)}/t`);
  });

  Deno.test(`${verb} -r --checksum skips equal content whatever its time`, async () => {
    await using place = await from({ "t/a": "content", "t/b": "CONTENT" });
    await place.run(`${verb} -r t`);
    await Deno.utime(`${target(place)}/t/a`, 1, 1);
    await Deno.writeTextFile(`${target(place)}/t/b`, "cONTENT");
    const before = (await Deno.stat(`${target(place)}/t/a`)).mtime;
    const { news } = await place.run(`${verb} -r --checksum t ${verb === "get" ? "." : ""}`.trim());
    assertMatch(news, / 1 file .* 1 skipped/);
    assertEquals((await Deno.stat(`${target(place)}/t/a`)).mtime, before);
    assertEquals(await Deno.readTextFile(`${target(place)}/t/b`), "CONTENT");
  });

  Deno.test(
    `${verb} takes from a file that is there the bits that its source has no longer`,
    NOT_ON_WINDOWS,
    async () => {
      await using place = await from({ "t/a": "private", "f": "private" });
      await place.run(`${verb} -r t`);
      await place.run(`${verb} f`);
      for (const path of ["t/a", "f"]) {
        await Deno.chmod(`${source(place)}/${path}`, 0o600);
        await Deno.chmod(`${target(place)}/${path}`, 0o644);
      }
      assertMatch((await place.run(`${verb} -r t${verb === "get" ? " ." : ""}`)).news, / 0 files .* 1 skipped/);
      assertMatch((await place.run(`${verb} -u f`)).news, /^Skipped /);
      for (const path of ["t/a", "f"]) {
        assertEquals(((await Deno.stat(`${target(place)}/${path}`)).mode ?? 0) & 0o777, 0o600);
      }
    },
  );

  Deno.test(`${verb} -r --dry-run says what it would do and does nothing`, async () => {
    await using place = await from(REPORTS, { "old/reports/may.pdf": "x" });
    const before = [linesOf(place.there), linesOf(place.here)];
    const { output, news } = await place.run(`${verb} -r --dry-run reports`);
    const [ours, theirs] = verb === "get" ? ["", `${place.here}/`] : [`${place.here}/`, ""];
    assertEquals(
      output.trimEnd().split("\n").sort(),
      [
        ...["june.pdf", "may.pdf", "notes.txt", "old/april.pdf"].map((path) =>
          `${verb} "${ours}reports/${path}" as "${theirs}reports/${path}"`
        ),
        ...["", "/empty", "/old"].map((path) => `mkdir "${theirs}reports${path}"`),
      ].sort(),
    );
    assertMatch(news, /^Would transfer 4 files\.$/m);
    await place.run(`${verb} -n reports/*.pdf new/`);
    await place.run(`${verb} -n reports/may.pdf`);
    assertEquals([linesOf(place.there), linesOf(place.here)], before);
  });

  Deno.test(`${verb} -r --no-clobber replaces nothing`, async () => {
    await using place = await from({ "t/a": "new a", "t/b": "new b", "t/c": "new c" }, { "t/a": "old a" });
    const to = verb === "get" ? " ." : "";
    const { output } = await place.run(`${verb} -r --no-clobber --dry-run t${to}`);
    assertEquals(output.match(/(?<=t\/)[bc](?=" as)/g)?.sort(), ["b", "c"]);
    const { news } = await place.run(`${verb} -r --no-clobber t ${verb === "get" ? "." : ""}`.trim());
    assertMatch(news, / 2 files .* 1 skipped/);
    assertEquals(await Deno.readTextFile(`${target(place)}/t/a`), "old a");
    assertEquals(await Deno.readTextFile(`${target(place)}/t/b`), "new b");
    for (const flags of ["", " --update", " --checksum"]) {
      const { news } = await place.run(`${verb} --no-clobber${flags} t/a t/a`);
      assertMatch(news, /^Skipped "[^"]*t\/a": "[^"]*t\/a" exists, and is different\.$/);
    }
    assertEquals(await Deno.readTextFile(`${target(place)}/t/a`), "old a");
  });

  Deno.test(`${verb} -r --verify --durable ends well when all is well`, async () => {
    await using place = await from(REPORTS);
    await place.run(`${verb} -r --verify --durable reports`);
    assertSameTree(`${target(place)}/reports`, `${source(place)}/reports`);
  });

  Deno.test(`${verb} --verify fails with 6 when the two ends differ, and does not try for ever`, async () => {
    await using served = await Served.with({}, {}, withWrongSums);
    await using local = await tempDir();
    makeTree(verb === "get" ? served.join() : local.path, { "f": "content" });
    const stop = new AbortController();
    // Far more than it takes, far less than for ever.
    const late = setTimeout(() => stop.abort(), 3_000);
    const { code, news } = await runCommand(
      served.address,
      local.path,
      [verb, "--verify", "--retry-for", "1", "f"],
      stop.signal,
    );
    clearTimeout(late);
    assertEquals(code, 6, news);
    assertStringIncludes(news, "differ");
  });

  Deno.test(`${verb} -r reports a bad file, sends the rest, and exits with the reason`, async () => {
    await using place = await from({ "t/1": "1", "t/2": "2", "t/3/x": "x" }, { "t/2/in the way": null });
    const { news } = await place.run(`${verb} -r t ${verb === "get" ? "." : ""}`.trim(), 1);
    assertMatch(news, /"(.*\/)?t\/2": it is a directory; remove it first to put a file in its place$/m);
    assertMatch(news, /^(Got|Put) 2 files \(.*\), 1 failed\.$/m);
    assertMatch(news, /^1 entry could not be transferred$/m);
    assertEquals(pathsIn(target(place)), ["t/", "t/1", "t/2/", "t/2/in the way/", "t/3/", "t/3/x"]);
  });
}

Deno.test("put leaves the bits of files alone on a server where nothing may be replaced", NOT_ON_WINDOWS, async () => {
  await using place = await scene({}, { "t/a": "private" }, { noOverwrite: true });
  await place.run("put -r t");
  await Deno.chmod(`${place.here}/t/a`, 0o600);
  await Deno.chmod(`${place.there}/t/a`, 0o644);
  assertMatch((await place.run("put -r t")).news, / 0 files .* 1 skipped/);
  assertMatch((await place.run("put -u t/a t/a")).news, /^Skipped /);
  assertEquals(((await Deno.stat(`${place.there}/t/a`)).mode ?? 0) & 0o777, 0o644);
});

Deno.test("get --dry-run compares with the target and not with the current directory", async () => {
  await using place = await scene({ "t/a": "content" });
  await place.run("get -r t .");
  assertEquals(pathsIn(place.here), ["t/", "t/a"]);
  // A client whose current directory holds the same files; the target does not exist.
  const at = `${place.served.address.hostname}:${place.served.address.port}`;
  const ran = await runClient([at, "get", "-r", "-n", "--update", "t", "new"], { cwd: `${place.here}/t` });
  assertEquals([ran.code, ran.stdout], [0, 'mkdir "new"\nmkdir "new/t"\nget "t/a" as "new/t/a"\n'], ran.stderr);
});

Deno.test("put sends several sources into a directory, and the others when one is bad", async () => {
  const here = { "a.txt": "a", "b.txt": "b", "d/x": "x", "e/1.log": "1", "e/2.log": "2" };
  await using place = await scene({ "into": null }, here);
  await place.run("put -r a.txt b.txt d e/*.log into");
  assertEquals(pathsIn(`${place.there}/into`), ["1.log", "2.log", "a.txt", "b.txt", "d/", "d/x"]);
  await using other = await scene({ "into": null }, here);
  const { news } = await other.run("put a.txt none.txt b.txt into", 5);
  assertStringIncludes(news, "none.txt");
  assertEquals(pathsIn(`${other.there}/into`), ["a.txt", "b.txt"]);
});

Deno.test("get -r and put -r say that the target is not a directory, and leave it as it is", async () => {
  const tree: Tree = { "d/x": "x", "d/e/y": "y" };
  await using got = await scene(tree, { t: "file" });
  for (const options of ["-r", "-rn"]) {
    assertMatch((await got.run(`get ${options} d t`, 1)).news, /^Cannot write ".*t": it is not a directory$/);
  }
  assertEquals(pathsIn(got.here), ["t"]);
  await using put = await scene({ t: "file" }, tree);
  assertEquals((await put.run("put -r d t", 1)).news, 'Cannot write "t": it is not a directory');
  const inTheWay = "part of the path exists already and is not a directory";
  assertEquals((await put.run("put -r d t/u", 1)).news, `Cannot mkdir "t/u/d": ${inTheWay}`);
  assertEquals(pathsIn(put.there), ["t"]);
});

Deno.test("put -r says of a link that leads out only what is true here, too", NOT_ON_WINDOWS, async () => {
  await using place = await scene({}, { "t/a": "a" });
  Deno.symlinkSync("..", `${place.here}/t/up`);
  const { news } = await place.run("put -r t", 1);
  assertMatch(news, /^Cannot read ".*t\/up": a link that leads nowhere, out of the directory, or to a special file\n/);
  assertEquals(pathsIn(place.there), ["t/", "t/a"]);
});

Deno.test("put refuses what is no file", async () => {
  await using place = await scene({});
  assert((await new Deno.Command("mkfifo", { args: [`${place.here}/pipe`] }).output()).success);
  await place.run("put pipe", 1);
  await Deno.mkdir(`${place.here}/t`);
  await Deno.rename(`${place.here}/pipe`, `${place.here}/t/pipe`);
  makeTree(place.here, { "t/a": "a" });
  const { news } = await place.run("put -r t", 1);
  assertMatch(
    news,
    /^Cannot read ".*t\/pipe": .*pipe\nPut 1 file \(.*\), 1 failed\.\n1 entry could not be transferred$/,
  );
  assertEquals(pathsIn(place.there), ["t/", "t/a"]);
});

Deno.test("get -r and put -r give the top of a tree its time, new or there already, and no other directory", async () => {
  await using place = await scene({ "t/a": "a" }, { "p/a": "a" });
  const time = new Date(1_500_000_000_000);
  for (const top of [`${place.there}/t`, `${place.here}/p`]) Deno.utimeSync(top, time, time);
  for (const options of ["-r", "-u -r"]) {
    await place.run(`get ${options} t`);
    await place.run(`put ${options} p`);
    for (const copy of [`${place.here}/t`, `${place.there}/p`]) {
      assertEquals((await Deno.stat(copy)).mtime, time);
      await Deno.utime(copy, new Date(), new Date());
    }
  }
  const before = (await Deno.stat(place.here)).mtime;
  Deno.utimeSync(place.there, time, time);
  await place.run("get -u -r .");
  assertEquals((await Deno.stat(place.here)).mtime, before);
});

Deno.test("cd says what is wrong with a directory that cannot be entered", async () => {
  await using place = await scene({ "a": "a" });
  assertEquals((await place.run("cd nope", 5)).news, 'Cannot enter "nope": no such directory');
  assertEquals((await place.run("cd a", 1)).news, 'Cannot enter "a": it is not a directory');
});

Deno.test("sum marks and escapes a name as sha256sum does", NOT_ON_WINDOWS, async () => {
  const names = ["plain", "back\\slash", "new\nline", "return\r"];
  await using place = await scene(Object.fromEntries(names.map((name) => [name, "x"])));
  const shell = new Shell(place.served.address, {
    print: (text) => Promise.resolve(void printed.push(text)),
    inform() {},
  }, false);
  const printed: string[] = [];
  for (const name of names) await execute(shell, ["sum", name], new AbortController().signal);
  await shell.close();
  const sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  assertEquals(printed, [
    `${sum}  plain\n`,
    `\\${sum}  back\\\\slash\n`,
    `\\${sum}  new\\nline\n`,
    `\\${sum}  return\\r\n`,
  ]);
});

Deno.test("a command with --help shows its help", async () => {
  await using place = await scene({});
  for (const name of ["get", "rm", "mkdir", "say"]) {
    const { output } = await place.run(`${name} --help`);
    assertEquals(output, (await place.run(`help ${name}`)).output);
  }
});

Deno.test("dir -r lists a tree, remove -r removes one, and neither anything else", async () => {
  await using place = await scene({ ...REPORTS, "keep/a": "a" });
  const { output } = await place.run("dir -r reports");
  const listed = output.trimEnd().split("\n").map((line) => line.trim().split(/\s+/).at(-1));
  assertEquals(listed.map((name) => name?.replace(/\/$/, "")), [
    "empty",
    "june.pdf",
    "may.pdf",
    "notes.txt",
    "old",
    "old/april.pdf",
  ]);
  await place.run("remove reports", 1);
  await Deno.symlink(`${place.there}/keep`, `${place.there}/reports/link`);
  await place.run("remove -r reports");
  assertEquals(pathsIn(place.there), ["keep/", "keep/a", "天线/", "天线/测试.doc"]);
  await place.run("remove -r none", 5);
  for (const root of [".", "/", "keep/.."]) {
    const { news } = await place.run(`remove -r ${root}`, 1);
    assertEquals(news, `Cannot remove "${root}": it is the served directory itself`);
  }
  assertEquals(pathsIn(place.there), ["keep/", "keep/a", "天线/", "天线/测试.doc"]);
});

Deno.test("client.ts gives up a tree on SIGINT, leaves whole files only, and goes on the next time", async () => {
  await using dir = await tempDir();
  const tree = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`t/d${i % 3}/f${i}`, bytes(300_000, i)]));
  makeTree(dir.join("served"), tree);
  await Deno.mkdir(dir.join("here"));
  await using server = await startServer(dir.join("served"));
  await using proxy = await FaultProxy.to(server.address, { toClient: { stallAfter: 5_000_000 } });
  const at = `${proxy.address.hostname}:${proxy.address.port}`;
  await using client = startClient([at, "get", "-r", "t"], { cwd: dir.join("here") });
  await proxy.stalled;
  client.kill("SIGINT");
  assertEquals(await client.ended(5_000), 130);
  const found = pathsIn(dir.join("here")).filter((path) => !path.endsWith("/") && !path.includes(".ferry-"));
  assert(found.length > 0 && found.length < 40, `${found.length} files`);
  for (const path of found) assertEquals(await Deno.readFile(dir.join("here", path)), tree[path]);
  const again = await runClient([server.at, "get", "-r", "t"], { cwd: dir.join("here") });
  assertEquals(again.code, 0, again.stderr);
  assertMatch(again.stderr, new RegExp(`, ${found.length} skipped\\.`));
  assertSameTree(dir.join("here", "t"), dir.join("served", "t"));
});
