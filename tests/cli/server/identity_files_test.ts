import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import {
  isWildcard,
  ownIdentity,
  type ServerIdentity,
  serverIdentity,
  writeTicket,
} from "../../../lib/cli/server/identity_files.ts";
import { checkIdentity } from "../../../lib/transport/tls.ts";
import { assertFailsWith, assertThrowsCode } from "../../helpers/failures.ts";
import { SHARED_MODES } from "../../helpers/modes.ts";
import { type TempDir, tempDir } from "../../helpers/temp.ts";
import { MADE } from "../../helpers/tickets.ts";

const HAS_MODES = { ignore: Deno.build.os === "windows" };

function modeOf(file: string): number {
  return (Deno.lstatSync(file).mode ?? 0) & 0o777;
}

/** All of an identity, which does not show its secret by itself. */
function contentOf({ identity, secret }: ServerIdentity): Record<string, string> {
  return { ...identity, secret: secret.text };
}

/** Writes a file that only its owner can read. */
function writePrivate(dir: TempDir, content: string | Uint8Array): string {
  const file = dir.join("identity");
  Deno.writeFileSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content, { mode: 0o600 });
  return file;
}

Deno.test("serverIdentity() makes another certificate, key and secret each time without a file", async () => {
  const other = await serverIdentity(undefined);
  checkIdentity(MADE.identity);
  checkIdentity(other.identity);
  for (const [name, value] of Object.entries(contentOf(MADE))) assertNotEquals(contentOf(other)[name], value, name);
});

Deno.test("serverIdentity() makes the file for its owner only, and reads the same back", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("天线 identity");
  const made = await serverIdentity(file);
  assertEquals(modeOf(file), 0o600);
  const written = Deno.readTextFileSync(file);
  assertEquals(contentOf(await serverIdentity(file)), contentOf(made));
  assertEquals(Deno.readTextFileSync(file), written);
  assertEquals(modeOf(file), 0o600);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["天线 identity"]);
});

Deno.test("serverIdentity() refuses a file that anybody else may read or write", HAS_MODES, async (t) => {
  await using dir = await tempDir();
  const file = dir.join("identity");
  const made = await serverIdentity(file);
  for (const mode of SHARED_MODES) {
    await t.step(mode.toString(8), async () => {
      Deno.chmodSync(file, mode);
      const { message } = await assertFailsWith("Refused", () => serverIdentity(file));
      assertStringIncludes(message, "chmod 600");
      assertStringIncludes(message, file);
    });
  }
  for (const mode of [0o600, 0o400, 0o700]) {
    await t.step(`${mode.toString(8)} is good`, async () => {
      Deno.chmodSync(file, mode);
      assertEquals(contentOf(await serverIdentity(file)), contentOf(made));
    });
  }
});

Deno.test("serverIdentity() judges the file that a link leads to", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("identity");
  const made = await serverIdentity(file);
  Deno.symlinkSync(file, dir.join("link"));
  assertEquals(contentOf(await serverIdentity(dir.join("link"))), contentOf(made));
  Deno.chmodSync(file, 0o644);
  await assertFailsWith("Refused", () => serverIdentity(dir.join("link")));
});

Deno.test("serverIdentity() refuses hostile contents, repeats none of them, and leaves the file alone", async (t) => {
  const good = contentOf(MADE);
  const { secret, ...withoutSecret } = good;
  const contents: Record<string, string | Uint8Array> = {
    "nothing": "",
    "white space": " \n",
    "no JSON": "certificate = 1",
    "half of it": JSON.stringify(good).slice(0, 300),
    "null": "null",
    "a number": "1",
    "a list": JSON.stringify([good]),
    "no secret": JSON.stringify(withoutSecret),
    "a secret that is no text": JSON.stringify({ ...good, secret: { toString: secret } }),
    "an empty secret": JSON.stringify({ ...good, secret: "" }),
    "a secret that is too short": JSON.stringify({ ...good, secret: secret?.slice(1) }),
    "a secret that is too long": JSON.stringify({ ...good, secret: `${secret}a` }),
    "a key that is no text": JSON.stringify({ ...good, key: [good.key] }),
    "a certificate that is null": JSON.stringify({ ...good, certificate: null }),
    "a prototype only": `{"__proto__": ${JSON.stringify(good)}}`,
    "many brackets": "[".repeat(100_000),
    "no text": new Uint8Array([0xff, 0xfe, 0, 0x80]),
  };
  for (const [what, content] of Object.entries(contents)) {
    await t.step(what, async () => {
      await using dir = await tempDir();
      const file = writePrivate(dir, content);
      const before = Deno.readFileSync(file);
      const { message } = await assertFailsWith("BadRequest", () => serverIdentity(file));
      assertStringIncludes(message, file);
      assert(!message.includes(MADE.secret.text.slice(0, 8)) && !message.includes("PRIVATE"), message);
      assertEquals(Deno.readFileSync(file), before);
    });
  }
});

