import { assertEquals, assertMatch } from "@std/assert";
import { statfsSync } from "node:fs";
import { join } from "@std/path";
import { MemoryStorage } from "../../helpers/memory_storage.ts";
import { scene } from "../../helpers/scene.ts";
import { Served } from "../../helpers/raw.ts";
import { tempDir } from "../../helpers/temp.ts";
import { runCommand } from "../../helpers/trees.ts";

const SUM_OF_1 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
const SUM_OF_2 = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35";

Deno.test("sum prints a line for each name and match, in their order, and says what it cannot sum", async () => {
  await using place = await scene({ "b.bin": "2", "a.bin": "1", "c": "2", "d.bin/x": "1" });
  const all = await place.run("sum c *.bin none", 1);
  assertEquals(all.output, `${SUM_OF_2}  c\n${SUM_OF_1}  a.bin\n${SUM_OF_2}  b.bin\n`);
  assertEquals(all.news.split("\n"), [
    'Cannot sum "d.bin": it is a directory',
    'Cannot sum "none": no such file or directory',
    "2 of 5 failed",
  ]);
  assertEquals((await place.run("sum a.bin")).output, `${SUM_OF_1}  a.bin\n`);
});

Deno.test("sum keeps the order of more names than are under way together", async () => {
  const names = Array.from({ length: 150 }, (_, i) => `f${String(i).padStart(3, "0")}`);
  await using place = await scene(Object.fromEntries(names.map((name, i) => [name, i % 2 ? "1" : "2"])));
  const { output } = await place.run("sum f*");
  assertEquals(output, names.map((name, i) => `${i % 2 ? SUM_OF_1 : SUM_OF_2}  ${name}\n`).join(""));
});

Deno.test("stat shows each name, with an empty line between", async () => {
  await using place = await scene({ "a.bin": "1", "b.bin": "22", "d": null });
  const shown = async (words: string) => {
    const { output } = await place.run(words);
    return output.replace(/^(permissions|changed|version): .*\n/gm, "");
  };
  assertEquals(
    await shown("stat *.bin d"),
    [
      "name: a.bin\nkind: file\nsize: 1 bytes\n",
      "name: b.bin\nkind: file\nsize: 2 bytes\n",
      "name: d\nkind: directory\n",
    ].join("\n"),
  );
  assertEquals(await shown("stat b.bin"), "name: b.bin\nkind: file\nsize: 2 bytes\n");
  assertEquals(await shown("stat"), "name: /\nkind: directory\n");
});

Deno.test("df tells the space of the server's disk, less what it keeps free", async () => {
  await using place = await scene({});
  const { bsize, blocks } = statfsSync(join(place.there));
  const { output } = await place.run("df");
  const [, free = "", total = ""] =
    /^free: [\d.]+ \w?B \((\d+) bytes\)\ntotal: [\d.]+ \w?B \((\d+) bytes\)\n$/.exec(output) ?? [];
  assertEquals(Number(total), bsize * blocks, output);
  assertEquals(Number(free) > 0 && Number(free) <= Number(total), true, output);
  await using full = await scene({}, {}, { limits: { keepFreeBytes: Number.MAX_SAFE_INTEGER } });
  assertMatch((await full.run("df")).output, /^free: 0 B \(0 bytes\)$/m);
});

Deno.test("df says why there is no answer", async () => {
  await using local = await tempDir();
  await using served = await Served.with({}, { root: new MemoryStorage() });
  const { code, news } = await runCommand(served.address, local.path, ["df"]);
  assertEquals([code, news], [1, "Cannot tell the free space: nobody knows how much space there is here"]);
});
