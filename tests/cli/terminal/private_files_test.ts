import { assertEquals, assertStringIncludes } from "@std/assert";
import { readPrivateFile } from "../../../lib/cli/terminal/private_files.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";
import { SHARED_MODES } from "../../helpers/modes.ts";
import { tempDir } from "../../helpers/temp.ts";

const HAS_MODES = { ignore: Deno.build.os === "windows" };

Deno.test("readPrivateFile() reads a file that only its owner may, and no other", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("secret");
  Deno.writeTextFileSync(file, "text");
  for (const mode of [0o600, 0o400, 0o700]) {
    Deno.chmodSync(file, mode);
    assertEquals(readPrivateFile(file), "text");
  }
  for (const mode of SHARED_MODES) {
    Deno.chmodSync(file, mode);
    const { message } = assertThrowsCode("Refused", () => readPrivateFile(file), mode.toString(8));
    assertStringIncludes(message, `run: chmod 600 ${file}`);
  }
});

Deno.test("readPrivateFile() reads at most 64 KiB, of regular files only", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("secret");
  Deno.writeTextFileSync(file, "", { mode: 0o600 });
  Deno.truncateSync(file, 64 * 1024);
  assertEquals(readPrivateFile(file).length, 64 * 1024);
  Deno.truncateSync(file, 64 * 1024 + 1);
  assertThrowsCode("BadRequest", () => readPrivateFile(file));
  Deno.mkdirSync(dir.join("directory"), { mode: 0o700 });
  assertThrowsCode("NotAFile", () => readPrivateFile(dir.join("directory")));
});
