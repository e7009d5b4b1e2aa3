import { setImmediate } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { FerryError } from "../../../lib/core/errors.ts";
import type { RemotePath } from "../../../lib/core/remote_path.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { SECRET, type Served, serveTemp } from "../../helpers/served.ts";
import { linesOf } from "../../helpers/trees.ts";
import { at, entriesOf, namesOf, store, textOf } from "../../helpers/storage.ts";

/** Links in the root that must not exist for clients: name and target. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  "to-file": "../root-outside/secret.txt",
  "to-directory": "../root-outside",
  "to-parent": "..",
  dangling: "nothing",
  "dangling-outside": "../root-outside/new.txt",
  circular: "circular",
  "circle-a": "circle-b",
  "circle-b": "circle-a",
  "to-link": "to-file",
  "to-link-below": "to-directory/secret.txt",
  "there-and-back": "../root-outside/back/file",
  "to-null": "/dev/null",
};

/** A served directory with `file`, `d/file` and the forbidden links, relative and absolute. */
async function serveLinks(): Promise<Served> {
  const served = await serveTemp();
  await store(served.storage, "file", "inside");
  await served.storage.mkdir(at("d"));
  await store(served.storage, "d/file", "inside d");
  for (const [name, target] of Object.entries(FORBIDDEN)) await Deno.symlink(target, served.inside(name));
  await Deno.symlink(served.outside("secret.txt"), served.inside("absolute-file"));
  await Deno.symlink(served.outside(), served.inside("absolute-directory"));
  return served;
}

const FORBIDDEN_NAMES = [...Object.keys(FORBIDDEN), "absolute-file", "absolute-directory"];

/** Fails unless what lies outside, and every link, is as it was. */
async function assertUntouched({ inside, outside }: Served): Promise<void> {
  assertEquals(await Deno.readTextFile(outside("secret.txt")), SECRET);
  assertEquals(await Deno.readTextFile(outside("d/deep.txt")), SECRET);
  const names = (directory: string) => Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  assertEquals([names(outside()), names(outside("d"))], [["d", "secret.txt"], ["deep.txt"]]);
  for (const [name, target] of Object.entries(FORBIDDEN)) assertEquals(await Deno.readLink(inside(name)), target);
}

Deno.test("DirectoryStorage has nothing at a link that leads outside, nowhere or in a circle", async () => {
  await using served = await serveLinks();
  const { storage } = served;
  for (const name of FORBIDDEN_NAMES) {
    await assertFailsWith("NotFound", () => storage.stat(at(name)), name);
    await assertFailsWith("NotFound", () => storage.read(at(name)), name);
    await assertFailsWith("NotFound", () => storage.digest(at(name)), name);
    await assertFailsWith("NotFound", () => namesOf(storage, name), name);
    await assertFailsWith("NotFound", () => namesOf(storage, name, true), name);
    await assertFailsWith("NotFound", () => storage.rename(at(name), at("new")), name);
  }
  await assertUntouched(served);
});

for (const recursive of [false, true]) {
  Deno.test(`DirectoryStorage.remove() removes a link that leads outside, nowhere or in a circle, and nothing else${recursive ? ", with recursive, too" : ""}`, async () => {
    await using served = await serveLinks();
    const { storage, inside, outside } = served;
    const before = linesOf(outside());
    for (const name of FORBIDDEN_NAMES) {
      await storage.remove(at(name), { recursive });
      assertEquals(await Deno.lstat(inside(name)).catch(() => "gone"), "gone");
      await assertFailsWith("NotFound", () => storage.remove(at(name), { recursive }), name);
    }
    assertEquals(linesOf(outside()), before);
    assertEquals(await servedNames(storage, true), ["d", "d/file", "file"]);
  });
}

Deno.test("DirectoryStorage writes nothing through or over a link that leads outside, nowhere or in a circle", async () => {
  await using served = await serveLinks();
  const { storage } = served;
  for (const name of FORBIDDEN_NAMES) {
    await assertFailsWith("AlreadyExists", () => storage.upload(at(name)), name);
    await assertFailsWith("AlreadyExists", () => storage.mkdir(at(name)), name);
    await assertFailsWith("AlreadyExists", () => storage.mkdir(at(name), { parents: true }), name);
    await assertFailsWith("AlreadyExists", () => storage.rename(at("file"), at(name)), name);
    await assertFailsWith("AlreadyExists", () => storage.rename(at("d"), at(name)), name);
  }
  await assertUntouched(served);
});

