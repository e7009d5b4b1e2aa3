/**
 * Parses annotated wire bytes: pairs of hex digits, separated by white space or not; `#` starts a comment that goes to
 * the end of the line.
 *
 * @throws {SyntaxError} With the number of the first line that is anything else.
 */
export function parseHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const digits = line.replace(/#.*/, "").replace(/\s+/g, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new SyntaxError(`line ${i + 1} is not pairs of hex digits: ${line}`);
    for (const pair of digits.match(/../g) ?? []) bytes.push(parseInt(pair, 16));
  }
  return new Uint8Array(bytes);
}
