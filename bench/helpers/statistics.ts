/**
 * The smallest value that `share` of all values do not exceed.
 *
 * @param values At least one.
 * @param share From 0 to 1.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("quantile() of nothing");
  return value;
}

/**
 * The value in the middle; between the two in the middle when their number is even.
 *
 * @param values At least one.
 */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1];
  const high = sorted[Math.floor(middle)];
  if (low === undefined || high === undefined) throw new RangeError("median() of nothing");
  return (low + high) / 2;
}
