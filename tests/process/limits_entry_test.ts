import { assertEquals, assertStringIncludes } from "@std/assert";
import { runClient, runServer, serverAccess, startServer } from "../helpers/process.ts";
import { assertFile, namesIn, RawPeer } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

const KIB = 1024;

// Real processes

Deno.test("server.ts without the permission for --keep-free prints the command that grants it", async () => {
  await using dir = await tempDir();
  const args = [dir.path, "--port", "0", "--keep-free", "1G"];
  const { code, stderr, stdout } = await runServer(args, serverAccess(dir.path));
  assertEquals([code, stdout], [2, ""]);
  const command = `deno run ${serverAccess(dir.path).join(" ")} --allow-sys=statfs server.ts ${args.join(" ")}`;
  assertStringIncludes(stderr, command);
});

Deno.test("server.ts with --keep-free and exactly that permission keeps so much free", async () => {
  await using dir = await tempDir();
  const access = [...serverAccess(dir.path), "--allow-sys=statfs"];
  await using server = await startServer(dir.path, ["--keep-free", "8000T"], access);
  const { code, stderr } = await runClient([server.at, "put", "-", "a.txt"], { input: "abc" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, `Cannot put "a.txt": the server keeps ${8000 * KIB ** 4} bytes of its disk free`);
  await server.stderr.until(/offer "a.txt" .* NoSpace\n/);
  assertEquals(await namesIn(dir.path), []);
});

Deno.test("server.ts with limits refuses what is beyond them, and says so at both ends", async () => {
  await using dir = await tempDir();
  const limits = ["--max-file-size", "4", "--max-depth", "1", "--max-connections", "1", "--max-requests", "7"];
  await using server = await startServer(dir.path, limits);
  const large = await runClient([server.at, "put", "-", "large"], { input: "abcde" });
  assertEquals(large.code, 1);
  assertStringIncludes(large.stderr, 'Cannot put "large": a file may have at most 4 bytes here');
  await server.stderr.until(/put "large" .* TooLarge\n/);
  assertEquals((await runClient([server.at, "put", "-", "fits"], { input: "abcd" })).code, 0);
  await assertFile(dir.join("fits"), "abcd");
  assertEquals((await runClient([server.at, "mkdir", "a"])).code, 0);
  const deep = await runClient([server.at, "mkdir", "a/b"]);
  assertEquals(deep.code, 1);
  assertStringIncludes(deep.stderr, "more than 1 directories deep");
  using peer = await RawPeer.connect(server.address);
  await peer.receive();
  await peer.send("hello", { ferry: 1 });
  assertEquals((await peer.receive())?.value, { allows: ["read", "add", "overwrite", "remove"], window: 7 });
  const late = await runClient([server.at, "dir"]);
  assertEquals(late.code, 3);
  assertStringIncludes(late.stderr, "the server's limit of 1 connections is reached");
  await server.stderr.until("disconnected after");
  await server.stderr.until("(the server's limit of 1 connections is reached; try again later)");
});