Deno.test("DirectoryStorage reaches nothing below a link that leads outside", async () => {
  await using served = await serveLinks();
  const { storage } = served;
  for (const link of ["to-directory", "to-parent", "absolute-directory", "circular", "dangling"]) {
    for (const below of ["secret.txt", "d", "d/deep.txt", "root-outside/secret.txt", "root/file", "missing"]) {
      const path = at(`${link}/${below}`);
      await assertFailsWith("NotFound", () => storage.stat(path), path);
      await assertFailsWith("NotFound", () => storage.read(path), path);
      await assertFailsWith("NotFound", () => storage.digest(path), path);
      await assertFailsWith("NotFound", () => namesOf(storage, path), path);
      await assertFailsWith("NotADirectory", () => storage.upload(path), path);
      await assertFailsWith("NotADirectory", () => storage.mkdir(path), path);
      await assertFailsWith("NotFound", () => storage.remove(path), path);
      await assertFailsWith("NotFound", () => storage.rename(path, at("new")), path);
      await assertFailsWith("NotADirectory", () => storage.rename(at("file"), path), path);
      await assertFailsWith("AlreadyExists", () => storage.mkdir(at(`${path}/new`), { parents: true }), path);
    }
  }
  await assertUntouched(served);
});

Deno.test("DirectoryStorage does not tell whether something exists outside", async () => {
  await using served = await serveLinks();
  const { storage } = served;
  // A file, a directory and nothing: the answers must not differ.
  const places = ["to-directory/secret.txt", "to-directory/d", "to-directory/missing"];
  for (const below of ["", "/x", "/x/y"]) {
    const answers: string[] = [];
    for (const place of places) {
      const error = await failureOf(() => storage.stat(at(place + below)));
      answers.push(`${error?.code}: ${error?.message}`);
    }
    assertEquals(new Set(answers).size, 1, `below "${below}": ${answers.join(" | ")}`);
  }
});

Deno.test("DirectoryStorage.list() shows of links that lead outside, nowhere or in a circle that they are not served", async () => {
  await using served = await serveLinks();
  const { storage, inside } = served;
  // Whether there is something outside does not show in names that are too long for it either.
  await Deno.symlink(`../root-outside/${"x".repeat(300)}`, inside("to-long-name"));
  await Deno.symlink(`../no-such-place/${"x".repeat(300)}`, inside("to-long-name-nowhere"));
  const links = [...FORBIDDEN_NAMES, "to-long-name", "to-long-name-nowhere"];
  assertEquals(await servedNames(storage), ["d", "file"]);
  assertEquals(await servedNames(storage, true), ["d", "d/file", "file"]);
  for (const recursive of [false, true]) {
    const others = (await entriesOf(storage, "", recursive)).filter(({ kind }) => kind === "other");
    assertEquals(others.map(({ path }) => path), links.toSorted());
    for (const { path, mtimeMs, ...same } of others) {
      assertEquals(same, {
        kind: "other",
        size: 0,
        reason: "a link that leads nowhere, out of the directory, or to a special file",
        link: true,
      }, path);
      assertEquals(mtimeMs, (await Deno.lstat(inside(path))).mtime?.getTime());
    }
  }
  for (const name of links) await assertFailsWith("NotFound", () => storage.stat(at(name)), name);
});

Deno.test("DirectoryStorage follows links that stay inside", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d/e"), { parents: true });
  await store(storage, "d/e/file", "content");
  await Deno.symlink("d/e/file", inside("relative"));
  await Deno.symlink(inside("d/e/file"), inside("absolute"));
  await Deno.symlink("../../relative", inside("d/e/chain"));
  await Deno.symlink("../d/../d", inside("d/directory"));
  for (const name of ["relative", "absolute", "d/e/chain", "d/directory/e/file", "d/directory/directory/e/file"]) {
    assertEquals(await textOf(storage, name), "content", name);
    assertEquals((await storage.stat(at(name))).kind, "file");
    assertEquals((await storage.digest(at(name))).size, 7);
  }
  assertEquals((await storage.stat(at("d/directory"))).kind, "directory");
  assertEquals(await namesOf(storage, "d/directory"), ["directory", "e"]);
});

