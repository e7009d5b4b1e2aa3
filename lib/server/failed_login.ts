import type { ServerEvent, SessionEvent } from "../access/events.ts";
import { msSince } from "../access/operation.ts";
import type { Role } from "../access/policy.ts";
import type { ErrorCode, FerryError } from "../core/errors.ts";

/** Why a client is turned away that has done nothing wrong. */
const BLAMELESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["Busy", "Kicked", "ShuttingDown"]);

/** What is known of a server. */
interface Told {
  /** What its secrets allow; without any, nobody has to log in. */
  readonly roles: readonly Role[];
  readonly onEvent: (event: ServerEvent) => void;
}

/**
 * Tells the operator that a client has not shown that it knows a secret, if it had to and is to blame.
 *
 * @param began When it connected, on the clock of `performance.now()`.
 */
export function tellFailedLogin(
  { roles, onEvent }: Told,
  name: SessionEvent,
  began: number,
  { code: outcome, message: detail }: FerryError,
): void {
  if (roles.length === 0 || BLAMELESS.has(outcome)) return;
  onEvent({ event: "login", ...name, durationMs: msSince(began), outcome, detail });
}
