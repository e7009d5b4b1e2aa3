import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { unicodeWidth } from "@std/cli/unicode-width";
import { format as formatBytes } from "@std/fmt/bytes";
import * as path from "@std/path";

const isWindows = Deno.build.os === "windows";

/** Fails unless `assertion` throws what assertions throw. */
function assertFails(assertion: () => void): void {
  try {
    assertion();
  } catch (error) {
    if (error instanceof Error && error.name === "AssertionError") return;
    throw error;
  }
  throw new Error("The assertion should have failed");
}

/** Compiles only if `T` is exactly the type of the argument. */
function assertType<T>(_value: T, _exact: (value: T) => T): void {}

Deno.test("assert() fails for falsy values only, and assertFalse() for others", () => {
  const value = ["x"][0];
  assert(value);
  assertEquals(value.length, 1);
  assertFails(() => assert(0));
  assertFalse("");
  assertFails(() => assertFalse(1));
});

Deno.test("assertEquals() compares deeply", () => {
  assertEquals({ a: [1, new Uint8Array([2])] }, { a: [1, new Uint8Array([2])] });
  assertNotEquals({ a: 1 }, { a: 2 });
  assertFails(() => assertEquals({ a: 1 }, { a: 2 }));
  assertFails(() => assertNotEquals([1], [1]));
});

Deno.test("assertStrictEquals() compares identity", () => {
  const object = {};
  assertStrictEquals(object, object);
  assertFails(() => assertStrictEquals<unknown>({}, {}));
});

Deno.test("assertGreater() and its kin compare in order", () => {
  assertGreater(2, 1);
  assertLess(1, 2);
  assertLessOrEqual(2, 2);
  assertFails(() => assertGreater(1, 1));
  assertFails(() => assertLess(1, 1));
  assertFails(() => assertLessOrEqual(2, 1));
});

Deno.test("assertStringIncludes() and assertMatch() look into strings", () => {
  assertStringIncludes("hello", "ell");
  assertMatch("hello", /l+o$/);
  assertFails(() => assertStringIncludes("hello", "x"));
  assertFails(() => assertMatch("hello", /x/));
});

Deno.test("assertInstanceOf() narrows the type", () => {
  const value: unknown = new RangeError("x");
  assertInstanceOf(value, RangeError);
  assertEquals(value.message, "x");
  assertFails(() => assertInstanceOf(value, TypeError));
});

Deno.test("assertThrows() returns what was thrown", () => {
  const raise = () => {
    throw new RangeError("out of range");
  };
  assertType<unknown>(assertThrows(raise), (value: unknown) => value);
  const error = assertThrows(raise, RangeError, "out of");
  assertType<RangeError>(error, (value: RangeError) => value);
  assertEquals(error.message, "out of range");
  assertFails(() => assertThrows(() => {}));
  assertFails(() => assertThrows(raise, TypeError));
  assertFails(() => assertThrows(raise, RangeError, "other"));
});

Deno.test("assertRejects() resolves to the reason", async () => {
  const raise = () => Promise.reject(new RangeError("out of range"));
  assertInstanceOf(await assertRejects(raise), RangeError);
  const error = await assertRejects(raise, RangeError, "out of");
  assertEquals(error.message, "out of range");
  assertEquals((await assertRejects(() => assertRejects(() => Promise.resolve()), Error)).name, "AssertionError");
  assertEquals((await assertRejects(() => assertRejects(raise, TypeError), Error)).name, "AssertionError");
  assertEquals((await assertRejects(() => assertRejects(raise, RangeError, "other"), Error)).name, "AssertionError");
});

Deno.test("parseArgs() types what is declared", () => {
  const args = parseArgs(["--help", "-p", "80", "--header", "a", "--header", "b", "--no-color", "file"], {
    boolean: ["help", "color"],
    string: ["port", "root", "header"],
    collect: ["header"],
    negatable: ["color"],
    default: { root: ".", color: true },
    alias: { port: "p", help: ["h", "?"] },
  });
  assertType<boolean>(args.help, (value: boolean) => value);
  assertType<boolean>(args.h, (value: boolean) => value);
  assertType<string | undefined>(args.port, (value: string | undefined) => value);
  assertType<string | undefined>(args.p, (value: string | undefined) => value);
  assertType<string>(args.root, (value: string) => value);
  assertType<string[]>(args.header, (value: string[]) => value);
  assertType<(string | number)[]>(args._, (value: (string | number)[]) => value);
  assertType<unknown>(args.other, (value: unknown) => value);
  assertEquals<unknown>(args, {
    help: true,
    h: true,
    "?": true,
    port: "80",
    p: "80",
    header: ["a", "b"],
    color: false,
    root: ".",
    _: ["file"],
  });
});

