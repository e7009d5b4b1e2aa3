/** `@std/fmt/duration`, from the npm mirror of the standard library, with the types the mirror lacks. @module */
// @ts-types="./duration.d.ts"
export { format } from "deno-std/fmt/duration.js";
export type { FormatOptions } from "./duration.d.ts";
