/**
 * Characters that must not reach a terminal or a log raw: control characters, line and paragraph separators, formatting
 * that can reorder or hide text (Unicode TR36, "Bidirectional Text Spoofing"), lone surrogates, unassigned and private-use
 * code points, and invisible characters: Default_Ignorable_Code_Point, and three that Unicode does not count among them.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{DI}\u2800\u{16fe4}\u{1d159}]/gu;

/** A letter or a mark of the scripts that use joiners: those of Persian and its relatives, and of the languages of India. */
const LETTER = "[[\\p{L}\\p{M}]&&[" +
  ["Arab", "Syrc", "Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh"]
    .map((script) => `\\p{scx=${script}}`).join("") +
  "]]";

/**
 * Where an invisible character is a part of the text: a joiner between two such letters or inside an emoji, the selector
 * of an emoji's or a keycap's colours, and that of a variant of a Han character, as Japanese names have it.
 */
const NEEDED = new RegExp(
  `(?<=${LETTER})[\\u200c\\u200d](?=${LETTER})|` +
    "(?<=\\p{ExtPict}[\\p{EMod}\\ufe0f]?)\\u200d(?=\\p{ExtPict})|" +
    "(?<=\\p{ExtPict})\\ufe0f|(?<=[0-9#*])\\ufe0f(?=\\u20e3)|(?<=\\p{Script=Han})[\\u{e0100}-\\u{e01ef}]",
  "vy",
);

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function isNeeded(text: string, offset: number): boolean {
  NEEDED.lastIndex = offset;
  return NEEDED.test(text);
}

/** `text` with everything escaped that could move the cursor, forge a line or hide text. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c, offset: number) => {
    return isNeeded(text, offset) ? c : SHORT[c] ?? `\\u{${c.codePointAt(0)?.toString(16)}}`;
  });
}

/** `text` in double quotes, safe to print: `"a \"b\".txt"`. */
export function quote(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"))}"`;
}
