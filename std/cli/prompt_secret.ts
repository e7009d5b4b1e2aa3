/** `@std/cli/prompt-secret`, from the npm mirror of the standard library, with the types the mirror lacks. @module */
// @ts-types="./prompt_secret.d.ts"
export { promptSecret } from "deno-std/cli/prompt_secret.js";
export type { PromptSecretOptions } from "./prompt_secret.d.ts";
