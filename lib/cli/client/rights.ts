import { type Right, RIGHTS } from "../../protocol/commands.ts";

/** What somebody without a right may not do. */
const ACTS: Record<Right, string> = {
  read: "list or read",
  add: "add files",
  overwrite: "replace files",
  remove: "remove or rename",
};

/**
 * What a session may not do, for people.
 *
 * @param allows What the server says that it may do.
 * @returns Undefined when it may do everything.
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
