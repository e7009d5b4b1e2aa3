import { join } from "@std/path";

/** So many bytes of names, at most, are made with one call; with the path of the directory, the system still opens them. */
const CHAIN_BYTES = 1500;

/**
 * Makes directories in each other, `names` names deep, also deeper than any path can say: long chains are moved into
 * each other.
 *
 * @param top The directory that holds all others; it must not be there yet.
 */
export function makeDeep(top: string, names: number, name = "d"): void {
  const perChain = Math.floor(CHAIN_BYTES / (name.length + 1));
  const chain = (length: number) => Array.from({ length }, () => name);
  Deno.mkdirSync(join(top, ...chain(names % perChain)), { recursive: true });
  for (let made = names % perChain; made < names; made += perChain) {
    const above = `${top}-above`;
    Deno.mkdirSync(join(above, ...chain(perChain - 1)), { recursive: true });
    Deno.renameSync(top, join(above, ...chain(perChain)));
    Deno.renameSync(above, top);
  }
}

/** How deep the directories in `top` are, by names; needs no path, and destroys the tree. */
export function depthOf(top: string): number {
  let depth = 0;
  for (let i = 0;; i++) {
    const [below] = Deno.readDirSync(top);
    if (!below) return depth;
    depth++;
    Deno.renameSync(join(top, below.name), `${top}-${i}`);
    Deno.removeSync(top);
    Deno.renameSync(`${top}-${i}`, top);
  }
}
