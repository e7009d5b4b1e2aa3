import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { printable, quote } from "../../lib/core/text.ts";
import { withRandom } from "../helpers/random.ts";

/** What may move a cursor, forge a line, or hide or reorder text. */
const DANGEROUS =
  /[\p{C}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u{e0001}\u{e0020}-\u{e007f}](?<![\u200c\u200d])/u;

Deno.test("printable() leaves text in all languages as it is", () => {
  for (
    const text of [
      "",
      "it's a test.txt",
      "射频仿真.pptx",
      "Измерения.csv",
      "مرحبا بالعالم",
      "שלום",
      "नमस्ते",
      "สวัสดี",
      "한국어",
      "e\u0301",
      "می\u200cخواهم",
      "👩\u200d👩\u200d👧",
      "🏳️\u200d🌈",
      "葛\u{e0100}城",
      "क्\u200dष",
      "ශ්\u200dරී",
      "ക്\u200cഷ",
      "👩🏽\u200d🚀",
      "❤\ufe0f",
      "1\ufe0f\u20e3",
      "a\\b",
      '"',
      "\u00a0",
    ]
  ) assertEquals(printable(text), text);
});

Deno.test("printable() escapes control characters", () => {
  assertEquals(printable("a\nb\rc\td"), "a\\nb\\rc\\td");
  assertEquals(printable("\u001b[2J\u0007\0\u007f\u009b"), "\\u{1b}[2J\\u{7}\\u{0}\\u{7f}\\u{9b}");
  assertEquals(printable("\u0085\u2028\u2029"), "\\u{85}\\u{2028}\\u{2029}");
});

Deno.test("printable() escapes what reorders or hides text", () => {
  assertEquals(printable("gpj.\u202eexe"), "gpj.\\u{202e}exe");
  assertEquals(printable("\u2066a\u2069\u200f\u061c"), "\\u{2066}a\\u{2069}\\u{200f}\\u{61c}");
  assertEquals(printable("a\u200bb\ufeff\u00ad\u2060"), "a\\u{200b}b\\u{feff}\\u{ad}\\u{2060}");
  assertEquals(printable("\u{e0041}"), "\\u{e0041}");
  assertEquals(printable("\u3164\u115f\uffa0\u034f\u2800"), "\\u{3164}\\u{115f}\\u{ffa0}\\u{34f}\\u{2800}");
});

Deno.test("printable() escapes joiners and variation selectors where they are no part of the text", () => {
  assertEquals(printable("<\u200c\u200d\ufe0e\ufe0f\u{e0100}>"), "<\\u{200c}\\u{200d}\\u{fe0e}\\u{fe0f}\\u{e0100}>");
  assertEquals(printable("do\u200dc do\u200cc"), "do\\u{200d}c do\\u{200c}c");
  assertEquals(printable("doc\u{e0100}\ufe0f.pdf"), "doc\\u{e0100}\\u{fe0f}.pdf");
  assertEquals(printable("می\u200c\u200cخ"), "می\\u{200c}\\u{200c}خ");
  assertEquals(printable("می\u200c"), "می\\u{200c}");
  assertEquals(printable("م\u200ca"), "م\\u{200c}a");
  assertEquals(printable("🌈\u200d🌈\u200d"), "🌈\u200d🌈\\u{200d}");
  assertEquals(printable("🌈\ufe0f\ufe0f"), "🌈\ufe0f\\u{fe0f}");
  assertEquals(printable("x\ufe0f\u200d🌈 1\ufe0f"), "x\\u{fe0f}\\u{200d}🌈 1\\u{fe0f}");
  assertEquals(printable("葛\u{e0100}\u{e0101}"), "葛\u{e0100}\\u{e0101}");
});

Deno.test("printable() escapes what is no character, private or never seen", () => {
  assertEquals(printable("\u0378\ue000\ufdd0\u{10ffff}"), "\\u{378}\\u{e000}\\u{fdd0}\\u{10ffff}");
  assertEquals(printable("\u{1d159}\u{16fe4}\u{f0000}"), "\\u{1d159}\\u{16fe4}\\u{f0000}");
});

Deno.test("printable() takes time in proportion to the length of the text", () => {
  const timed = (text: string) => {
    const began = performance.now();
    printable(text);
    return performance.now() - began;
  };
  for (const part of ["\u200d", "م\u200c", "🌈\ufe0f\u200d", "1\ufe0f", "葛\u{e0100}"]) {
    timed(part);
    assertLess(timed(part.repeat(300_000)), 5_000);
  }
});

Deno.test("printable() escapes lone surrogates and keeps pairs", () => {
  assertEquals(printable("\ud800"), "\\u{d800}");
  assertEquals(printable("a\udfffb\ud83d"), "a\\u{dfff}b\\u{d83d}");
  assertEquals(printable("📡"), "📡");
});

Deno.test("quote() puts text in double quotes that end where they should", () => {
  assertEquals(quote("a.txt"), '"a.txt"');
  assertEquals(quote(""), '""');
  assertEquals(quote('a "b".txt'), '"a \\"b\\".txt"');
  assertEquals(quote("a\\"), '"a\\\\"');
  assertEquals(quote('\\"'), '"\\\\\\""');
  assertEquals(quote("a\nb"), '"a\\nb"');
  assertEquals(quote("a\\nb"), '"a\\\\nb"');
});

Deno.test("quote() and printable() let nothing dangerous through", () => {
  withRandom((random) => {
    for (let i = 0; i < 5000; i++) {
      const high = random.pick([0x100, 0x3000, 0x1_0000, 0x11_0000]);
      const units = Array.from({ length: 1 + random.below(20) }, () => random.below(high));
      const text = String.fromCodePoint(...units);
      assertEquals(DANGEROUS.exec(printable(text)), null, JSON.stringify(text));
      assertEquals(DANGEROUS.exec(quote(text)), null, JSON.stringify(text));
      assertMatch(quote(text), /^"([^"\\]|\\.)*"$/u);
    }
  });
});
