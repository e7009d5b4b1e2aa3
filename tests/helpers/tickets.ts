import { assertEquals } from "@std/assert";
import { serverIdentity } from "../../lib/cli/server/identity_files.ts";
import { ticketsOf } from "../../lib/cli/server/protection.ts";
import { keyHashOf } from "../../lib/transport/tls.ts";

/** One identity is enough for most tests; making it takes longer than they do. */
export const MADE = await serverIdentity(undefined);

/** The ticket of `MADE`. */
export function ticketFor(addresses: string[], port: number): string {
  const keyHash = keyHashOf(MADE.identity.certificate);
  const [[role, ticket] = []] = ticketsOf(
    { identity: MADE.identity, keyHash, addresses, secrets: { full: MADE.secret } },
    port,
  );
  assertEquals(role, "full");
  return ticket ?? "";
}
