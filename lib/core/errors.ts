import { printable, quote } from "./text.ts";

/** All codes of a `FerryError`. The last two arise only on the client and are never sent. */
export const ERROR_CODES = [
  "BadRequest",
  "InvalidPath",
  "NotFound",
  "AlreadyExists",
  "IsADirectory",
  "NotADirectory",
  "NotEmpty",
  "NotAFile",
  "Refused",
  "Unauthorized",
  "TooLarge",
  "NoSpace",
  "Busy",
  "Changed",
  "Corrupt",
  "Cancelled",
  "Timeout",
  "ShuttingDown",
  "Kicked",
  "Unsupported",
  "Internal",
  "Unreachable",
  "Disconnected",
] as const;

/** The kind of a failure; `docs/protocol.md` explains each. */
export type ErrorCode = typeof ERROR_CODES[number];

/** A failure that users understand: a code for programs, a sentence for people, and the path concerned. */
export class FerryError extends Error {
  /** Tells it from other errors. */
  override readonly name = "FerryError";
  /** The kind of failure, for programs. */
  readonly code: ErrorCode;
  /** The remote or local path concerned. */
  readonly path: string | undefined;

  /**
   * A failure for users.
   *
   * @param code The kind of failure.
   * @param message What happened and, where it helps, what to do. Either a whole sentence or a bare reason for {@linkcode cannot}.
   * @param options `path`: the remote or local path concerned; `cause`: the value that was caught.
   */
  constructor(code: ErrorCode, message: string, options: { path?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options.path;
  }
}

/** Codes and reasons for the operating system's error names (errno(3)). */
const BY_ERRNO = new Map<string, [ErrorCode, string]>(Object.entries({
  ENOENT: ["NotFound", "no such file or directory"],
  EEXIST: ["AlreadyExists", "it exists already"],
  EISDIR: ["IsADirectory", "it is a directory"],
  ENOTDIR: ["NotADirectory", "part of the path is not a directory"],
  ENOTEMPTY: ["NotEmpty", "the directory is not empty"],
  EACCES: ["Refused", "permission denied"],
  EPERM: ["Refused", "permission denied"],
  EROFS: ["Refused", "the file system is read-only"],
  ENOSPC: ["NoSpace", "no space left on the disk"],
  EDQUOT: ["NoSpace", "the disk quota is used up"],
  EFBIG: ["TooLarge", "the file is larger than the system allows"],
  EMFILE: ["Busy", "too many open files; try again"],
  ENFILE: ["Busy", "too many open files; try again"],
  ENAMETOOLONG: ["InvalidPath", "the name is too long"],
  ELOOP: ["NotFound", "too many links"],
  EINVAL: ["InvalidPath", "the system does not accept the name"],
  EIO: ["Internal", "the disk reported a read or write error"],
  ESTALE: ["Changed", "it was replaced on the file server; try again"],
  EBUSY: ["Busy", "the system is using it"],
  EXDEV: ["Refused", "the two places are on different file systems"],
}));

/**
 * Deno gives some errors of the system no `code`, only a message with the number: `File too large (os error 27)`. If that
 * text ever changes, these three become `Internal`; nothing else depends on it.
 */
const OS_ERROR = /\(os error (\d+)\)/;

/** Those that clients can understand, by system. On Windows the numbers are of another kind. */
const ERRNO_BY_NUMBER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  linux: { 27: "EFBIG", 116: "ESTALE", 122: "EDQUOT" },
  darwin: { 27: "EFBIG", 70: "ESTALE", 69: "EDQUOT" },
};

/** The system's name for an error, if it has one. */
function errnoOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "";
  if ("code" in thrown && thrown.code !== undefined) return String(thrown.code);
  return ERRNO_BY_NUMBER[Deno.build.os]?.[OS_ERROR.exec(thrown.message)?.[1] ?? ""] ?? "";
}

