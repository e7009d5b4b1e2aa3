import { assertEquals } from "@std/assert";
import { grantingCommand } from "../../../lib/cli/server/permissions.ts";

Deno.test("grantingCommand() grants the directory and nothing else", () => {
  const args = ["a b", "--port", "0"];
  assertEquals(
    grantingCommand({ read: ["a b"], write: ["a b"], sys: [] }, args),
    "deno run --allow-net --allow-read='a b' --allow-write='a b' server.ts 'a b' --port 0",
  );
  assertEquals(
    grantingCommand({ read: ["./files", "it's"], write: [], sys: ["statfs"] }, ["--read-only"]),
    "deno run --allow-net --allow-read=./files,'it'\\''s' --allow-sys=statfs server.ts --read-only",
  );
});
