import { constants } from "node:os";
import { assert, assertEquals, assertFalse, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { cannot, ERROR_CODES, type ErrorCode, FerryError, ownWords, toFerryError } from "../../lib/core/errors.ts";
import { tempDir } from "../helpers/temp.ts";

/** What `operation` throws. */
function thrownBy(operation: () => unknown): unknown {
  try {
    operation();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** An error as the system gives it. */
function systemError(code: string): Error {
  return Object.assign(new Error(`/srv/secret (os error)`), { code });
}

Deno.test("FerryError() carries code, message, path and cause", () => {
  const error = new FerryError("NotFound", "no such file", { path: "a.txt", cause: 5 });
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.code, error.message, error.path, error.cause], [
    "FerryError",
    "NotFound",
    "no such file",
    "a.txt",
    5,
  ]);
  const bare = new FerryError("Busy", "m");
  assertEquals(bare.path, undefined);
  assertFalse("cause" in bare);
});

Deno.test("ERROR_CODES has no code twice", () => {
  assertEquals(new Set(ERROR_CODES).size, ERROR_CODES.length);
});

Deno.test("toFerryError() gives back a FerryError as it is", () => {
  const error = new FerryError("Busy", "m");
  assertStrictEquals(toFerryError(error), error);
});

Deno.test("toFerryError() knows what the file system throws", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(dir.join("file"), "x");
  await Deno.mkdir(dir.join("full/inner"), { recursive: true });
  await Deno.symlink("loop", dir.join("loop"));
  const cases: [ErrorCode, () => unknown][] = [
    ["NotFound", () => Deno.openSync(dir.join("missing"))],
    ["NotADirectory", () => Deno.openSync(dir.join("file", "x"))],
    ["NotADirectory", () => Array.from(Deno.readDirSync(dir.join("file")))],
    ["AlreadyExists", () => Deno.mkdirSync(dir.join("full"))],
    ["AlreadyExists", () => Deno.openSync(dir.join("file"), { createNew: true, write: true })],
    ["IsADirectory", () => Deno.openSync(dir.join("full"), { write: true })],
    ["NotEmpty", () => Deno.removeSync(dir.join("full"))],
    ["NotFound", () => Deno.openSync(dir.join("loop"))],
    ["InvalidPath", () => Deno.openSync(dir.join("x".repeat(256)), { createNew: true, write: true })],
    ["InvalidPath", () => Deno.renameSync(dir.join("full"), dir.join("full/inner/x"))],
  ];
  for (const [code, operation] of cases) {
    const thrown = thrownBy(operation);
    const error = toFerryError(thrown);
    assertEquals(error.code, code, String(thrown));
    assertFalse(error.message.includes(dir.path), error.message);
    assertStrictEquals(error.cause, thrown);
  }
});

Deno.test("toFerryError() knows the error names of the system", () => {
  const codes: Record<string, ErrorCode> = {
    ENOENT: "NotFound",
    EEXIST: "AlreadyExists",
    EISDIR: "IsADirectory",
    ENOTDIR: "NotADirectory",
    ENOTEMPTY: "NotEmpty",
    EACCES: "Refused",
    EPERM: "Refused",
    EROFS: "Refused",
    ENOSPC: "NoSpace",
    EDQUOT: "NoSpace",
    EMFILE: "Busy",
    ENFILE: "Busy",
    ENAMETOOLONG: "InvalidPath",
    EFBIG: "TooLarge",
    EIO: "Internal",
    ESTALE: "Changed",
    EBUSY: "Busy",
    EXDEV: "Refused",
    EWHATEVER: "Internal",
  };
  for (const [errno, code] of Object.entries(codes)) {
    const error = toFerryError(systemError(errno));
    assertEquals(error.code, code, errno);
    assertFalse(error.message.includes("/srv/secret"));
  }
});

Deno.test({
  name: "toFerryError() knows the numbers of the system where Deno gives no name",
  ignore: Deno.build.os === "windows",
  fn() {
    const { EFBIG, EDQUOT, ESTALE } = constants.errno;
    const codes: [number, ErrorCode][] = [
      [EFBIG, "TooLarge"],
      [EDQUOT, "NoSpace"],
      [ESTALE, "Changed"],
      [99_999, "Internal"],
    ];
    for (const [number, code] of codes) {
      // The text after the number may hold anything that a name can.
      const thrown = new Error(`Some reason (os error ${number}): open '/srv/secret (os error 2)'`);
      const error = toFerryError(thrown);
      assertEquals(error.code, code, String(number));
      assertFalse(error.message.includes("secret"));
      assertStrictEquals(error.cause, thrown);
    }
    assertEquals(toFerryError(new Error("os error 27")).code, "Internal");
  },
});

