import type { FerryServer } from "../../lib/mod.ts";
import type { FerryError } from "../../lib/core/errors.ts";

/**
 * Lets a server check its deadlines as if so much time had passed, in ms.
 *
 * @returns Why it ends sessions, one reason for each that it ends.
 */
export function checkLater({ server }: { readonly server: FerryServer }, ms: number): string[] {
  const reasons: string[] = [];
  for (const session of server.sessions) {
    const refuse = session.refuse;
    session.refuse = (error: FerryError) => {
      reasons.push(error.message);
      refuse.call(session, error);
    };
    session.checkDeadlines(performance.now() + ms);
    session.refuse = refuse;
  }
  return reasons;
}
