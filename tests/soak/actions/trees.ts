import { join } from "@std/path";
import { FerryError } from "../../../lib/mod.ts";
import { Random } from "../../helpers/random.ts";
import type { Direction } from "../../helpers/resuming.ts";
import { linesOf, makeTree, pathsIn, randomTree, transferTree } from "../../helpers/trees.ts";
import { shownBy } from "../contents.ts";
import { Wrong } from "../model.ts";
import type { Worker } from "../worker.ts";
import { type Action, NothingToDo } from "./action.ts";

/** A tree that certainly is on the server as a whole: its directory, and the SHA-256 of each file by path. */
interface Tree {
  readonly directory: string;
  readonly files: ReadonlyMap<string, string>;
}

function pickTree(worker: Worker, random: Random): Tree | undefined {
  const directories = new Set([...worker.model.names.keys()].flatMap((path) => /^[^/]+\/tree\d+/.exec(path) ?? []));
  const trees = [...directories].flatMap((directory) => {
    const files = worker.model.settledTree(directory);
    return files ? [{ directory, files }] : [];
  });
  return trees[random.below(trees.length)];
}

/** Transfers a tree; fails when a file of it has failed. */
async function transfer(
  worker: Worker,
  direction: Direction,
  { local, remote }: { local: string; remote: string },
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const { server } = worker.place;
  const options = { signal, connections: 1 + random.below(3), retryMs: 3_000, link: server.at(worker.line) };
  const { failures } = await transferTree({ direction, address: worker.line, local, remote }, options);
  const [first] = failures;
  if (first) throw new FerryError(codeIn(first), `${failures.length} files failed: ${first}`);
}

/** The code at the end of the line that says what failed. */
function codeIn(line: string): FerryError["code"] {
  return line.slice(line.lastIndexOf(" ") + 1) as FerryError["code"];
}

function assertSame(found: string, wanted: string, what: string): void {
  const [a, b] = [linesOf(found), linesOf(wanted)];
  const different = a.filter((line) => !b.includes(line)).concat(b.filter((line) => !a.includes(line)));
  if (different.length > 0) throw new Wrong(`${what}: ${different}`);
}

/** Fails for a file of a tree that was got in part, and does not show what it must. */
async function assertWhole(target: string, { directory, files }: Tree): Promise<void> {
  for (const path of pathsIn(target).filter((path) => !/\/$|(^|\/)\.ferry-/.test(path))) {
    const [found, wanted] = [await shownBy(join(target, path)), files.get(`${directory}/${path}`)];
    if (found !== wanted) throw new Wrong(`${path} of a tree was got as ${found}, not ${wanted}`);
  }
}

/** What clients do with whole trees. */
export const TREES = {
  "put a tree": {
    weight: 5,
    async run(worker, random, signal) {
      const { remote, local, root } = worker.place;
      const name = worker.newName("tree");
      const source = join(local, name);
      makeTree(source, randomTree(new Random(random.u32()), 5 + random.below(40), 40_000));
      try {
        const paths = pathsIn(source).filter((path) => !path.endsWith("/"));
        const to = new Map<string, string | null>();
        for (const path of paths) to.set(`${remote}/${name}/${path}`, await shownBy(join(source, path)));
        const ends = { local: source, remote: `${remote}/${name}` };
        await worker.change(to, async () => {
          await transfer(worker, "put", ends, random, signal);
          assertSame(join(root, remote, name), source, "the tree that was put");
        });
        worker.place.tally.files += paths.length;
      } finally {
        await Deno.remove(source, { recursive: true });
      }
    },
  },
  "get a tree": {
    weight: 5,
    async run(worker, random, signal) {
      const tree = pickTree(worker, random);
      if (!tree) throw new NothingToDo();
      const target = join(worker.place.local, worker.newName("got-tree"));
      await Deno.mkdir(target);
      const ends = { local: target, remote: tree.directory };
      const get = () => transfer(worker, "get", ends, random, signal);
      try {
        // The second goes on with what the first has left.
        await get().catch(get);
        assertSame(target, join(worker.place.root, tree.directory), "the tree that was got");
        worker.place.tally.files += tree.files.size;
      } finally {
        await assertWhole(target, tree);
        await Deno.remove(target, { recursive: true });
      }
    },
  },
  "rename a tree": {
    weight: 2,
    async run(worker, random, signal) {
      const tree = pickTree(worker, random);
      if (!tree) throw new NothingToDo();
      const { directory, files } = tree;
      const to = `${worker.place.remote}/${worker.newName("tree")}`;
      const change = new Map<string, string | null>();
      for (const [path, state] of files) {
        change.set(path, null);
        change.set(to + path.slice(directory.length), state);
      }
      const client = await worker.link.client(signal);
      await worker.change(change, () => client.rename(directory, to, { signal }));
    },
  },
  "remove a tree": {
    weight: 3,
    async run(worker, random, signal) {
      const tree = pickTree(worker, random);
      if (!tree) throw new NothingToDo();
      const client = await worker.link.client(signal);
      const change = new Map(Array.from(tree.files.keys(), (path) => [path, null]));
      await worker.change(change, () => client.remove(tree.directory, { recursive: true, signal }));
    },
  },
} satisfies Record<string, Action>;
