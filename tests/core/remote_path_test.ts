import { assert, assertEquals, assertLess } from "@std/assert";
import { posix, win32 } from "node:path";
import { FerryError } from "../../lib/core/errors.ts";
import {
  isReserved,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
  parseRemotePath,
  RESERVED_PREFIX,
} from "../../lib/core/remote_path.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { Random, withRandom } from "../helpers/random.ts";

/** A path of exactly `length` characters in names of at most 200. */
function pathOfLength(length: number): string {
  return Array.from({ length }, (_, i) => i % 201 === 200 ? "/" : "x").join("");
}

Deno.test("parseRemotePath() accepts names in all languages and of all shapes", () => {
  const names = [
    "a.txt",
    "a/b/c.txt",
    ".settings",
    "..a",
    "a..",
    "...",
    "a b",
    " a ",
    'it\'s a "test".txt',
    "射频仿真.pptx",
    "天线 测试 报告.pdf",
    "Измерения.csv",
    "مرحبا/שלום.txt",
    "नमस्ते.txt",
    "สวัสดี",
    "한국어",
    "한국어".normalize("NFD"),
    "é",
    "e\u0301",
    "📡 antenna.png",
    "👩‍👩‍👧.jpg",
    "می‌خواهم",
    "ferry",
    ".ferry",
    "x.ferry-a",
    "a\\b",
    "C:",
    "con",
    "~",
    "-rf",
    "*?",
    "$(x)",
    "%2e%2e",
    "a\nb",
    "\u202eexe.txt",
    "x".repeat(255),
    "天".repeat(85),
    pathOfLength(MAX_PATH_BYTES),
  ];
  for (const name of names) assertEquals<string>(parseRemotePath(name, false), name);
});

Deno.test("parseRemotePath() refuses every form that could lead elsewhere", () => {
  const forms = [
    "",
    ".",
    "..",
    "/",
    "//",
    "./a",
    "a/.",
    "a/./b",
    "../x",
    "a/..",
    "a/../../x",
    "a/../b",
    "/etc/passwd",
    "//etc/passwd",
    "a//b",
    "a/",
    "a/b/",
    "\0",
    "a\0",
    "a\0/../b",
    "a/b\0.txt",
    "\ud800",
    "a/\udfff.txt",
    "x".repeat(5000),
    pathOfLength(5000),
    pathOfLength(MAX_PATH_BYTES + 1),
    "x".repeat(MAX_NAME_BYTES + 1),
    "a/" + "天".repeat(86) + "/b",
    "天".repeat(1400).replace(/.{80}/gu, "$&/"),
  ];
  for (const windows of [false, true]) {
    for (const form of forms) {
      assertThrowsCode("InvalidPath", () => parseRemotePath(form, windows), JSON.stringify(form.slice(0, 40)));
    }
  }
});

Deno.test("parseRemotePath() refuses the names of partial files in every spelling", () => {
  const partial = `${RESERVED_PREFIX}0123456789abcdef.part`;
  const spellings = [
    partial,
    RESERVED_PREFIX,
    partial.toUpperCase(),
    ".Ferry-x",
    `a/${partial}`,
    `${partial}/a`,
    "\uff0eferry-x",
    ".\uff46erry-x",
    ".\u24d5erry-x",
    ".ferry\uff0dx",
    ".ferry\ufe63x",
  ];
  for (const name of spellings) {
    assertThrowsCode("InvalidPath", () => parseRemotePath(name, false), name);
    assert(name.split("/").some(isReserved), name);
  }
  for (const name of ["", "a", ".ferry", "ferry-", "..ferry-", "a.ferry-x"]) {
    assertEquals(isReserved(name), false, name);
  }
});

Deno.test("parseRemotePath() refuses on Windows what Windows does not allow", () => {
  const names = [
    "a\\b",
    "..\\x",
    "\\\\server\\share",
    "C:",
    "C:x",
    "C:\\x",
    "a:stream",
    "a<b",
    "a>b",
    'a"b',
    "a|b",
    "a?",
    "a*",
    "a\u0001",
    "a\n",
    "a.",
    "a ",
    "...",
    ".. ",
    "a./b",
    "a /b",
    "con",
    "CON",
    "CON.txt",
    "prn.x",
    "aux",
    "dir/aux/x",
    "nul.tar.gz",
    "com0",
    "COM1",
    "com9.x",
    "COM¹",
    "lpt1",
    "LPT³.txt",
    "conin$",
    "CONOUT$",
  ];
  for (const name of names) assertThrowsCode("InvalidPath", () => parseRemotePath(name, true), name);
});

Deno.test("parseRemotePath() refuses on Windows a device's name with spaces before the dot", () => {
  // RtlIsDosDeviceName_U cuts the name at the first dot and takes the spaces at its end away.
  for (const name of ["nul .txt", "CON  .a.b", "com1 .x", "a/lpt9 .doc"]) {
    assertThrowsCode("InvalidPath", () => parseRemotePath(name, true), name);
  }
});

Deno.test("parseRemotePath() accepts on Windows what only looks like a device", () => {
  for (const name of ["console", "com", "com10", "nully.txt", "acon", "a.con", ".con", "lpt", "auxiliary/x", "a.b c"]) {
    assertEquals<string>(parseRemotePath(name, true), name);
  }
});

Deno.test("parseRemotePath() gives a short reason", () => {
  for (const path of ["../x", "📡".repeat(3000), "x📡".repeat(3000)]) {
    const error = assertThrowsCode("InvalidPath", () => parseRemotePath(path, false));
    assert(error.message.length > 10, error.message);
    assertLess(error.message.length, 100);
  }
});

Deno.test("parseRemotePath() never lets a path escape, and parsing twice changes nothing", () => {
  withRandom((random) => {
    let accepted = 0;
    for (let i = 0; i < 20_000; i++) {
      for (const windows of [false, true]) accepted += checkOne(randomPath(random), windows);
    }
    assert(accepted > 100, `only ${accepted} were accepted`);
  });
});

const PIECES = [
  ..."a/.\\:\0 天",
  "/",
  "..",
  "../",
  "b/",
  "con",
  ".ferry-",
  "\ud83d",
  "\udce1",
  "📡",
  "C:",
  "\uff0e",
  "x".repeat(250),
] as const;

function randomPath(random: Random): string {
  return Array.from({ length: 1 + random.below(8) }, () => PIECES[random.below(PIECES.length)] ?? "").join("");
}

/** Checks what the parser makes of `text`; gives 1 when it accepts it. */
function checkOne(text: string, windows: boolean): 0 | 1 {
  let path;
  try {
    path = parseRemotePath(text, windows);
  } catch (error) {
    assert(error instanceof FerryError && error.code === "InvalidPath", `${JSON.stringify(text)}: ${error}`);
    return 0;
  }
  const what = `${JSON.stringify(text)} on ${windows ? "Windows" : "POSIX"}`;
  const [{ resolve, sep }, root] = windows ? [win32, "C:\\srv\\root"] : [posix, "/srv/root"];
  assertEquals<string>(path, text, what);
  assertEquals(parseRemotePath(path, windows), path, what);
  assertEquals(resolve(root, path), root + sep + path.replaceAll("/", sep), what);
  return 1;
}
