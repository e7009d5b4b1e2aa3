/** `@std/cli/parse-args`, from the npm mirror of the standard library, with the types the mirror lacks. @module */
// @ts-types="./parse_args.d.ts"
export { parseArgs } from "deno-std/cli/parse_args.js";
