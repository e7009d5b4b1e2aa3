import { assert, assertEquals } from "@std/assert";
import { keyHashOf } from "../../../lib/transport/tls.ts";
import { decodeTicket } from "../../../lib/auth/ticket.ts";
import { MADE, ticketFor } from "../../helpers/tickets.ts";

Deno.test("ticketsOf() holds the hash of the key, secret, port and addresses, but not the key", () => {
  const ticket = ticketFor(["127.0.0.1", "ferry.example"], 7878);
  const { addresses, port, keyHash, secret } = decodeTicket(ticket);
  assertEquals({ addresses, port }, { addresses: ["127.0.0.1", "ferry.example"], port: 7878 });
  assertEquals(keyHash, keyHashOf(MADE.identity.certificate));
  assertEquals(secret.text, MADE.secret.text);
  assert(ticket.length < 132, `${ticket.length} characters`);
});
