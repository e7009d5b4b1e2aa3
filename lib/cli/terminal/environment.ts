/** A variable of the environment that Ferry knows. */
export type Variable = "FERRY_SECRET" | "FERRY_DEBUG";

/** Whether the program may read a variable. Never asks for the permission. */
export function maySee(variable: Variable): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/** The value of a variable; undefined if it is empty, not set, or the program may not read it. */
export function valueOf(variable: Variable): string | undefined {
  return maySee(variable) ? Deno.env.get(variable) || undefined : undefined;
}
