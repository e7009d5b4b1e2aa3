/** The place of a UTF-16 code unit in the order of UTF-8: surrogates stand for what comes after all other characters. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Compares two strings by the bytes of their UTF-8; negative when `a` comes first, 0 when they are the same. */
export function compareUtf8(a: string, b: string): number {
  const both = Math.min(a.length, b.length);
  for (let i = 0; i < both; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/**
 * What entries of listings are sorted by, with `compareUtf8`: the path, a directory's with a `/` at its end, as git sorts
 * its trees. So everything in a directory comes right after it, and a recursive listing is in plain string order.
 */
export function listingKey({ path, kind }: { readonly path: string; readonly kind: string }): string {
  return kind === "directory" ? `${path}/` : path;
}
