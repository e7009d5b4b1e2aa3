/**
 * Characters that must not reach a terminal or a log raw: control characters, line and paragraph separators, formatting
 * that can reorder or hide text (Unicode TR36, "Bidirectional Text Spoofing"), invisible characters
 * (Default_Ignorable_Code_Point, and the empty Braille pattern), lone surrogates. The two joiners and the variation
 * selectors stay: Persian words, many emoji and Japanese names need them.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u2800]|(?![\u200c\u200d\ufe0e\ufe0f\u{e0100}-\u{e01ef}])[\p{Cf}\p{DI}]/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` with everything escaped that could move the cursor, forge a line or hide text. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) => SHORT[c] ?? `\\u{${c.codePointAt(0)?.toString(16)}}`);
}

/** `text` in double quotes, safe to print: `"a \"b\".txt"`. */
export function quote(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"))}"`;
}