Deno.test("DirectoryStorage follows a link to the root itself", async () => {
  await using served = await serveTemp();
  await store(served.storage, "file", "content");
  await Deno.symlink(".", served.inside("self"));
  assertEquals(await textOf(served.storage, "self/self/file"), "content");
  assertEquals(await namesOf(served.storage, "self"), ["file", "self"]);
  assertEquals(await namesOf(served.storage, "", true), ["file", "self"]);
  await assertFailsWith("IsADirectory", () => served.storage.upload(at("self")));
  await assertFailsWith("IsADirectory", () => served.storage.read(at("self")));
  await assertFailsWith("AlreadyExists", () => served.storage.mkdir(at("self")));
});

Deno.test("DirectoryStorage.list() gives the metadata of a link's target, and with recursive what is in it", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/file", "content", { mtimeMs: 1_000_000 });
  await Deno.symlink("d", inside("link"));
  await Deno.symlink("d/file", inside("link-to-file"));
  await Deno.symlink("..", inside("d/up"));
  const all = ["d", "d/file", "d/up", "link-to-file", "link", "link/file", "link/up"];
  assertEquals(await namesOf(storage, "", true), all);
  const entries = new Map((await entriesOf(storage)).map((entry) => [entry.path, entry]));
  assertEquals(entries.get("link")?.kind, "directory");
  assertEquals(entries.get("link-to-file"), {
    path: "link-to-file",
    kind: "file",
    size: 7,
    mtimeMs: 1_000_000,
    mode: 0o644,
    link: true,
  });
  assertEquals(entries.get("link")?.link, true);
  assertEquals(entries.get("d")?.link, undefined);
});

Deno.test("DirectoryStorage.upload() replaces a link inside, and not what it leads to", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/file", "old");
  await Deno.symlink("d/file", inside("link"));
  await Deno.symlink("d", inside("link-to-d"));
  assertEquals((await storage.stat(at("link"))).link, true);
  assertEquals((await storage.stat(at("link-to-d"))).link, true);
  assertEquals((await storage.stat(at("link-to-d/file"))).link, undefined);
  await assertFailsWith("AlreadyExists", () => storage.upload(at("link"), { overwrite: false }));
  await assertFailsWith("IsADirectory", () => storage.upload(at("link-to-d")));
  const bytes = (text: string) => new TextEncoder().encode(text);
  const broken = await storage.upload(at("link"), { size: 3 });
  await broken.write(bytes("ne"));
  assertEquals([...Deno.readDirSync(inside("d"))].length, 1, "the partial file is beside the link");
  await broken.abort();
  assertEquals((await storage.offer(at("link"), { size: 3 })).sums.covered, 2);
  assertEquals((await storage.offer(at("d/file"), { size: 3 })).sums.covered, 0);
  const upload = await storage.upload(at("link"));
  await upload.write(bytes("new"));
  await (await storage.upload(at("d/file"))).abort();
  await assertFailsWith("Busy", () => storage.upload(at("link")));
  await upload.commit();
  assertEquals(Deno.lstatSync(inside("link")).isFile, true);
  assertEquals((await storage.stat(at("link"))).link, undefined);
  assertEquals(await Deno.readTextFile(inside("link")), "new");
  assertEquals(await Deno.readTextFile(inside("d/file")), "old");
});

Deno.test("DirectoryStorage.upload() gives what replaces a link no more bits than what that leads to", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  const modeOf = (name: string) => (Deno.lstatSync(inside(name)).mode ?? 0) & 0o777;
  await store(storage, "file", "old");
  for (const [name, before, meanwhile] of [["private", 0o600, 0o600], ["narrowed", 0o644, 0o600]] as const) {
    await Deno.symlink("file", inside(name));
    await Deno.chmod(inside("file"), before);
    const upload = await storage.upload(at(name), { mode: 0o666 });
    await upload.write(new Uint8Array(3));
    const parts = [...Deno.readDirSync(inside(""))].filter((entry) => entry.name.endsWith(".part"));
    assertEquals(parts.map((part) => modeOf(part.name) & 0o077 & ~before), [0]);
    await Deno.chmod(inside("file"), meanwhile);
    await upload.commit();
    assertEquals([name, modeOf(name)], [name, 0o600]);
  }
});

