import type { ErrorCode } from "../core/errors.ts";
import type { OperationRecord } from "./operation.ts";
import type { Role } from "./policy.ts";

/** What a server tells its operator. */
export type ServerEvent =
  | SessionEvent & { readonly event: "open" }
  | SessionEvent & { readonly event: "say"; readonly text: string }
  | LoginEvent
  | CommandEvent
  | CloseEvent
  | WarningEvent;

/** Which connection an event is about. */
export interface SessionEvent {
  /** The number of the connection, counted from 1. */
  readonly session: number;
  /** Its address, `host:port`. */
  readonly peer: string;
}

/** Something that the operator may have to see to. */
export interface WarningEvent {
  /** Tells the events apart. */
  readonly event: "warning";
  /** Whose doing it is, where a peer has caused it. */
  readonly peer?: string;
  /** What has happened, in words. */
  readonly message: string;
}

/** A command was answered. */
export interface CommandEvent extends SessionEvent, OperationRecord {
  /** Tells the events apart. */
  readonly event: "command";
  /** What the client may do here. */
  readonly role: Role;
}

/** A client was not let in, since it has not shown that it knows a secret. */
export interface LoginEvent extends SessionEvent {
  /** Tells the events apart. */
  readonly event: "login";
  /** How long it took to refuse, in ms. */
  readonly durationMs: number;
  /** The code of the error that it was given. */
  readonly outcome: ErrorCode;
}

/** A connection has ended. */
export interface CloseEvent extends SessionEvent {
  /** Tells the events apart. */
  readonly event: "close";
  /** How long it lasted, in ms. */
  readonly durationMs: number;
  /** Why, when it was not the orderly end. */
  readonly reason?: string | undefined;
}