Deno.test("serverIdentity() says which file it cannot make or read, and leaves nothing behind", async () => {
  await using dir = await tempDir();
  const missing = dir.join("missing", "identity");
  assertStringIncludes((await assertFailsWith("NotFound", () => serverIdentity(missing))).message, missing);
  Deno.mkdirSync(dir.join("directory"), { mode: 0o700 });
  let failure: unknown;
  try {
    await serverIdentity(dir.join("directory"));
  } catch (error) {
    failure = error;
  }
  assert(failure instanceof Error && failure.name === "FerryError", Deno.inspect(failure));
  assertStringIncludes(failure.message, dir.join("directory"));
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["directory"]);
});

Deno.test("serverIdentity() does not write through a link that leads nowhere", HAS_MODES, async () => {
  await using dir = await tempDir();
  Deno.symlinkSync(dir.join("elsewhere"), dir.join("identity"));
  await assertFailsWith("AlreadyExists", () => serverIdentity(dir.join("identity")));
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["identity"]);
});

Deno.test("writeTicket() replaces an old file and a link, with one for its owner only", HAS_MODES, async (t) => {
  const before: Record<string, (file: string, dir: TempDir) => void> = {
    "nothing": () => {},
    "an old ticket": (file) => Deno.writeTextFileSync(file, "old ".repeat(1000), { mode: 0o600 }),
    "a file that others can read": (file) => Deno.writeTextFileSync(file, "old", { mode: 0o666 }),
    "a link to another file": (file, dir) => Deno.symlinkSync(dir.join("other"), file),
  };
  for (const [what, prepare] of Object.entries(before)) {
    await t.step(what, async () => {
      await using dir = await tempDir();
      Deno.writeTextFileSync(dir.join("other"), "other");
      const file = dir.join("ticket");
      prepare(file, dir);
      writeTicket(file, "ferry:abc");
      assertEquals(Deno.readTextFileSync(file), "ferry:abc\n");
      assertEquals(modeOf(file), 0o600);
      assert(Deno.lstatSync(file).isFile);
      assertEquals(Deno.readTextFileSync(dir.join("other")), "other");
    });
  }
});

Deno.test("writeTicket() names the file that it cannot write, and not the ticket", async () => {
  await using dir = await tempDir();
  const file = dir.join("missing", "ticket");
  const { message } = await assertFailsWith("NotFound", () => writeTicket(file, "ferry:abc"));
  assertStringIncludes(message, file);
  assert(!message.includes("ferry:abc"), message);
});

Deno.test("isWildcard() is true for the two addresses that stand for all", () => {
  assert(isWildcard("0.0.0.0") && isWildcard("::"));
  for (const host of ["127.0.0.1", "::1", "10.0.0.0", "localhost"]) assertEquals(isWildcard(host), false, host);
});

Deno.test("ownIdentity() refuses a key that others may read, but not such a certificate", HAS_MODES, async () => {
  await using dir = await tempDir();
  const { certificate, key } = MADE.identity;
  const [certFile, keyFile] = [dir.join("cert"), dir.join("key")];
  Deno.writeTextFileSync(certFile, certificate, { mode: 0o644 });
  Deno.writeTextFileSync(keyFile, key, { mode: 0o600 });
  assertEquals(ownIdentity(certFile, keyFile), { certificate, key });
  for (const mode of SHARED_MODES) {
    Deno.chmodSync(keyFile, mode);
    const { message } = assertThrowsCode("Refused", () => ownIdentity(certFile, keyFile), mode.toString(8));
    assertEquals(message, `Cannot read "${keyFile}": other users may read or write it; run: chmod 600 ${keyFile}`);
  }
});
