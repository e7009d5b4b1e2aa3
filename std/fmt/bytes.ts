/** `@std/fmt/bytes`, from the npm mirror of the standard library, with the types the mirror lacks. @module */
// @ts-types="./bytes.d.ts"
export { format } from "deno-std/fmt/bytes.js";
