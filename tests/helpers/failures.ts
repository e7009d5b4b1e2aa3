import { assert, assertEquals } from "@std/assert";
import { type ErrorCode, FerryError } from "../../lib/core/errors.ts";
import { UsageError } from "../../lib/cli/terminal/usage.ts";

function checked(error: unknown, code: ErrorCode, what: string): FerryError {
  assert(error instanceof FerryError, `${what}: not a FerryError: ${Deno.inspect(error)}`);
  assertEquals(error.code, code, `${what}: ${error.message}`);
  return error;
}

/** Fails unless `operation` throws a `FerryError` with `code`; gives the error. */
export function assertThrowsCode(code: ErrorCode, operation: () => unknown, what = "error"): FerryError {
  let result: unknown;
  try {
    result = operation();
  } catch (error) {
    return checked(error, code, what);
  }
  throw new Error(`${what}: expected ${code}, got ${Deno.inspect(result)}`);
}

/** Fails unless `operation` throws, or rejects with, a `FerryError` with `code`; gives the error. */
export async function assertFailsWith(code: ErrorCode, operation: () => unknown, what = "error"): Promise<FerryError> {
  let result: unknown;
  try {
    result = await operation();
  } catch (error) {
    return checked(error, code, what);
  }
  throw new Error(`${what}: expected ${code}, got ${Deno.inspect(result)}`);
}

/** The message of the usage error that `operation` throws. */
export function usageError(operation: () => unknown): string {
  try {
    operation();
  } catch (error) {
    assert(error instanceof UsageError, `not a UsageError: ${Deno.inspect(error)}`);
    return error.message;
  }
  throw new Error("expected a UsageError");
}
