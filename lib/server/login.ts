import { setTimeout as delay } from "node:timers/promises";
import { REFUSAL_DELAY_MS } from "../access/limits.ts";
import { type Authenticated, greetClient, type ServerCredentials } from "../auth/handshake.ts";
import { toFerryError } from "../core/errors.ts";
import type { Connection } from "../transport/connection.ts";

/**
 * Greets a client, and has it show that it knows a secret where that is needed.
 *
 * @param onFailure Called at once when it does not know one. It hears of that only later, and stays among the logins
 * that wait until then, of which there is a limited number.
 * @param signal Ends the wait.
 * @returns Undefined when no secret is needed.
 * @throws {FerryError} As `greetClient`.
 */
export async function logIn(
  connection: Connection,
  credentials: ServerCredentials,
  onFailure: () => void,
  signal: AbortSignal,
): Promise<Authenticated | undefined> {
  try {
    return await greetClient(connection, credentials);
  } catch (error) {
    if (toFerryError(error).code === "Unauthorized") {
      onFailure();
      await delay(REFUSAL_DELAY_MS, undefined, { signal }).catch(() => {});
    }
    throw error;
  }
}
