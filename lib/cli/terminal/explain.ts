import { type FerryError, ownWords, toFerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { maySee, valueOf } from "./environment.ts";
import { Exit, exitCode } from "./exit.ts";
import { UsageError } from "./usage.ts";

const DEBUG = "FERRY_DEBUG";

/**
 * The message and the exit code for a failure. With FERRY_DEBUG=1 the message includes the stack and all causes;
 * without it, an unexpected error only has the beginning of its cause, and says how to get more.
 */
export function explain(thrown: unknown): { message: string; code: number } {
  if (thrown instanceof UsageError) return { message: printable(thrown.message), code: Exit.usage };
  const error = toFerryError(thrown);
  return { message: `${printable(error.message)}${details(error)}`, code: exitCode(error.code) };
}

function details(error: FerryError): string {
  if (valueOf(DEBUG) === "1") return Deno.inspect(error).split("\n").map((line) => `\n  ${printable(line)}`).join("");
  if (error.code !== "Internal" || error.cause === undefined) return "";
  return ` (${ownWords(error.cause)}; to see more, set ${DEBUG}=1${
    maySee(DEBUG) ? "" : ` and add --allow-env=${DEBUG}`
  })`;
}
