import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { quoteWord, scanWords, splitWords } from "../../../lib/cli/terminal/words.ts";
import { Random } from "../../helpers/random.ts";

/** There a backslash separates directories and cannot also be an escape. */
const WINDOWS = Deno.build.os === "windows";

const CHINESE = "天线 测试 报告.pdf";

Deno.test("scanWords() says where words begin and which quote is open", () => {
  assertEquals(scanWords("  get\t'a b' "), [
    { text: "get", start: 2, open: "" },
    { text: "a b", start: 6, open: "" },
  ]);
  assertEquals(scanWords(`get "天线 `), [{ text: "get", start: 0, open: "" }, { text: "天线 ", start: 4, open: '"' }]);
  assertEquals(scanWords("put 'it"), [{ text: "put", start: 0, open: "" }, { text: "it", start: 4, open: "'" }]);
  assertEquals(scanWords(" \t "), []);
});

Deno.test("splitWords() understands quotes and backslashes as shells do", () => {
  const lines: [string, string[]][] = [
    ["", []],
    ["a  b", ["a", "b"]],
    [`"a b" 'c d'`, ["a b", "c d"]],
    [`a"b c"d'e f'`, ["ab cde f"]],
    [`"it's" 'say "x"'`, ["it's", 'say "x"']],
    [`"" ''`, ["", ""]],
    ["天线\u3000测试", ["天线", "测试"]],
    ["📡 \u{1f468}\u200d\u{1f469}", ["📡", "\u{1f468}\u200d\u{1f469}"]],
  ];
  if (!WINDOWS) {
    lines.push(
      [String.raw`a\ b \"c \\`, ["a b", '"c', "\\"]],
      [String.raw`"a\"b\\" 'a\b'`, ['a"b\\', "a\\b"]],
      ["a\\", ["a\\"]],
    );
  }
  for (const [line, words] of lines) assertEquals(splitWords(line), words, line);
});

Deno.test("splitWords() refuses an open quote", () => {
  for (const line of ["'", `get "a`, `get a'b`, `"a'`]) {
    assertThrows(() => splitWords(line), UsageError, "is not closed", line);
  }
});

Deno.test("quoteWord() writes any word so that splitWords() gives it back", { ignore: WINDOWS }, () => {
  const words = [
    "",
    " ",
    "a",
    "a b",
    "it's",
    'say "x"',
    `both ' and "`,
    "a\\b",
    "\\",
    "end\\",
    `'"\\`,
    "$HOME",
    "#a",
    "-",
  ];
  words.push(
    CHINESE,
    "it's a test picture.jpg",
    "📡 antenna.png",
    "\ufeffa",
    "a\u00a0b",
    "\t",
    "e\u0301",
    "天线15.doc",
  );
  const random = new Random(7);
  for (let i = 0; i < 500; i++) {
    const alphabet = ["a", " ", "'", '"', "\\", "天", "📡", "$", "\t"] as const;
    words.push(Array.from({ length: random.below(8) }, () => random.pick(alphabet)).join(""));
  }
  for (const word of words) assertEquals(splitWords(`get ${quoteWord(word)} z`), ["get", word, "z"], quoteWord(word));
  assertEquals(quoteWord("天线15.doc"), "天线15.doc");
});
