import type { ErrorCode, FerryError } from "../core/errors.ts";
import type { Role } from "./policy.ts";

/** What a server tells its operator. `session` numbers the connections of one server from 1. */
export type ServerEvent =
  | { readonly event: "open"; readonly session: number; readonly peer: string }
  | CommandEvent
  | { readonly event: "say"; readonly session: number; readonly peer: string; readonly text: string }
  | CloseEvent
  | WarningEvent;

/** Something that the operator may have to see to. */
export interface WarningEvent {
  readonly event: "warning";
  /** Whose doing it is, where a peer has caused it. */
  readonly peer?: string;
  readonly message: string;
}

/** A command was answered. */
export interface CommandEvent {
  readonly event: "command";
  readonly session: number;
  readonly peer: string;
  /** What the client may do here. */
  readonly role: Role;
  readonly command: string;
  readonly path?: string | undefined;
  /** The new name, for `rename`. */
  readonly to?: string | undefined;
  /** Bytes of file content that were moved. */
  readonly bytes: number;
  readonly durationMs: number;
  /** `ok`, or the code of the error. */
  readonly outcome: "ok" | ErrorCode;
  /** What the system said, for errors that the operator may have to see to. It does not leave the server. */
  readonly detail?: string | undefined;
}

/** A connection has ended. */
export interface CloseEvent {
  readonly event: "close";
  readonly session: number;
  readonly peer: string;
  readonly durationMs: number;
  /** Why, when it was not the orderly end. */
  readonly reason?: string | undefined;
}

/** Failures that the operator may have to do something about. */
const OPERATORS_CODES: readonly ErrorCode[] = ["Internal", "NoSpace", "Busy", "Refused", "TooLarge"];

/** What the system said about a failure, for `CommandEvent.detail`. */
export function detailFor({ code, cause }: FerryError): string | undefined {
  return OPERATORS_CODES.includes(code) && cause !== undefined ? String(cause) : undefined;
}