/** Codes and reasons for Deno's error classes, for errors without an errno. The first match wins. */
const BY_CLASS: [new (message?: string) => Error, ErrorCode, string][] = [
  [Deno.errors.NotFound, "NotFound", "no such file or directory"],
  [Deno.errors.AlreadyExists, "AlreadyExists", "it exists already"],
  [Deno.errors.IsADirectory, "IsADirectory", "it is a directory"],
  [Deno.errors.NotADirectory, "NotADirectory", "part of the path is not a directory"],
  [Deno.errors.FilesystemLoop, "NotFound", "too many links"],
  [Deno.errors.PermissionDenied, "Refused", "permission denied"],
  [Deno.errors.NotCapable, "Refused", "this program was not given permission for that path"],
  [Deno.errors.TimedOut, "Timeout", "timed out"],
  [Deno.errors.ConnectionReset, "Disconnected", "the connection was reset"],
  [Deno.errors.ConnectionAborted, "Disconnected", "the connection was aborted"],
  [Deno.errors.BrokenPipe, "Disconnected", "the connection was closed by the other end"],
  [Deno.errors.UnexpectedEof, "Disconnected", "the connection ended too early"],
  [Deno.errors.NotConnected, "Disconnected", "the connection is closed"],
  [Deno.errors.Interrupted, "Disconnected", "the connection was closed"],
  [Deno.errors.BadResource, "Disconnected", "the connection is closed"],
];

/**
 * Turns any thrown value into a `FerryError`. Unknown values become `Internal` with a message that reveals nothing; the
 * original stays in `cause` for the log.
 */
export function toFerryError(thrown: unknown): FerryError {
  if (thrown instanceof FerryError) return thrown;
  const errno = BY_ERRNO.get(errnoOf(thrown));
  if (errno) return new FerryError(errno[0], errno[1], { cause: thrown });
  if (thrown instanceof Error && thrown.name === "AbortError") {
    // The reason given to `abort()`, if the aborted call passes it on.
    if (thrown.cause instanceof FerryError) return thrown.cause;
    return new FerryError("Cancelled", "cancelled", { cause: thrown });
  }
  for (const [type, code, reason] of BY_CLASS) {
    if (thrown instanceof type) return new FerryError(code, reason, { cause: thrown });
  }
  return new FerryError("Internal", "an unexpected error happened", { cause: thrown });
}

/** The failure to read something that was written to meanwhile. */
export function changedWhileRead(): FerryError {
  return new FerryError("Changed", "it changed while it was read; try again");
}

/** Of a text that is too long to be of use, so much is enough to recognise it, in UTF-16 code units. */
const ENOUGH_CHARS = 256;

/** Whether a thrown value is a `FerryError` with one of these codes. */
export function hasCode(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is FerryError {
  return thrown instanceof FerryError && codes.includes(thrown.code);
}

/** The beginning of a text that is longer than `maxChars`. Cut before it is escaped, which then costs little. */
function cut(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, ENOUGH_CHARS).toWellFormed()}…` : text;
}

/** What Deno says about a failure, safe to print. It may name paths: it is for the user of this computer only. */
export function ownWords(thrown: unknown): string {
  return printable(cut(thrown instanceof Error ? thrown.message : String(thrown), ENOUGH_CHARS));
}

/** No valid path is longer, in UTF-16 code units. */
const MAX_PATH_CHARS = 4096;

/**
 * The whole sentence for a failure: `Cannot get "a.txt": no such file or directory`.
 *
 * @param verb The action: `get`, `put`, …
 * @param path The path concerned, if any.
 * @param thrown The thrown value. A `FerryError`'s message is the reason, unless it names a path or is such a sentence
 * already: then it came through here before, closer to the failure, and stays as it is.
 */
export function cannot(verb: string, path: string | undefined, thrown: unknown): FerryError {
  const error = toFerryError(thrown);
  const { code, message, cause } = error;
  if (error.path !== undefined || message.startsWith("Cannot ")) return error;
  const subject = path === undefined ? "" : ` ${quote(cut(path, MAX_PATH_CHARS))}`;
  return new FerryError(code, `Cannot ${verb}${subject}: ${message}`, { path, cause });
}
