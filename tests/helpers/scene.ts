import { assertEquals } from "@std/assert";
import type { ServeOptions } from "../../lib/mod.ts";
import { Served } from "./raw.ts";
import { tempDir } from "./temp.ts";
import { makeTree, type Ran, runCommand, type Tree } from "./trees.ts";

/** A server's directory `there` and a local one, `here`. */
export async function scene(there: Tree, here: Tree = {}, options: Partial<ServeOptions> = {}) {
  const served = await Served.with({}, options);
  const local = await tempDir();
  makeTree(served.join(), there);
  makeTree(local.path, here);
  return {
    served,
    there: served.join(),
    here: local.path,
    /** Runs a command and fails unless it ends with `code`. */
    async run(words: string, code = 0): Promise<Ran> {
      const ran = await runCommand(served.address, local.path, words.split(" "));
      assertEquals(ran.code, code, `${words}: ${ran.news}`);
      return ran;
    },
    async [Symbol.asyncDispose]() {
      await served[Symbol.asyncDispose]();
      await local[Symbol.asyncDispose]();
    },
  };
}