Deno.test("parseArgs() keeps what follows a double dash apart on demand", () => {
  const args = parseArgs(["--", "-a"], { "--": true });
  assertType<string[]>(args["--"], (value: string[]) => value);
  assertEquals<unknown>(args, { _: [], "--": ["-a"] });
  assertEquals<unknown>(parseArgs(["--", "-a"]), { _: ["-a"] });
});

Deno.test("parseArgs() stops early on demand", () => {
  assertEquals(parseArgs(["get", "--force"], { boolean: ["force"], stopEarly: true })._, ["get", "--force"]);
});

Deno.test("parseArgs() reports what it does not know", () => {
  const seen: unknown[] = [];
  const args = parseArgs(["--port", "1", "--prot=2", "file"], {
    string: ["port"],
    unknown: (arg, key, value) => {
      seen.push([arg, key, value]);
      return false;
    },
  });
  assertEquals(seen, [["--prot=2", "prot", "2"], ["file", undefined, undefined]]);
  assertEquals<unknown>(args, { port: "1", _: [] });
});

Deno.test("parseArgs() turns numbers into numbers unless declared as strings", () => {
  const args = parseArgs(["--a=1", "--b=1"], { string: "b" });
  assertEquals<unknown>(args, { a: 1, b: "1", _: [] });
});

Deno.test("unicodeWidth() counts columns", () => {
  const widths: [string, number][] = [
    ["", 0],
    ["hello world", 11],
    ["天线15.doc", 10],
    ["ｆｕｌｌ", 8],
    ["ﾊﾝｶｸ", 4],
    ["한글", 4],
    ["\u1112\u1161\u11ab", 2],
    ["Привет", 6],
    ["e\u0301", 1],
    ["a\u200bb", 2],
    ["\x1b\t\n", 0],
    ["🦕", 2],
    ["±°", 2],
  ];
  for (const [text, width] of widths) assertEquals(unicodeWidth(text), width, JSON.stringify(text));
});

Deno.test("format() of bytes uses decimal and binary prefixes", () => {
  assertEquals(formatBytes(0), "0 B");
  assertEquals(formatBytes(1337), "1.34 kB");
  assertEquals(formatBytes(1536, { binary: true }), "1.5 kiB");
  assertEquals(formatBytes(1000, { minimumFractionDigits: 1, locale: "en" }), "1.0 kB");
  assertThrows(() => formatBytes(NaN), TypeError);
});

Deno.test({
  name: "path takes paths apart and puts them together",
  ignore: isWindows,
  fn: () => {
    assertEquals(path.join("/a", "..", "b", "./c"), "/b/c");
    assertEquals(path.resolve("/a", "b", "../c"), "/a/c");
    assertEquals(path.normalize("/a//b/../c/"), "/a/c/");
    assertEquals(path.relative("/a/b", "/a/c/d"), "../c/d");
    assertEquals(path.basename("/a/b.txt", ".txt"), "b");
    assertEquals(path.dirname("/a/b.txt"), "/a");
    assertEquals<string>(path.SEPARATOR, "/");
  },
});

Deno.test({
  name: "path converts between paths and file URLs",
  ignore: isWindows,
  fn: () => {
    const name = "/tmp/天线 15%.doc";
    assertEquals(path.toFileUrl(name).href, "file:///tmp/%E5%A4%A9%E7%BA%BF%2015%25.doc");
    assertEquals(path.fromFileUrl(path.toFileUrl(name)), name);
    assertThrows(() => path.fromFileUrl("https://example.com/"), TypeError);
  },
});

Deno.test("globToRegExp() and isGlob() know glob syntax", () => {
  assertMatch("a.ts", path.globToRegExp("*.{ts,js}"));
  assertEquals(path.globToRegExp("*.ts").test("a.tsx"), false);
  assertEquals(path.globToRegExp("a", { caseInsensitive: true }).test("A"), true);
  assertEquals([path.isGlob("*.ts"), path.isGlob("a.ts")], [true, false]);
});
