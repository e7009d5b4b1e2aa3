export const KIB = 1024;
export const MIB = KIB ** 2;
export const GIB = KIB ** 3;

/** What is typed, and what it means or the words in which it is refused. */
export type Cases = readonly (readonly [typed: string, meaning: number | string])[];

export const sizes = (least: number): Cases => [
  ["1500", 1500],
  ["64K", 64 * KIB],
  ["64k", 64 * KIB],
  ["20M", 20 * MIB],
  ["3G", 3 * GIB],
  ["1T", KIB ** 4],
  ["8191T", 8191 * KIB ** 4],
  ...["-1", "1.5G", "64KB", "64Ki", "all", "1e9", "9999999T", "9007199254740992", "0x10"].map((typed) =>
    [typed, "must be a number of bytes such as"] as const
  ),
  ["0", least === 0 ? 0 : `must be at least ${least} bytes a second`],
  [String(least), least],
  ...(least > 0 ? [[String(least - 1), `must be at least ${least} bytes a second`] as const] : []),
];
