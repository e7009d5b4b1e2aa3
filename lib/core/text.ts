/**
 * Characters that must not reach a terminal or a log as they are: control characters, line and paragraph separators,
 * formatting that can reorder or hide text (Unicode TR36, "Bidirectional Text Spoofing"), characters that show nothing
 * (Default_Ignorable_Code_Point, and the empty Braille pattern), lone surrogates. The two joiners, and the
 * selectors of text, emoji and ideographs stay: Persian words, many emoji and Japanese names are written with them.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u2800]|(?![\u200c\u200d\ufe0e\ufe0f\u{e0100}-\u{e01ef}])[\p{Cf}\p{DI}]/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` with everything escaped that could move a cursor, forge a line or hide a part of itself. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) => SHORT[c] ?? `\\u{${c.codePointAt(0)?.toString(16)}}`);
}

/** `text` in double quotes, safe to print: `"a \"b\".txt"`. */
export function quote(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"))}"`;
}
