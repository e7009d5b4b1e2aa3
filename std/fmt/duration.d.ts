/** Options of `format()`. */
export interface FormatOptions {
  /** `narrow`: `1m 39s`; `full`: `1 minute, 39 seconds`; `digital`: `00:00:01:39:000:000:000`. Default: `narrow`. */
  style?: "narrow" | "digital" | "full";
  /** Leave out the parts that are zero. Default: false. */
  ignoreZero?: boolean;
}

/**
 * Writes a number of milliseconds for people.
 *
 * @throws {TypeError} If the style is unknown.
 */
export declare function format(ms: number, options?: FormatOptions): string;