Deno.test("DirectoryStorage.remove() and rename() are about the link, not its target", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/file", "content");
  await Deno.symlink("d/file", inside("link"));
  await Deno.symlink("d", inside("link-to-d"));
  await storage.rename(at("link"), at("renamed"));
  assertEquals(await Deno.readLink(inside("renamed")), "d/file");
  await storage.remove(at("renamed"));
  await storage.remove(at("link-to-d"));
  assertEquals(await namesOf(storage, "", true), ["d", "d/file"]);
});

Deno.test("DirectoryStorage.remove() with recursive follows no link", async () => {
  await using served = await serveLinks();
  const { storage, inside } = served;
  await Deno.symlink("../../root-outside", inside("d/to-outside"));
  await Deno.symlink("../file", inside("d/to-file"));
  await Deno.symlink("d", inside("link-to-d"));
  await storage.remove(at("link-to-d"), { recursive: true });
  assertEquals(await servedNames(storage, true), ["d", "d/file", "d/to-file", "file"]);
  await assertFailsWith("NotFound", () => storage.remove(at("to-directory/d"), { recursive: true }));
  await storage.remove(at("d"), { recursive: true });
  assertEquals(await textOf(storage, "file"), "inside");
  assertEquals(await servedNames(storage, true), ["file"]);
  await assertUntouched(served);
});

Deno.test("DirectoryStorage.rename() through a link to a directory inside cannot move it into itself", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d/e"), { parents: true });
  await Deno.symlink("d/e", inside("link"));
  await assertFailsWith("BadRequest", () => storage.rename(at("d"), at("link/d")));
  assertEquals(await namesOf(storage, "", true), ["d", "d/e", "link"]);
});

Deno.test("DirectoryStorage.upload() stays inside when a directory on the way becomes a link to outside", async () => {
  await using served = await serveTemp();
  const { storage, inside, outside } = served;
  await storage.mkdir(at("d"));
  const upload = await storage.upload(at("d/secret.txt"));
  await upload.write(new TextEncoder().encode("changed"));
  await Deno.rename(inside("d"), inside("moved"));
  await Deno.symlink("../root-outside", inside("d"));
  const error = await failureOf(() => upload.commit());
  await upload.abort();
  assert(error);
  assertEquals(await Deno.readTextFile(outside("secret.txt")), SECRET);
  assertEquals(Array.from(Deno.readDirSync(outside()), ({ name }) => name).sort(), ["d", "secret.txt"]);
});

Deno.test("DirectoryStorage.read() looks at a directory anew in the next turn of the event loop", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/secret.txt", "inside");
  assertEquals(await textOf(storage, "d/secret.txt"), "inside");
  Deno.renameSync(inside("d"), inside("moved"));
  Deno.symlinkSync("../root-outside", inside("d"));
  await setImmediate();
  await assertFailsWith("NotFound", () => storage.read(at("d/secret.txt")));
  await assertFailsWith("NotADirectory", () => storage.upload(at("d/secret.txt")));
});

Deno.test("DirectoryStorage.rename() and remove() of a link to a directory are heeded at once", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/file", "x");
  await Deno.symlink("d", inside("link"));
  assertEquals(await storage.stat(at("link/file")), await storage.stat(at("d/file")));
  await storage.rename(at("link"), at("other"));
  await assertFailsWith("NotFound", () => storage.stat(at("link/file")));
  assertEquals(await storage.stat(at("other/file")), await storage.stat(at("d/file")));
  await storage.remove(at("other"));
  await assertFailsWith("NotFound", () => storage.stat(at("other/file")));
});

Deno.test("DirectoryStorage heeds at once that an upload has replaced a link to a directory", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/file", "x");
  await Deno.symlink("d", inside("link"));
  const upload = await storage.upload(at("new"));
  await storage.rename(at("link"), at("new"));
  assertEquals((await storage.stat(at("new/file"))).size, 1);
  await upload.commit();
  await assertFailsWith("NotFound", () => storage.stat(at("new/file")));
});

