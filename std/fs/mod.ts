/**
 * The functions of `@std/fs` that Ferry uses. The npm mirror of the standard library leaves this package out, so they
 * are written here, to the same signatures and behaviour.
 *
 * @module
 */
export * from "./copy.ts";
export * from "./empty_dir.ts";
export * from "./ensure_dir.ts";
export * from "./exists.ts";
export * from "./expand_glob.ts";
export * from "./walk.ts";
