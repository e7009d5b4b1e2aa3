/**
 * The functions of `@std/cli` that Ferry uses.
 *
 * @module
 */
export * from "./parse_args.ts";
export * from "./unicode_width.ts";
