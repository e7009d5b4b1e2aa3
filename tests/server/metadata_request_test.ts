import { assertEquals, assertStringIncludes } from "@std/assert";
import { NOT_ON_WINDOWS } from "../helpers/places.ts";
import { RawPeer, Served } from "../helpers/raw.ts";

/** The permission bits of what is at a path. */
function bitsOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o7777;
}

Deno.test("put, mkdir, stat, dir and get carry permission bits", NOT_ON_WINDOWS, async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "mkdir", path: "d", mode: 0o710 })).outcome, "ok");
  await peer.sendAll(
    ["request", { command: "put", path: "d/a", size: 1, mode: 0o640 }],
    ["data", new Uint8Array(1)],
    ["end", { size: 1 }],
  );
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals([bitsOf(served.join("d")), bitsOf(served.join("d", "a"))], [0o710, 0o640]);
  for (const [path, mode] of [["d", 0o710], ["d/a", 0o640]] as const) {
    assertEquals(((await peer.ask({ command: "stat", path })).fields as { mode?: number }).mode, mode);
  }
  await peer.send("request", { command: "dir", recursive: true });
  const entries = (await peer.receive())?.value as { path: string; mode: number }[];
  assertEquals(entries.map(({ path, mode }) => [path, mode]), [["d", 0o710], ["d/a", 0o640]]);
  assertEquals((await peer.answer()).outcome, "ok");
  await peer.send("request", { command: "get", path: "d/a" });
  assertEquals(((await peer.receive())?.value as { mode?: number }).mode, 0o640);
});

Deno.test("set sets time and permission bits, and nothing through a link that leads out", NOT_ON_WINDOWS, async () => {
  await using served = await Served.with({ "d/a": "x" });
  const outside = served.outer.join("outside");
  await Deno.writeTextFile(outside, "x", { mode: 0o640 });
  await Deno.symlink(outside, served.join("link"));
  const before = Deno.statSync(outside);
  using peer = await RawPeer.greeted(served.address);
  for (const path of ["d/a", "d"]) {
    assertEquals((await peer.ask({ command: "set", path, mtimeMs: -1, mode: 0o700 })).outcome, "ok");
    const { fields } = await peer.ask({ command: "stat", path });
    const { mtimeMs, mode } = fields as { mtimeMs?: number; mode?: number };
    assertEquals([mtimeMs, mode], [-1, 0o700]);
  }
  for (const path of ["link", "missing"]) {
    const { outcome, fields } = await peer.ask({ command: "set", path, mtimeMs: 0, mode: 0o777 });
    assertEquals([outcome, fields.message], ["NotFound", `Cannot change "${path}": no such file or directory`]);
  }
  assertEquals(Deno.statSync(outside), before);
});

Deno.test("a session that may not replace files may not set anything of them", async () => {
  await using served = await Served.with({ a: "x" }, { noOverwrite: true });
  using peer = await RawPeer.greeted(served.address);
  const before = Deno.statSync(served.join("a"));
  const { outcome, fields } = await peer.ask({ command: "set", path: "a", mtimeMs: 0 });
  assertEquals(outcome, "Refused");
  assertStringIncludes(fields.message ?? "", "you may not replace or change anything here");
  assertEquals(Deno.statSync(served.join("a")), before);
});

Deno.test("dir lists what is not served with the reason", NOT_ON_WINDOWS, async () => {
  await using served = await Served.with({ "a.txt": "x" });
  await Deno.symlink("nothing", served.join("a"));
  await Deno.symlink("/dev/null", served.join("z"));
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "dir" });
  const entries = (await peer.receive())?.value as { path: string; kind: string; reason?: string }[];
  const reason = "a link that leads nowhere, out of the directory, or to a special file";
  assertEquals(entries.map(({ path, kind, reason }) => [path, kind, reason]), [
    ["a", "other", reason],
    ["a.txt", "file", undefined],
    ["z", "other", reason],
  ]);
});
