import { assertEquals } from "@std/assert";
import { temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { UploadHolder } from "../../helpers/other_process.ts";
import { type Served, serveTemp } from "../../helpers/served.ts";
import { at } from "../../helpers/storage.ts";

const DAY_MS = 24 * 3600 * 1000;

/** The partial files that there are here, in a directory below and outside, by the name of what they were to become. */
const PLACES = ["old", "young", "busy", "d/old", "d/e/old", "d/young"];

function partialAt(path: string): string {
  const cut = path.lastIndexOf("/") + 1;
  return path.slice(0, cut) + temporaryName(path.slice(cut));
}

function setAge(file: string, days: number): void {
  const time = new Date(Date.now() - days * DAY_MS);
  Deno.utimeSync(file, time, time);
}

/** A served directory with partial files of eight days and of six, and other old files. */
async function serveLeftovers(): Promise<Served> {
  const served = await serveTemp();
  await served.storage.mkdir(at("d/e"), { parents: true });
  for (const path of PLACES) {
    Deno.writeTextFileSync(served.inside(partialAt(path)), "x");
    setAge(served.inside(partialAt(path)), path.endsWith("young") ? 6 : 8);
  }
  for (const path of ["file", ".ferry-other"]) {
    Deno.writeTextFileSync(served.inside(path), "x");
    setAge(served.inside(path), 8);
  }
  Deno.writeTextFileSync(served.outside(temporaryName("old")), "x");
  setAge(served.outside(temporaryName("old")), 8);
  Deno.symlinkSync("../root-outside", served.inside("link"));
  return served;
}

/** Which of the partial files are still there. */
function left({ inside }: Served): string[] {
  const isThere = (path: string) => {
    const names = Array.from(Deno.readDirSync(inside(path, "..")), ({ name }) => name);
    return names.includes(path.slice(path.lastIndexOf("/") + 1));
  };
  return PLACES.filter((path) => isThere(partialAt(path)));
}

Deno.test("DirectoryStorage.sweep() removes partial files that nobody has touched for a week, and nothing else", async () => {
  await using served = await serveLeftovers();
  await using _holder = await UploadHolder.start(served.root, "busy");
  setAge(served.inside(temporaryName("busy")), 8);
  await served.storage.sweep(ROOT);
  assertEquals(left(served), ["young", "busy", "d/old", "d/e/old", "d/young"]);
  await served.storage.sweep(at("d"));
  assertEquals(left(served), ["young", "busy", "d/e/old", "d/young"]);
  assertEquals(Array.from(Deno.readDirSync(served.outside())).length, 3);
  for (const name of ["file", ".ferry-other"]) assertEquals(Deno.readTextFileSync(served.inside(name)), "x");
});

Deno.test("DirectoryStorage.sweep() with recursive enters directories and no links", async () => {
  await using served = await serveLeftovers();
  await served.storage.sweep(ROOT, { recursive: true });
  assertEquals(left(served), ["young", "d/young"]);
  assertEquals(Array.from(Deno.readDirSync(served.outside())).length, 3);
});

Deno.test("DirectoryStorage.sweep() stops when it is aborted, and fails for what is not there", async () => {
  await using served = await serveLeftovers();
  const signal = AbortSignal.abort();
  await assertFailsWith("Cancelled", () => served.storage.sweep(ROOT, { recursive: true, signal }));
  assertEquals(left(served), PLACES);
  const later = new AbortController();
  const sweeping = served.storage.sweep(ROOT, { recursive: true, signal: later.signal });
  later.abort();
  await assertFailsWith("Cancelled", () => sweeping);
  assertEquals(left(served).filter((path) => path.includes("/")), PLACES.filter((path) => path.includes("/")));
  await assertFailsWith("NotFound", () => served.storage.sweep(at("nothing")));
});

Deno.test("DirectoryStorage.sweep() takes a time a week ahead for one that was given up, and no earlier one", async () => {
  await using served = await serveLeftovers();
  for (const [path, days] of [["old", -8], ["young", -6]] as const) setAge(served.inside(partialAt(path)), days);
  await served.storage.sweep(ROOT);
  assertEquals(left(served), ["young", "d/old", "d/e/old", "d/young"]);
});

Deno.test("DirectoryStorage.sweep() goes on after what it may not open, read or remove", async () => {
  await using served = await serveLeftovers();
  const refused = [served.inside(partialAt("old")), served.inside("d", "e")];
  // The real thing needs two users.
  const real = { ...Deno };
  for (const name of ["openSync", "readDirSync"] as const) {
    Reflect.set(Deno, name, (path: string, ...args: unknown[]) => {
      if (refused.includes(path)) throw new Deno.errors.PermissionDenied("os error 13");
      return (real[name] as (...args: unknown[]) => unknown)(path, ...args);
    });
  }
  try {
    await served.storage.sweep(ROOT, { recursive: true });
  } finally {
    for (const name of ["openSync", "readDirSync"] as const) Reflect.set(Deno, name, real[name]);
  }
  assertEquals(left(served), ["old", "young", "d/e/old", "d/young"]);
});

Deno.test("DirectoryStorage.sweep() leaves a directory alone that has the name of a partial file", async () => {
  await using served = await serveTemp();
  const directory = served.inside(temporaryName("d"));
  Deno.mkdirSync(`${directory}/e`, { recursive: true });
  setAge(directory, 8);
  await served.storage.sweep(ROOT, { recursive: true });
  assertEquals(Array.from(Deno.readDirSync(directory)).length, 1);
});

Deno.test("DirectoryStorage.sweep() leaves a file alone that has the name of what a removal has left", async () => {
  await using served = await serveTemp();
  const file = served.inside(".ferry-0123456789abcdef.removed");
  Deno.writeTextFileSync(file, "f");
  setAge(file, 8);
  await served.storage.sweep(ROOT, { recursive: true });
  assertEquals(Deno.readTextFileSync(file), "f");
});
