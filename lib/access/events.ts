import type { ErrorCode } from "../core/errors.ts";
import type { OperationRecord } from "./operation.ts";
import type { Role } from "./policy.ts";

/** What a server tells its operator. `session` numbers the connections of one server from 1. */
export type ServerEvent =
  | { readonly event: "open"; readonly session: number; readonly peer: string }
  | LoginEvent
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
export interface CommandEvent extends OperationRecord {
  readonly event: "command";
  readonly session: number;
  readonly peer: string;
  /** What the client may do here. */
  readonly role: Role;
}

/** A client was not let in, since it has not shown that it knows a secret. */
export interface LoginEvent {
  readonly event: "login";
  readonly session: number;
  readonly peer: string;
  readonly durationMs: number;
  readonly outcome: ErrorCode;
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
