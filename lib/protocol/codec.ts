import type { Entry } from "../core/metadata.ts";
import {
  count,
  type FieldsOf,
  flag,
  listOf,
  object,
  oneOf,
  optional,
  permissions,
  text,
  textOrNothing,
  time,
} from "./checks.ts";
import { COMMANDS, isCommandName, type Request } from "./commands.ts";
import { ERROR_CODES, FerryError } from "../core/errors.ts";
import { MAX_CONTROL_BYTES } from "./constants.ts";
import { quote } from "../core/text.ts";

const ENTRY = {
  path: text,
  kind: oneOf("file", "directory", "other"),
  size: count,
  mtimeMs: time,
  mode: optional(permissions),
  reason: optional(text),
  unreadable: optional(flag),
  link: optional(flag),
} satisfies FieldsOf<Entry>;

/** What a server allows a session. */
export interface Welcome {
  /** What the session may do: `RIGHTS`, of which later versions may have others. */
  readonly allows: readonly string[];
  /** How many requests may be unanswered. */
  readonly window: number;
  /** The server's own proof (Base64) that it knows the secret. */
  readonly proof?: string | undefined;
}

/** A line for the person at the other end. */
export interface Notice {
  /** What it says; anything, also what a terminal would obey. */
  readonly text: string;
  /** Whether the server is shutting down, or somebody has something to say. */
  readonly reason: "message" | "shutdown";
}

/** The payloads of control frames other than requests and `ok`, whose fields are in the command table. */
export const MESSAGES = {
  /**
   * The server's first frame: the versions it speaks, and random bytes (Base64) when it wants a proof. Before encryption
   * there is one with the certificate (DER in Base64) that it is about to use.
   */
  serverHello: object({ ferry: listOf(count), nonce: optional(text), certificate: optional(text) }),
  /**
   * The client's first frame: the version it chose from the server's list, and random bytes (Base64) of its own, which are
   * as wrong as a wrong proof when they are no text.
   */
  clientHello: object({ ferry: count, nonce: textOrNothing }),
  /** The client's second frame when the server wants a proof (Base64) that it knows the secret. */
  proof: object({ proof: textOrNothing }),
  /** The server's answer to the client's hello. */
  welcome: object({ allows: listOf(text), window: count, proof: optional(text) } satisfies FieldsOf<Welcome>),
  /** Answers `get`: the metadata of the file. */
  readyToSend: object({ size: count, mtimeMs: time, mode: optional(permissions), version: text }),
  /** Answers a shared `put`: the name under which other connections may send parts. */
  readyToReceive: object({ upload: text }),
  /** The body is complete; `size` is the number of bytes it had. */
  end: object({ size: count }),
  /** A request or a body failed. */
  error: object({ code: oneOf(...ERROR_CODES), message: text, path: optional(text) }),
  /** Gives a request up: the how-manieth of those that the client has sent on this connection, counted from 1. */
  cancel: object({ request: count }),
  /** A line for the person at the other end. */
  notice: object({ text, reason: oneOf("message", "shutdown") } satisfies FieldsOf<Notice>),
  /** Part of a listing. */
  entries: listOf(object(ENTRY)),
};

/** The type of each control message. */
export type Messages = { [N in keyof typeof MESSAGES]: ReturnType<typeof MESSAGES[N]> };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Writes `value` as JSON into `space`.
 *
 * @returns The number of bytes, or undefined when it does not fit.
 * @throws {FerryError} `TooLarge` when it is larger than any control frame may be.
 */
export function encodeControl(value: unknown, space: Uint8Array<ArrayBuffer>): number | undefined {
  const json = JSON.stringify(value);
  const { read, written } = encoder.encodeInto(json, space.subarray(0, MAX_CONTROL_BYTES));
  if (read === json.length) return written;
  if (space.length >= MAX_CONTROL_BYTES) throw new FerryError("TooLarge", "the message is too long to send");
  return undefined;
}

/**
 * The value of a control payload.
 *
 * @throws {FerryError} `BadRequest` when it is not UTF-8 or not JSON.
 */
export function decodeControl(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload));
  } catch (cause) {
    throw new FerryError("BadRequest", "a message is not valid JSON in UTF-8", { cause });
  }
}

const COMMAND_FIELD = object({ command: text });

/**
 * The request in a payload.
 *
 * @throws {FerryError} `Unsupported` for an unknown command; `BadRequest` for a missing or wrong field.
 */
export function decodeRequest(payload: Uint8Array): Request {
  const value = decodeControl(payload);
  const { command } = COMMAND_FIELD(value, "request");
  if (isCommandName(command)) return { command, ...COMMANDS[command].request(value, command) } as Request;
  throw new FerryError("Unsupported", `the command ${quote(command)} does not exist here`);
}

/** The longest text of an error message or path that travels, in UTF-16 code units. */
const MAX_ERROR_TEXT = 4096;

/**
 * The payload of an `error` frame for `error`. Codes of the client's own travel as `Internal`, and what is too long to
 * be of use is cut.
 */
export function errorMessage({ code, message, path }: FerryError): Messages["error"] {
  const local = code === "Unreachable" || code === "Disconnected";
  return { code: local ? "Internal" : code, message: cut(message), ...(path === undefined ? {} : { path: cut(path) }) };
}

/** The beginning of a text that is too long to be of use. */
function cut(text: string): string {
  return text.slice(0, MAX_ERROR_TEXT).toWellFormed();
}

/** The `FerryError` in the payload of an `error` or `disconnect` frame, its texts cut as `errorMessage` does. */
export function decodeError(payload: Uint8Array): FerryError {
  const { code, message, path } = MESSAGES.error(decodeControl(payload), "error");
  return new FerryError(code, cut(message), { path: path === undefined ? undefined : cut(path) });
}
