/** `@std/text/levenshtein-distance`, from the npm mirror of the standard library, with the types the mirror lacks. @module */
// @ts-types="./levenshtein_distance.d.ts"
export { levenshteinDistance } from "deno-std/text/levenshtein_distance.js";
