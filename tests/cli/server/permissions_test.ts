import { assertEquals } from "@std/assert";
import { grantingCommand } from "../../../lib/cli/server/permissions.ts";

Deno.test("grantingCommand() grants the directory and nothing else", () => {
  const args = ["a b", "--port", "0"];
  assertEquals(
    grantingCommand({ directory: "a b", write: true, files: [], args }),
    "deno run --allow-net --allow-read='a b' --allow-write='a b' server.ts 'a b' --port 0",
  );
  assertEquals(
    grantingCommand({ directory: "./files", write: false, files: [], args: ["--read-only"] }),
    "deno run --allow-net --allow-read=./files server.ts --read-only",
  );
});
