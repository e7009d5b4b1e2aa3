import type { ErrorCode } from "../core/errors.ts";
import type { OperationRecord } from "./operation.ts";
import type { Role } from "./policy.ts";

/** What a server tells its operator; `event` tells the events apart. */
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

/** Something that the operator may have to see to, in words; where a peer has caused it, with its connection. */
export type WarningEvent = Partial<SessionEvent> & { readonly event: "warning"; readonly message: string };

/** A command was answered, for a client that may do here what its role allows. */
export type CommandEvent = SessionEvent & OperationRecord & { readonly event: "command"; readonly role: Role };

/** A client was not let in, since it has not shown that it knows a secret; with what went wrong instead. */
export type LoginEvent = SessionEvent & {
  readonly event: "login";
  readonly durationMs: number;
  readonly outcome: ErrorCode;
  readonly detail: string;
};

/** A connection has ended; the reason says why, when it was not the orderly end. */
export type CloseEvent = SessionEvent & {
  readonly event: "close";
  readonly durationMs: number;
  readonly reason?: string | undefined;
};