Deno.test("ownWords() makes what Deno says safe to print, and cuts it", () => {
  assertEquals(ownWords(new Error("bad \u001b[2J\nname")), "bad \\u{1b}[2J\\nname");
  assertEquals(ownWords("text"), "text");
  assertEquals(ownWords(new Error("x".repeat(256))), "x".repeat(256));
  assertEquals(ownWords(new Error("x".repeat(1e6))), `${"x".repeat(256)}…`);
  // Cut in the middle of a pair of surrogates.
  assert(ownWords(new Error(`x${"\u{1f600}".repeat(300)}`)).isWellFormed());
});

Deno.test("toFerryError() knows Deno's error classes without an error name", () => {
  const { errors } = Deno;
  const cases: [new (message?: string) => Error, ErrorCode][] = [
    [errors.NotFound, "NotFound"],
    [errors.AlreadyExists, "AlreadyExists"],
    [errors.PermissionDenied, "Refused"],
    [errors.NotCapable, "Refused"],
    [errors.TimedOut, "Timeout"],
    [errors.ConnectionReset, "Disconnected"],
    [errors.ConnectionAborted, "Disconnected"],
    [errors.BrokenPipe, "Disconnected"],
    [errors.UnexpectedEof, "Disconnected"],
    [errors.NotConnected, "Disconnected"],
    [errors.Interrupted, "Disconnected"],
    [errors.BadResource, "Disconnected"],
  ];
  for (const [type, code] of cases) assertEquals(toFerryError(new type("/srv/secret")).code, code, type.name);
});

Deno.test("toFerryError() takes an abort for a cancellation", () => {
  assertEquals(toFerryError(thrownBy(() => AbortSignal.abort().throwIfAborted())).code, "Cancelled");
  const own = new FerryError("Disconnected", "gone");
  assertStrictEquals(toFerryError(new DOMException("aborted", "AbortError")).code, "Cancelled");
  assertStrictEquals(toFerryError(Object.assign(new Error("aborted", { cause: own }), { name: "AbortError" })), own);
  assertStrictEquals(toFerryError(thrownBy(() => AbortSignal.abort(own).throwIfAborted())), own);
});

Deno.test("toFerryError() gives nothing away of what it does not know", () => {
  const unknown = [
    new Error("/srv/secret"),
    new TypeError("secret is not a function"),
    "secret",
    null,
    undefined,
    0,
    { code: "ENOENT", message: "secret" },
    Symbol("secret"),
    new DOMException("secret", "DataError"),
  ];
  for (const thrown of unknown) {
    const error = toFerryError(thrown);
    assertEquals(error.code, "Internal");
    assertFalse(error.message.includes("secret"), error.message);
    assertStrictEquals(error.cause, thrown);
  }
});

Deno.test("toFerryError() is not misled by the names of Object's members", () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    const error = toFerryError(systemError(name));
    assertEquals(error.code, "Internal", name);
    assertEquals(typeof error.message, "string");
    assert(error.message !== "" && error.message !== "undefined", name);
  }
});

Deno.test("cannot() says what, where and why", () => {
  const cause = systemError("ENOENT");
  const error = cannot("get", "a.txt", cause);
  assertEquals(error.message, 'Cannot get "a.txt": no such file or directory');
  assertEquals([error.code, error.path], ["NotFound", "a.txt"]);
  assertStrictEquals(error.cause, cause);
});

Deno.test("cannot() takes the message of a FerryError as the reason, without a path if there is none", () => {
  const error = cannot("close", undefined, new FerryError("Busy", "try again"));
  assertEquals([error.message, error.code, error.path], ["Cannot close: try again", "Busy", undefined]);
});

Deno.test("cannot() makes the path safe to print", () => {
  const { message, path } = cannot("get", 'a"\u001b[2J\n.txt', new FerryError("NotFound", "no"));
  assertEquals(message, 'Cannot get "a\\"\\u{1b}[2J\\n.txt": no');
  assertEquals(path, 'a"\u001b[2J\n.txt');
});

Deno.test("cannot() leaves a whole sentence without a path as it is", () => {
  const error = new FerryError("Refused", "Cannot list: you may only add files here");
  assertEquals(cannot("list", undefined, error).message, error.message);
  assertEquals(cannot("list", "d", error).message, error.message);
});

Deno.test("cannot() shows the beginning of a path that is longer than any may be, and others as they are", () => {
  const error = new FerryError("InvalidPath", "it is too long");
  const longest = "x".repeat(4096);
  assertEquals(cannot("get", longest, error).message, `Cannot get "${longest}": it is too long`);
  const { message, path } = cannot("get", `${longest}x`, error);
  assertEquals(message, `Cannot get "${"x".repeat(256)}…": it is too long`);
  assertEquals(path, `${longest}x`);
  // Cut in the middle of a pair of surrogates.
  assert(cannot("get", `x${"\u{1f600}".repeat(3000)}`, error).message.isWellFormed());
});
