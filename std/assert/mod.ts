/**
 * The functions of `@std/assert` that Ferry uses, from the npm mirror of the standard library. The mirror has no types:
 * `types.d.ts` declares them.
 *
 * @module
 */
// @ts-types="./types.d.ts"
export { assert } from "deno-std/assert/assert.js";
// @ts-types="./types.d.ts"
export { assertEquals } from "deno-std/assert/equals.js";
// @ts-types="./types.d.ts"
export { assertFalse } from "deno-std/assert/false.js";
// @ts-types="./types.d.ts"
export { assertGreater } from "deno-std/assert/greater.js";
// @ts-types="./types.d.ts"
export { assertInstanceOf } from "deno-std/assert/instance_of.js";
// @ts-types="./types.d.ts"
export { assertLess } from "deno-std/assert/less.js";
// @ts-types="./types.d.ts"
export { assertLessOrEqual } from "deno-std/assert/less_or_equal.js";
// @ts-types="./types.d.ts"
export { assertMatch } from "deno-std/assert/match.js";
// @ts-types="./types.d.ts"
export { assertNotEquals } from "deno-std/assert/not_equals.js";
// @ts-types="./types.d.ts"
export { assertRejects } from "deno-std/assert/rejects.js";
// @ts-types="./types.d.ts"
export { assertStrictEquals } from "deno-std/assert/strict_equals.js";
// @ts-types="./types.d.ts"
export { assertStringIncludes } from "deno-std/assert/string_includes.js";
// @ts-types="./types.d.ts"
export { assertThrows } from "deno-std/assert/throws.js";
