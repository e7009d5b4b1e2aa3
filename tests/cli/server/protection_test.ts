import { assert, assertEquals } from "@std/assert";
import { certificateDer } from "../../../lib/transport/tls.ts";
import { decodeTicket } from "../../../lib/auth/ticket.ts";
import { MADE, ticketFor } from "../../helpers/tickets.ts";

Deno.test("ticketsOf() holds certificate, secret, port and addresses, but not the key", () => {
  const ticket = ticketFor(["127.0.0.1", "ferry.example"], 7878);
  const { addresses, port, certificate, secret } = decodeTicket(ticket);
  assertEquals({ addresses, port }, { addresses: ["127.0.0.1", "ferry.example"], port: 7878 });
  assertEquals(certificate, certificateDer(MADE.identity.certificate));
  assertEquals(secret.text, MADE.secret.text);
  assert(ticket.length < 700, `${ticket.length} characters`);
});
