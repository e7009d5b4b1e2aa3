/** The first of the UTF-16 code units whose order is not that of UTF-8: surrogates, and what comes after them. */
const FIRST_OUT_OF_ORDER = 0xd800;

const HAS_SURROGATE = /[\ud800-\udfff]/;

/** The place of such a unit in the order of UTF-8: surrogates stand for what comes after all other characters. */
function rank(unit: number): number {
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Compares two strings by the bytes of their UTF-8; negative when `a` comes first, 0 when they are the same. */
export function compareUtf8(a: string, b: string): number {
  const both = Math.min(a.length, b.length);
  for (let i = 0; i < both; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return x < FIRST_OUT_OF_ORDER || y < FIRST_OUT_OF_ORDER ? x - y : rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Sorts strings in place by the bytes of their UTF-8. */
export function sortUtf8(strings: string[]): string[] {
  // The built-in order is the same where there are no surrogates, and nearly the same where there are.
  strings.sort();
  return strings.some((each) => HAS_SURROGATE.test(each)) ? strings.sort(compareUtf8) : strings;
}

/**
 * What entries of listings are sorted by, with `compareUtf8`: the path, a directory's with a `/` at its end, as git sorts
 * its trees. So everything in a directory comes right after it, and a recursive listing is in plain string order.
 */
export function listingKey({ path, kind }: { readonly path: string; readonly kind: string }): string {
  return kind === "directory" ? `${path}/` : path;
}
