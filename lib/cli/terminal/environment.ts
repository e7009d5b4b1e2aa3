/** The environment variables that Ferry reads. */
export type Variable = "FERRY_SECRET" | "FERRY_DEBUG" | "HOME" | "INIT_CWD" | "LOCALAPPDATA" | "XDG_STATE_HOME";

/** Whether Deno lets the program read a variable. Never asks. */
export function maySee(variable: Variable): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/** The value of a variable; undefined if it is unset, empty, or not allowed to be read. */
export function valueOf(variable: Variable): string | undefined {
  return maySee(variable) ? Deno.env.get(variable) || undefined : undefined;
}
