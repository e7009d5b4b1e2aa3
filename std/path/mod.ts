/**
 * The functions of `@std/path` that Ferry uses, from the npm mirror of the standard library. The mirror has no types:
 * `types.d.ts` declares them.
 *
 * @module
 */
// @ts-types="./types.d.ts"
export { basename } from "deno-std/path/basename.js";
// @ts-types="./types.d.ts"
export { dirname } from "deno-std/path/dirname.js";
// @ts-types="./types.d.ts"
export { fromFileUrl } from "deno-std/path/from_file_url.js";
// @ts-types="./types.d.ts"
export { globToRegExp } from "deno-std/path/glob_to_regexp.js";
// @ts-types="./types.d.ts"
export { isGlob } from "deno-std/path/is_glob.js";
// @ts-types="./types.d.ts"
export { join } from "deno-std/path/join.js";
// @ts-types="./types.d.ts"
export { normalize } from "deno-std/path/normalize.js";
// @ts-types="./types.d.ts"
export { relative } from "deno-std/path/relative.js";
// @ts-types="./types.d.ts"
export { resolve } from "deno-std/path/resolve.js";
// @ts-types="./types.d.ts"
export { SEPARATOR } from "deno-std/path/constants.js";
// @ts-types="./types.d.ts"
export { toFileUrl } from "deno-std/path/to_file_url.js";
