import { quote } from "../../core/text.ts";
import { UsageError } from "./usage.ts";

/** A question about the program, which then does nothing else. */
export type Enquiry = "help" | "version";

const MAX_PORT = 65535;

/** A longer word may be a mistyped secret or ticket, and is not repeated. A secret has 26 characters. */
const MAX_SHOWN_LENGTH = 20;

/** `text` for an error message, unless it may be a secret. */
export function shown(text: string): string {
  return text.length <= MAX_SHOWN_LENGTH ? quote(text) : `a word of ${text.length} characters`;
}

/** @throws {UsageError} Unless `text` is a whole number from 0 to 65535. */
export function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  throw new UsageError(`${shown(text)} is not a port; it must be a number from 0 to ${MAX_PORT}`);
}

/** Rejects options that do not exist; for `parseArgs`. @throws {UsageError} */
export function unknownFlag(argument: string, key?: string): void {
  if (key !== undefined) throw new UsageError(`the option ${quote(argument)} does not exist; try --help`);
}

/** Rejects options without their value. @throws {UsageError} */
export function requireValues(values: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    const value = values[name];
    if (value === "" || (Array.isArray(value) && value.includes(""))) throw new UsageError(`--${name} needs a value`);
  }
}
