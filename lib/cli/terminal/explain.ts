import { type FerryError, ownWords, toFerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { maySee, valueOf } from "./environment.ts";
import { Exit, exitCode } from "./exit.ts";
import { cut, MAX_ESCAPED_PATH_BYTES } from "./log_text.ts";
import { OutputClosed } from "./terminal.ts";
import { UsageError } from "./usage.ts";

const DEBUG = "FERRY_DEBUG";

/**
 * The message and the exit code for a failure; no message when there is nothing to say. With FERRY_DEBUG=1 the message includes the stack and all causes;
 * without it, an unexpected error only has the beginning of its cause, and says how to get more.
 */
export function explain(thrown: unknown): { message: string; code: number } {
  if (thrown instanceof UsageError) return { message: shown(thrown), code: Exit.usage };
  const error = toFerryError(thrown);
  if (error instanceof OutputClosed) return { message: "", code: Exit.unread };
  return { message: `${shown(error)}${details(error)}`, code: exitCode(error.code) };
}

/** What to print. A message with a line of several megabytes in it would not fit into the queue. */
function shown({ message }: Error): string {
  return printable(cut(message, MAX_ESCAPED_PATH_BYTES));
}

function details(error: FerryError): string {
  if (valueOf(DEBUG) === "1") return traceOf(error).map((line) => `\n  ${printable(line)}`).join("");
  if (error.code !== "Internal" || error.cause === undefined) return "";
  return ` (${ownWords(error.cause)}; to see more, set ${DEBUG}=1${
    maySee(DEBUG) ? "" : ` and add --allow-env=${DEBUG}`
  })`;
}

/** No failure has so many causes. */
const MAX_CAUSES = 10;

/** The lines that tell where a failure and its causes come from. A line break in a message begins no line. */
function traceOf(thrown: unknown, depth = 0): string[] {
  if (!(thrown instanceof Error)) return [cut(Deno.inspect(thrown), MAX_ESCAPED_PATH_BYTES)];
  const { name, message, stack = "", cause } = thrown;
  // The stack begins with the message, as it was when the error was made.
  const places = stack.slice(stack.indexOf(message) + message.length).split("\n").slice(1);
  const lines = [cut(`${name}: ${message}`, MAX_ESCAPED_PATH_BYTES), ...places];
  return cause === undefined || depth === MAX_CAUSES ? lines : [...lines, "Caused by:", ...traceOf(cause, depth + 1)];
}
