import { assert, assertEquals } from "@std/assert";
import { TEMPORARY_NAME, temporaryName } from "../../../lib/storage/directory/temporary_file.ts";

Deno.test("temporaryName() is another one for every owner and name, however they are put together", () => {
  const pairs = [["f", ""], ["f", "a"], ["af", ""], ["1 f", ""], ["f", "1 "], ["f", "aa"], ["af", "a"], ["", "af"]];
  const names = pairs.map(([name = "", owner]) => temporaryName(name, owner));
  assertEquals(new Set(names).size, pairs.length);
  for (const name of names) assert(TEMPORARY_NAME.test(name), name);
  assertEquals(temporaryName("f"), temporaryName("f", ""));
});
