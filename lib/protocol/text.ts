/**
 * Characters that must not reach a terminal or a log as they are: control characters, line and paragraph separators,
 * invisible formatting that can reorder or hide text (Unicode TR36, "Bidirectional Text Spoofing"), lone surrogates.
 * The two joiners stay, since Persian words and many emoji are written with them.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` with everything escaped that could move a cursor, forge a line or hide a part of itself. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) => SHORT[c] ?? `\\u{${c.codePointAt(0)?.toString(16)}}`);
}

/** `text` in double quotes, safe to print: `"a \"b\".txt"`. */
export function quote(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"))}"`;
}
