import { assertEquals, assertStringIncludes } from "@std/assert";
import { NO_TERMINAL, NOT_ON_WINDOWS, Places, places } from "../helpers/places.ts";
import { clientInTerminal, runClient, serverAccess, startClient, startServer } from "../helpers/process.ts";

const HOSTILE = "a\tb\n\u001b[2J天线\u202e end";

Deno.test("client.ts cat gives bytes as they are to a pipe, and escapes them on a terminal", NO_TERMINAL, async () => {
  const bytes = Uint8Array.from([0, 255, 13, 10, 27]);
  await using dir = await places({ "hostile.txt": HOSTILE, "b.bin": bytes });
  await using server = await startServer(dir.served);
  const { code, bytes: output } = await runClient([server.at, "cat", "b.bin", "hostile.txt"]);
  assertEquals([code, output], [0, Uint8Array.from([...bytes, ...new TextEncoder().encode(HOSTILE)])]);
  await using client = clientInTerminal([server.at]);
  await client.stdout.until("ferry:/> ");
  await client.type("cat hostile.txt\r");
  await client.stdout.until("\\u{1b}[2J天线\\u{202e} end\r\n");
  await client.stdout.until("ferry:/> ");
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
});

Deno.test("client.ts ends quietly with 141 when nobody reads what one command prints", NOT_ON_WINDOWS, async () => {
  await using dir = await places({ "a.txt": "a" });
  await using server = await startServer(dir.served);
  for (
    const words of [["dir"], ["dir", "a.txt", "."], ["cat", "a.txt", "a.txt"], ["sum", "a.txt"], ["get", "a.txt", "-"]]
  ) {
    await using client = startClient([server.at, ...words]);
    await client.stdout.close();
    assertEquals([await client.ended(), client.stderr.text], [141, ""], words.join(" "));
  }
});

Deno.test("client.ts asks before rm -r at the prompt, and keeps everything without a yes", NO_TERMINAL, async () => {
  await using dir = await places();
  await Deno.mkdir(`${dir.served}/d/e`, { recursive: true });
  await Deno.writeTextFile(`${dir.served}/d/e/f`, "content");
  await using server = await startServer(dir.served);
  await using client = clientInTerminal([server.at]);
  await client.stdout.until("ferry:/> ");
  for (const answer of ["\x03", "n\r", "\r", "\x04"]) {
    await client.type("rm -r d\r");
    await client.stdout.until("Remove 2 directories and 1 file (7 B)? [y/N] ");
    await client.type(answer);
    await client.stdout.until("Nothing was removed.");
    await client.stdout.until("ferry:/> ");
    assertEquals(Places.names(dir.served), ["d"]);
  }
  await client.type("rm -r d\r");
  await client.stdout.until("[y/N] ");
  await client.type("y\r");
  await client.stdout.until("ferry:/> ");
  assertEquals(Places.names(dir.served), []);
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
});

Deno.test("client.ts asks nothing in a script or for a single command", async () => {
  await using dir = await places();
  await using server = await startServer(dir.served);
  await Deno.mkdir(`${dir.served}/d/e`, { recursive: true });
  assertEquals((await runClient([server.at, "rm", "-r", "d"])).code, 0);
  await Deno.mkdir(`${dir.served}/d/e`, { recursive: true });
  assertEquals((await runClient([server.at], { input: "rm -r d\nmkdir x\n" })).code, 0);
  assertEquals(Places.names(dir.served), ["x"]);
});

Deno.test("client.ts takes its own options behind the server, and says where a command's belong", async () => {
  await using dir = await places({ "-dash.txt": "a" });
  await using server = await startServer(dir.served);
  const { at } = server;
  const get = await runClient([at, "get", "--", "-dash.txt"], { cwd: dir.here });
  assertEquals([get.code, Places.names(dir.here)], [0, ["-dash.txt"]]);
  assertEquals((await runClient([at, "--insecure", "dir"])).code, 0);
  const wrong = await runClient(["-r", at, "get", "a"]);
  assertEquals([wrong.code, wrong.stderr], [
    2,
    '"-r" is an option of a command, and belongs after the command\'s name\n',
  ]);
  const help = await runClient([at, "get", "--help"]);
  assertEquals(help.code, 0);
  assertStringIncludes(help.stdout, "get film.mkv");
});

Deno.test("server.ts tells clients of the space on its disk, or what it needs to know it", NOT_ON_WINDOWS, async () => {
  await using dir = await places();
  {
    await using server = await startServer(dir.served);
    const { code, stderr } = await runClient([server.at, "df"]);
    const said = "Cannot tell the free space: the server needs --allow-sys=statfs to know the space on its disk\n";
    assertEquals([code, stderr], [1, said]);
  }
  await using server = await startServer(dir.served, [], [...serverAccess(dir.served), "--allow-sys=statfs"]);
  const { code, stdout } = await runClient([server.at, "df"]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "free: ");
});

Deno.test("client.ts takes names and patterns from the directory that cd went to, and lists them so", async () => {
  await using dir = await places();
  await Deno.mkdir(`${dir.served}/d/e`, { recursive: true });
  for (const path of ["d/a.txt", "d/b.txt", "d/e/c.txt", "a.txt"]) {
    await Deno.writeTextFile(`${dir.served}/${path}`, path);
  }
  await using server = await startServer(dir.served);
  const lines = ["cd d", "dir *.txt /*.txt e", "mv *.txt e/", "rm e/b*", "dir e", "cat e/a.txt"];
  const { code, stdout } = await runClient([server.at], { input: lines.join("\n") });
  const names = stdout.split("\n").map((line) => line.split("  ").at(-1));
  assertEquals([code, names], [0, ["a.txt", "b.txt", "/a.txt", "e/c.txt", "a.txt", "c.txt", "d/a.txt"]]);
});
