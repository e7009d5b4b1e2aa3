import { FerryError } from "../core/errors.ts";

/**
 * Turns an unknown value into a `T`.
 *
 * @throws {FerryError} `BadRequest` that names the field when the value is not a `T`.
 */
export type Check<T> = (value: unknown, name: string) => T;

/** The fields of a JSON object, each with its check. */
export type Fields = Record<string, Check<unknown>>;

type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends ReturnType<F[K]> ? K : never;
}[keyof F];

/** The type of the objects that `fields` describes; a field that may be undefined may be absent. */
export type Infer<F extends Fields> =
  & { [K in Exclude<keyof F, OptionalKeys<F>>]: ReturnType<F[K]> }
  & { [K in OptionalKeys<F>]?: ReturnType<F[K]> };

/** The checks for all fields of a `T`, no more and no fewer. */
export type FieldsOf<T> = { [K in keyof T]-?: Check<T[K]> };

function bad(name: string, wanted: string): never {
  throw new FerryError("BadRequest", `${name} must be ${wanted}`);
}

/** A check for what `is` says it is. */
function check<T>(wanted: string, is: (value: unknown) => boolean): Check<T> {
  return (value, name) => is(value) ? value as T : bad(name, wanted);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

function isWhole(value: unknown, from: number, to: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= from && value <= to;
}

/** The largest distance from the epoch that a `Date` can hold, in milliseconds (ECMA-262, "Time Values"). */
const MAX_TIME_MS = 8.64e15;

/** A string of well-formed Unicode. */
export const text = check<string>("a string", isText);

/** The same, or nothing when it is anything else, for what has one answer to whatever is wrong with it. */
export const textOrNothing: Check<string | undefined> = (value) => isText(value) ? value as string : undefined;

/** True or false. */
export const flag = check<boolean>("true or false", (value) => typeof value === "boolean");

/** A count or a number of bytes: a whole number from 0 to 2^53 - 1. */
export const count = check<number>("a whole number, 0 or more", (value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER));

/** A time in whole milliseconds since 1970-01-01T00:00Z; may be negative. */
export const time = check<number>("a time in whole milliseconds", (value) => isWhole(value, -MAX_TIME_MS, MAX_TIME_MS));

/** Permission bits: a whole number from 0 to 0o777. */
export const permissions = check<number>("permission bits from 0 to 511", (value) => isWhole(value, 0, 0o777));

/** One of the given strings. */
export function oneOf<const T extends string>(...values: T[]): Check<T> {
  return (value, name) => values.find((each) => each === value) ?? bad(name, `one of ${values.join(", ")}`);
}

/** What `check` allows, or nothing at all. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, name) => value === undefined ? undefined : check(value, name);
}

/** An array whose every item passes `check`. */
export function listOf<T>(check: Check<T>): Check<T[]> {
  return (value, name) =>
    Array.isArray(value) ? value.map((item, i) => check(item, `${name}[${i}]`)) : bad(name, "a list");
}

/** An object with these fields. Others are ignored, so that later versions can add some. */
export function object<F extends Fields>(fields: F): Check<Infer<F>> {
  const checks = Object.entries(fields);
  return (value, name) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) bad(name, "an object");
    const result: Record<string, unknown> = {};
    for (const [key, check] of checks) {
      const checked = check(Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined, key);
      if (checked !== undefined) result[key] = checked;
    }
    return result as Infer<F>;
  };
}
