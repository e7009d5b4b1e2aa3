/**
 * `@std/cli/unicode-width`. The npm mirror of the standard library lacks the tables of this module, so the widths come
 * from another package.
 *
 * @module
 */
import { eastAsianWidth } from "get-east-asian-width";

// Combining marks, joiners, variation selectors and fillers; vowels and finals that join a Hangul syllable.
const ZERO_WIDTH =
  /[\p{Mn}\p{Me}\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u1160-\u11ff\ud7b0-\ud7c6\ud7cb-\ud7fb]/u;

/**
 * Counts the terminal columns that a text takes. Each code point counts for itself: 2 columns if it is wide, none if
 * it is a control character or combines with the one before, otherwise 1.
 *
 * @example
 * ```ts
 * import { unicodeWidth } from "@std/cli/unicode-width";
 *
 * unicodeWidth("天线15.doc"); // 10
 * ```
 *
 * @param str The text, without escape sequences.
 * @returns The number of columns.
 */
export function unicodeWidth(str: string): number {
  let width = 0;
  for (const char of str) {
    if (!ZERO_WIDTH.test(char)) width += eastAsianWidth(char.codePointAt(0) ?? 0);
  }
  return width;
}
