/** Options of `format()`. */
export interface FormatOptions {
  /** Use bits instead of bytes. Default: false. */
  bits?: boolean;
  /** Use binary prefixes: kiB for 1024 bytes. Default: false. */
  binary?: boolean;
  /** Show a plus sign for positive numbers. Default: false. */
  signed?: boolean;
  /** Language of the number: a tag, several, or `true` for the system's. Default: none. */
  locale?: boolean | string | string[];
  /** Fewest digits after the decimal point. */
  minimumFractionDigits?: number;
  /** Most digits after the decimal point. */
  maximumFractionDigits?: number;
}

/**
 * Writes a number of bytes for people: 1337 becomes `1.34 kB`.
 *
 * @throws {TypeError} If `num` is not finite.
 */
export declare function format(num: number, options?: FormatOptions): string;
