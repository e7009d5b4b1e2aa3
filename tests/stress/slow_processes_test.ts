import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { eventually, runClient, serverAccess, serverInTerminal, startClient, startServer } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, RawPeer } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { join } from "@std/path";
import { FaultProxy } from "../helpers/proxy.ts";
import {
  assertNoTrace,
  at,
  BIG,
  MIB,
  NO_TERMINAL,
  NOT_ON_WINDOWS,
  partialBytes,
  Places,
  places,
  STALL,
} from "../helpers/places.ts";

const KIB = 1024;

Deno.test("server.ts with --hello-timeout and --stall-timeout ends who is too slow, by itself", async () => {
  await using dir = await tempDir();
  await using server = await startServer(dir.path, [
    "--hello-timeout",
    "1",
    "--stall-timeout",
    "1",
    "--idle-timeout=1",
  ]);
  using silent = await RawPeer.connect(server.address);
  await silent.receive();
  using stalled = await RawPeer.greeted(server.address);
  await stalled.send("request", { command: "put", path: "x", size: 5 });
  using idle = await RawPeer.greeted(server.address);
  const messages = await Promise.all([silent, stalled, idle].map(async (peer) => (await peer.answer()).fields.message));
  assertEquals(messages, ["no hello within 1 s", "no progress within 1 s", "no request within 1 s"]);
  for (const peer of [silent, stalled, idle]) peer[Symbol.dispose]();
  for (const _ of messages) await server.stderr.until(/disconnected after .* \(no \w+ within 1 s\)\n/);
});

for (const connections of ["1", "4"]) {
  Deno.test(`client.ts --limit-rate keeps to it with --connections ${connections}`, async () => {
    await using dir = await tempDir();
    await Deno.mkdir(dir.join("root"));
    const [files, size] = [12, 50_000];
    for (let i = 0; i < files; i++) await Deno.writeFile(dir.join("root", `f${i}`), bytes(size, i));
    await using server = await startServer(dir.join("root"));
    const began = performance.now();
    const args = ["--limit-rate", "300K", server.at, "get", "-r", "--connections", connections, ".", "copy"];
    const { code, stderr } = await runClient(args, { cwd: dir.path });
    assertEquals(code, 0, stderr);
    assertGreater(performance.now() - began, files * size / (300 * KIB) * 1000 * 0.85);
    await assertFile(dir.join("copy", "f11"), bytes(size, 11));
  });
}

Deno.test("server.ts obeys its operator while a client does not read", NO_TERMINAL, async () => {
  await using dir = await places({ "big.bin": "" });
  await Deno.truncate(join(dir.served, "big.bin"), 64 * MIB);
  await using server = serverInTerminal([dir.served, "--port", "0"], serverAccess(dir.served));
  const [, hostname = "", port = ""] = / on (\S+):(\d+)/.exec(await server.stdout.until(/Serving .* on \S+\r\n/)) ?? [];
  await using client = startClient([`${hostname}:${port}`]);
  await client.type("pwd\n");
  await client.type("dir\n");
  await client.stdout.until("big.bin\n");
  using deaf = await RawPeer.greeted({ hostname, port: Number(port) });
  await deaf.send("request", { command: "get", path: "big.bin" });
  const told = () => server.stdout.text.split("Sent to ").length - 1;
  let probes = 0;
  await eventually("its answer is stuck", async () => {
    if (server.stdout.text.includes("did not take it")) return true;
    probes++;
    await server.type("say probe\n");
    return false;
  }, 200);
  await eventually("the operator was told of each line", () => told() === probes);
  await server.type("say one\nsay two\nfrob\n");
  // Whatever it types next is obeyed at once.
  await server.stdout.until("There is no command frob here.");
  assertEquals(told(), probes, server.stdout.text);
  await client.stderr.until("Server: one\nServer: two\n");
  for (let i = 0; i < 2; i++) await server.stdout.until("Sent to 1 client; 1 did not take it, and may later.");
  await server.type("quit\n");
  await client.stderr.until("Server: the server is shutting down\n");
});

Deno.test(
  "client.ts keeps the old file, or none, when the server is killed in the middle of a get",
  NOT_ON_WINDOWS,
  async () => {
    for (const old of ["old", undefined]) {
      await using dir = await places({ "big.bin": BIG });
      if (old !== undefined) await Deno.writeTextFile(join(dir.here, "big.bin"), old);
      await using server = await startServer(dir.served);
      await using proxy = await FaultProxy.to(server.address, { toClient: { stallAfter: STALL } });
      await using client = startClient([at(proxy.address), "get", "--retry-for", "2s", "big.bin"], { cwd: dir.here });
      await proxy.stalled;
      await eventually("the client has a part", () => partialBytes(dir.here) > 0);
      server.kill("SIGKILL");
      await server.ended();
      proxy.release();
      assertEquals(await client.ended(), 3, client.stderr.text);
      assertNoTrace(client.stderr.text);
      assertMatch(client.stderr.text, /^Cannot (get "big\.bin"|connect to .*): .*$/m);
      const names = Places.names(dir.here).filter((name) => !name.startsWith(".ferry-"));
      assertEquals(names, old === undefined ? [] : ["big.bin"]);
      if (old !== undefined) assertEquals(await Deno.readTextFile(join(dir.here, "big.bin")), old);
    }
  },
);
