import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { scene } from "../../helpers/scene.ts";
import { pathsIn, type Tree } from "../../helpers/trees.ts";

const TREE: Tree = {
  "t/a.c": "c",
  "t/a.o": "o",
  "t/build/keep.o": "keep",
  "t/src/b.c": "c",
  "t/src/b.o": "o",
  "t/src/keep.o": "keep",
  "t/#odd": "odd",
};

for (const verb of ["get", "put"] as const) {
  /** What arrives of the tree with these options; its directories are the same on both sides. */
  const taken = async (options: string, file = "") => {
    await using place = await (verb === "get" ? scene(TREE) : scene({}, TREE));
    const [target, top] = verb === "get" ? [place.here, "t"] : [place.there, "t"];
    if (file) await Deno.writeTextFile(`${place.here}/patterns`, file);
    await place.run(`${verb} -r ${options} t`);
    return pathsIn(`${target}/${top}`).filter((path) => !path.endsWith("/"));
  };
  const all = Object.keys(TREE).map((path) => path.slice(2)).sort();
  const without = (...left: string[]) => all.filter((path) => !left.includes(path));

  Deno.test(`${verb} -r takes what --exclude and --include leave, the first that matches deciding`, async () => {
    assertEquals(await taken("--exclude *.o"), without("a.o", "build/keep.o", "src/b.o", "src/keep.o"));
    assertEquals(await taken("--include keep.o --exclude=*.o"), without("a.o", "src/b.o"));
    assertEquals(await taken("--exclude=*.o --include keep.o"), await taken("--exclude *.o"));
    assertEquals(await taken("--include src/keep.o --exclude *.o"), without("a.o", "build/keep.o", "src/b.o"));
    assertEquals(await taken("--exclude build/ --exclude /a.*"), without("a.c", "a.o", "build/keep.o"));
  });

  Deno.test(`${verb} -r reads patterns from a file where --exclude-from stands`, async () => {
    assertEquals(await taken("--exclude-from patterns", "# objects\r\n\r\n*.o\r\n\\#odd"), ["a.c", "src/b.c"]);
    assertEquals(
      await taken("--include keep.o --exclude-from=patterns --exclude a.c", "\ufeff*.o\n"),
      without("a.c", "a.o", "src/b.o"),
    );
    assertEquals(await taken("--exclude-from patterns", "\n#*\n"), all);
  });

  Deno.test(`${verb} leaves out named files that are excluded by their name, and says so`, async () => {
    await using place = await (verb === "get" ? scene(TREE) : scene({}, TREE));
    const top = verb === "get" ? place.here : place.there;
    const only = await place.run(`${verb} -r --exclude *.o t/src/b.o T`);
    assertMatch(only.news, /^Skipped ".*t\/src\/b\.o": it is excluded\.$/);
    assertEquals(pathsIn(top), []);
    const { news } = await place.run(`${verb} -r --include keep.o --exclude *.o t/src t/a.o t/a.c t/build/keep.o T`);
    assertMatch(news, /^Skipped ".*t\/a\.o": it is excluded\.$/m);
    assertEquals(pathsIn(`${top}/T`), ["a.c", "keep.o", "src/", "src/b.c", "src/keep.o"]);
  });

  Deno.test(`${verb} says which patterns from the top have matched nothing`, async () => {
    await using place = await (verb === "get" ? scene(TREE) : scene({}, TREE));
    const said = async (options: string) => {
      const { news } = await place.run(`${verb} -r -n ${options} t`);
      return news.split("\n").filter((line) => line.startsWith("Matched nothing"));
    };
    const line = (patterns: string) =>
      `Matched nothing: ${patterns}. A pattern with a / begins at the top of the source, after its name.`;
    assertEquals(await said("--exclude t/build --exclude /t/src --exclude *.o"), [line('"t/build", "/t/src"')]);
    assertEquals(await said("--include t/src/keep.o --exclude src/*.o"), [line('"t/src/keep.o"')]);
    assertEquals(await said("--exclude build/ --exclude src/*.o --exclude /a.o --exclude none"), []);
  });

  Deno.test(`${verb} refuses options for parts of a tree that make no sense, and transfers nothing`, async () => {
    await using place = await (verb === "get" ? scene(TREE) : scene({}, TREE));
    const refused = async (words: string, why: string, code = 2) =>
      assertStringIncludes((await place.run(words, code)).news, why);
    await refused(`${verb} -r --exclude`, "--exclude needs a value");
    await refused(`${verb} -r t --include=`, "--include needs a value");
    await refused(`${verb} -r --exclude ../x t`, 'The pattern "../x" matches nothing: no path has the name ".." in it');
    await Deno.writeTextFile(`${place.here}/negated`, "*.o\n!keep.o\n");
    await refused(`${verb} -r --exclude-from negated t`, 'Cannot use "negated": "!keep.o" in it would keep something');
    await Deno.remove(`${place.here}/negated`);
    await refused(`${verb} -r --exclude-from=- t`, "--exclude-from needs a file");
    await refused(`${verb} -r --exclude-from none t`, 'Cannot read "none"', 5);
    await refused(`${verb} -r --exclude-from . t`, "it is not a regular file", 1);
    assertEquals(pathsIn(verb === "get" ? place.here : place.there), []);
  });
}
