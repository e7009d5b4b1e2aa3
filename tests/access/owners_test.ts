import { assertEquals } from "@std/assert";
import type { Client, ServeOptions } from "../../lib/mod.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { TEMPORARY_NAME } from "../../lib/storage/directory/temporary_file.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Served } from "../helpers/raw.ts";
import { CONTENT, flipped, MIB } from "../helpers/resuming.ts";
import { tempDir } from "../helpers/temp.ts";

const SECRETS = { full: Secret.create(), read: Secret.create(), upload: Secret.create() };
const WITH_SECRETS: Partial<ServeOptions> = { secret: SECRETS };

/** Begins an upload and gives it up, so that this much of it is kept. */
async function leave(client: Client, path: string, content: Uint8Array): Promise<void> {
  let sent = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === content.length) return controller.error(new Error("the source failed"));
      controller.enqueue(content.subarray(sent, sent += Math.min(MIB, content.length - sent)));
    },
  }, { highWaterMark: 0 });
  await client.put(source, path).then(() => {
    throw new Error("the upload was not given up");
  }, () => {});
  // With this answer it is known that the server is done with it.
  await client.say("done");
}

/** Names of all partial files in a served directory. */
function partials(served: Served): string[] {
  return Array.from(Deno.readDirSync(served.join()), ({ name }) => name).filter((name) => TEMPORARY_NAME.test(name))
    .sort();
}

/** Puts a file. @returns How many bytes of content travelled. */
async function travelled(served: Served, client: Client, content: Uint8Array, path: string): Promise<number> {
  await using local = await tempDir();
  await Deno.writeFile(local.join("f"), content);
  await client.put(local.join("f"), path);
  const puts = served.events.of("command").filter(({ command }) => command === "put");
  return puts.at(-1)?.bytes ?? NaN;
}

Deno.test("what another owner has left is neither gone on with nor changed, whatever is in it", async () => {
  await using served = await Served.with({}, WITH_SECRETS);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  const forged = flipped(CONTENT.subarray(0, 2 * MIB), 7);
  await leave(dropBox, "release.iso", forged);
  const [left = "", ...others] = partials(served);
  assertEquals(others, []);
  const before = await Deno.stat(served.join(left));
  assertEquals(await travelled(served, full, CONTENT, "release.iso"), CONTENT.length);
  await assertFile(served.join("release.iso"), CONTENT);
  const after = await Deno.stat(served.join(left));
  assertEquals([after.ino, after.mtime], [before.ino, before.mtime]);
  await assertFile(served.join(left), forged);
});

Deno.test("each owner goes on with what it has left itself, a drop box too, also on another server", async () => {
  await using dir = await tempDir();
  const options = { ...WITH_SECRETS, root: dir.path };
  {
    await using served = await Served.with({}, options);
    await using dropBox = await served.connect({ secret: SECRETS.upload });
    await using full = await served.connect({ secret: SECRETS.full });
    await leave(dropBox, "film", CONTENT.subarray(0, MIB));
    await leave(full, "film", CONTENT.subarray(0, 2 * MIB));
  }
  await using served = await Served.with({}, options);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  assertEquals(await travelled(served, dropBox, CONTENT, "film"), CONTENT.length - MIB);
  assertEquals(await travelled(served, full, CONTENT, "film"), CONTENT.length - 2 * MIB);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["film"]);
});

Deno.test("a secret that is another one goes on with nothing", async () => {
  await using dir = await tempDir();
  for (const secret of [Secret.create(), Secret.create()]) {
    await using served = await Served.with({}, { secret, root: dir.path });
    await using client = await served.connect({ secret });
    await leave(client, "film", CONTENT.subarray(0, MIB));
    const names = Array.from(Deno.readDirSync(dir.path), ({ name }) => name);
    if (names.length === 1) continue;
    assertEquals(names.length, 2);
    assertEquals(await travelled(served, client, CONTENT, "film"), CONTENT.length - MIB);
  }
});

Deno.test("two owners upload one name at once, and neither is Busy or gets bytes of the other", async () => {
  await using served = await Served.with({}, WITH_SECRETS);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  const [first, second] = [bytes(3 * MIB, 1), bytes(3 * MIB, 2)];
  const lines = [first, second].map(() => new TransformStream<Uint8Array, Uint8Array>());
  const writers = lines.map(({ writable }) => writable.getWriter());
  const puts = lines.map(({ readable }, i) => (i === 0 ? dropBox : full).put(readable, "f"));
  for (let offset = 0; offset < 3 * MIB; offset += MIB) {
    for (const [i, content] of [first, second].entries()) {
      await writers[i]?.write(content.subarray(offset, offset + MIB));
    }
  }
  await writers[0]?.close();
  await puts[0];
  await assertFile(served.join("f"), first);
  await writers[1]?.close();
  await puts[1];
  await assertFile(served.join("f"), second);
  assertEquals(partials(served), []);
});