/** What those who add may ask for: the answer, for each place, to a link that does not lead to anything in here. */
const ADDITIONS: Readonly<Record<string, (storage: Storage, path: RemotePath) => Promise<unknown>>> = {
  upload: (storage, path) => storage.upload(path, { overwrite: false }),
  mkdir: (storage, path) => storage.mkdir(path),
  "mkdir with parents": (storage, path) => storage.mkdir(path, { parents: true }),
  "rename to": (storage, path) => storage.rename(at("d"), path),
};

Deno.test("DirectoryStorage answers those who add as if a link that leads nowhere in here was a file", async (t) => {
  await using served = await serveLinks();
  const { storage } = served;
  for (const [what, add] of Object.entries(ADDITIONS)) {
    for (const below of ["", "/secret.txt", "/missing", "/d", "/d/deep.txt", "/d/missing/x", "/root/file"]) {
      await t.step(`${what} ${below}`, async () => {
        const answer = async (name: string) => {
          const error = await failureOf(() => add(storage, at(name + below)));
          return [error?.code, error?.message];
        };
        const usual = await answer("file");
        assert(usual[0] !== undefined);
        for (const name of FORBIDDEN_NAMES) assertEquals(await answer(name), usual, name);
      });
    }
  }
  await assertUntouched(served);
});

Deno.test("DirectoryStorage does not go through a link that leads out and back in again", async () => {
  await using served = await serveLinks();
  const { storage, inside, outside } = served;
  await Deno.symlink("../root", outside("back"));
  const parent = inside("..").split("/").slice(1);
  await Deno.symlink("/", inside("slash"));
  for (const way of ["to-parent/root", "to-directory/back", `slash/${parent.join("/")}/root`]) {
    for (const below of ["file", "d/file", "d"].map((name) => `${way}/${name}`)) {
      await assertFailsWith("NotFound", () => storage.stat(at(below)), below);
      await assertFailsWith("NotFound", () => storage.rename(at(below), at("new")), below);
      await assertFailsWith("NotFound", () => storage.remove(at(below)), below);
      await assertFailsWith("NotADirectory", () => storage.upload(at(below)), below);
      await assertFailsWith("NotADirectory", () => storage.mkdir(at(`${below}x`)), below);
    }
  }
  // A link that the owner made through such a place leads inside, and nothing of the way shows.
  await Deno.symlink("../root-outside/back/d", inside("around"));
  assertEquals(await textOf(storage, "around/file"), "inside d");
});

/** The paths of all that is listed and served. */
async function servedNames(storage: Storage, recursive = false): Promise<string[]> {
  const entries = await entriesOf(storage, "", recursive);
  return entries.filter(({ kind }) => kind !== "other").map(({ path }) => path);
}

/** The `FerryError` that `operation` fails with; fails when it fails with anything else. */
async function failureOf(operation: () => Promise<unknown>): Promise<FerryError | undefined> {
  try {
    await operation();
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
  return undefined;
}

Deno.test("DirectoryStorage does not tell a link that leads to too long a name from one that leads nowhere", async () => {
  await using served = await serveLinks();
  const { storage, inside } = served;
  await Deno.symlink(`/${"x".repeat(300)}`, inside("long"));
  await Deno.symlink("/no-such-place", inside("none"));
  await storage.mkdir(at("here"));
  const acts: Record<string, (path: RemotePath) => Promise<unknown>> = {
    stat: (path) => storage.stat(path),
    read: (path) => storage.read(path),
    list: (path) => Array.fromAsync(storage.list(path)),
    upload: async (path) => await (await storage.upload(path, { overwrite: false })).commit(),
    offer: async (path) => await storage.offer(path, {}),
    mkdir: (path) => storage.mkdir(path),
    "mkdir -p": (path) => storage.mkdir(path, { parents: true }),
    rename: (path) => storage.rename(at("here"), path),
    remove: (path) => storage.remove(path),
  };
  for (const [what, act] of Object.entries(acts)) {
    for (const below of ["/x", "/x/y", what === "remove" || what === "offer" ? "/z" : ""]) {
      const answers = await Promise.all(["long", "none"].map(async (name) => {
        const error = await failureOf(() => act(at(name + below)));
        return `${error?.code}: ${error?.message}`;
      }));
      assertEquals(answers[0], answers[1], `${what} ${below}`);
      assert(!answers[0]?.startsWith("InvalidPath"), answers[0]);
    }
  }
});
