import { assertEquals } from "@std/assert";
import { FerryError } from "../../../lib/core/errors.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { INSIDE, type Moments, Moving } from "../../helpers/moving.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, namesOf } from "../../helpers/storage.ts";

/** Few files are read at once and dealt with in one step; many take many steps, and their directory is read in parts. */
const SIZES: Readonly<Record<string, number>> = { "few files": 3, "many files": 3000 };

/** Names that are long enough for many of them to make a directory large. */
const names = (count: number) => Array.from({ length: count }, (_, i) => `quite a long name, number ${i}`);

/** What an operation throws that is a failure for clients, too. */
async function failureOf(operation: () => Promise<unknown>): Promise<FerryError | undefined> {
  try {
    await operation();
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
  return undefined;
}

for (const [what, count] of Object.entries(SIZES)) {
  for (const moments of ["calls", "turns"] satisfies Moments[]) {
    Deno.test({
      name:
        `DirectoryStorage.remove() of ${what} removes nothing outside while directories are exchanged at ${moments}`,
      ignore: Deno.build.os === "windows",
      async fn() {
        await using moving = await Moving.with(names(count));
        for (let i = 0; i < 20; i++) {
          const path = at("box/vic/precious");
          const failure = await failureOf(() =>
            moving.during(moments, () => moving.storage.remove(path, { recursive: true }))
          );
          if (failure) assertEquals(["Changed", "NotFound", "NotEmpty"].includes(failure.code), true, String(failure));
        }
        moving.assertUntouched();
      },
    });

    Deno.test({
      name: `DirectoryStorage.list() of ${what} shows nothing outside while directories are exchanged at ${moments}`,
      ignore: Deno.build.os === "windows",
      async fn() {
        await using moving = await Moving.with(names(count));
        for (const path of ["box/vic", "box/vic/precious", ""].map(at)) {
          const sizes = new Set<number>();
          await failureOf(() =>
            moving.during(moments, async () => {
              for await (const { kind, size } of moving.storage.list(path, { recursive: true })) {
                if (kind === "file") sizes.add(size);
              }
            })
          );
          assertEquals([...sizes].filter((size) => size !== INSIDE.length), [], path);
        }
      },
    });

    Deno.test({
      name: `DirectoryStorage.list() of ${what} is complete or fails while directories are exchanged at ${moments}`,
      ignore: Deno.build.os === "windows",
      async fn() {
        await using moving = await Moving.with(names(count));
        // A name that is only inside, which a reading of the directory outside would leave out.
        Deno.writeTextFileSync(moving.served.inside("box/vic/precious/only inside"), INSIDE);
        for (let i = 0; i < 5; i++) {
          let listed: string[] = [];
          const failure = await failureOf(async () => {
            listed = await moving.during(moments, () => namesOf(moving.storage, "box/vic/precious", true));
          });
          if (failure) assertEquals(["Changed", "NotFound"].includes(failure.code), true, String(failure));
          else assertEquals(listed.length, count + 3);
        }
      },
    });
  }
}

Deno.test({
  name: "DirectoryStorage.list() that waits for its reader fails when the directory is exchanged meanwhile",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using moving = await Moving.with(names(300));
    const shown: number[] = [];
    const failure = await failureOf(async () => {
      for await (const { kind, size } of moving.storage.list(at("box/vic/precious"))) {
        if (shown.length === 0) moving.exchange();
        if (kind === "file") shown.push(size);
      }
    });
    assertEquals(failure?.code, "Changed");
    assertEquals(shown.filter((size) => size !== INSIDE.length), []);
  },
});

/** What reading the directory may come to that was put in the place of another. */
const OTHERS: Readonly<Record<string, () => AsyncGenerator<Deno.DirEntry>>> = {
  async *"has names"() {
    yield { name: "x", isFile: true, isDirectory: false, isSymlink: false };
  },
  async *"is empty"() {},
  // deno-lint-ignore require-yield
  async *"may not be read"() {
    throw new Deno.errors.PermissionDenied("os error 13");
  },
  // deno-lint-ignore require-yield
  async *"is not there"() {
    throw new Deno.errors.NotFound("os error 2");
  },
};

for (const comesBack of [true, false]) {
  Deno.test({
    name:
      `DirectoryStorage.list() and remove() say the same of whatever they opened in a directory's place that is then ${
        comesBack ? "back" : "gone"
      }`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using moving = await Moving.with(names(3000));
      const said = new Map<string, string>();
      const original = Deno.readDir;
      for (const [what, read] of Object.entries(OTHERS)) {
        Deno.readDir = async function* () {
          moving.exchange();
          try {
            yield* read();
          } finally {
            if (comesBack) moving.exchange();
          }
        };
        try {
          const listed = await failureOf(() => namesOf(moving.storage, "box/vic/precious"));
          said.set(`list ${what}`, `${listed?.code}: ${listed?.message}`);
          if (!comesBack) moving.exchange();
          const removed = await failureOf(() => moving.storage.remove(at("box/vic/precious"), { recursive: true }));
          said.set(`remove ${what}`, `${removed?.code}: ${removed?.message}`);
        } finally {
          Deno.readDir = original;
        }
        if (!comesBack) moving.exchange();
      }
      const answer = (moved: string) => `Changed: the directory was ${moved} meanwhile; try again`;
      const same = (what: string): [string, string][] => [
        [`list ${what}`, answer(comesBack ? "moved" : "moved or replaced")],
        [`remove ${what}`, answer("moved or replaced")],
      ];
      assertEquals(said, new Map(Object.keys(OTHERS).flatMap(same)));
    },
  });
}

Deno.test("DirectoryStorage looks again where a directory was that has been moved, in the same turn, too", async () => {
  await using served = await serveTemp();
  for (const name of ["d", "e", "g"]) Deno.mkdirSync(served.inside(name));
  for (const path of ["d/f", "e/f", "g/f"]) Deno.writeTextFileSync(served.inside(path), "f");
  const { storage } = served;
  // Nothing here waits for more than promises that are fulfilled already.
  assertEquals((await storage.stat(at("d/f"))).kind, "file");
  await storage.rename(at("d"), at("moved"));
  await storage.rename(at("e/f"), at("d"));
  await assertFailsWith("NotFound", () => storage.stat(at("d/f")));
  assertEquals((await storage.stat(at("g/f"))).kind, "file");
  await storage.remove(at("g/f"));
  await storage.remove(at("g"));
  await storage.rename(at("moved/f"), at("g"));
  await assertFailsWith("NotFound", () => storage.stat(at("g/f")));
});
