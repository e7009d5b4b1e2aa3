import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { mounting, ran } from "../helpers/confined.ts";
import { DENO } from "../helpers/process.ts";
import { tempDir } from "../helpers/temp.ts";

const unshare = await mounting();

/** Mounts a small disk, then runs the rest of the command. */
const ON_SMALL_DISK = 'mount -t tmpfs -o size=8m,nr_inodes=200 tmpfs "$FERRY_SMALL_DISK" && exec "$@"';

Deno.test({
  name: "server and client survive a full disk and one that becomes read-only (tests/process/small_disk/full_disk.ts)",
  ignore: unshare === undefined,
  async fn() {
    await using disk = await tempDir();
    const tests = fromFileUrl(import.meta.resolve("./small_disk/full_disk.ts"));
    const environment = ["env", "NO_COLOR=1", `FERRY_SMALL_DISK=${disk.path}`];
    const command = [
      ...environment,
      ...unshare ?? [],
      "sh",
      "-c",
      ON_SMALL_DISK,
      "sh",
      DENO,
      "test",
      "--no-check",
      "-A",
      tests,
    ];
    const [program = "", ...args] = command;
    const result = await ran(program, args);
    assertEquals(result?.code, 0, result?.text);
    assertMatch(result?.text ?? "", /ok \| \d+ passed .*\| 0 failed \(/);
  },
});
