import { type Right, RIGHTS } from "../../protocol/commands.ts";

/** What each right allows, in words. */
const ACTS: Record<Right, string> = {
  read: "list or read",
  add: "add files",
  overwrite: "replace files",
  remove: "remove or rename",
};

/**
 * What a session may not do, in words.
 *
 * @param allows The rights that the server grants.
 * @returns Undefined if it may do everything.
 */
export function restriction(allows: readonly string[]): string | undefined {
  const missing = RIGHTS.filter((right) => !allows.includes(right));
  if (missing.length === 0) return undefined;
  if (missing.length === RIGHTS.length) return "You may not do anything here.";
  const [only, ...others] = RIGHTS.filter((right) => allows.includes(right));
  if (only === "read" && others.length === 0) return "You may only list and read here.";
  if (only === "add" && others.length === 0) return "You may only add files here.";
  return `You may not ${missing.map((right) => ACTS[right]).join(", or ")} here.`;
}
