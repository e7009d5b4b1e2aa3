import { fromFileUrl, join } from "@std/path";
import { decodeTicket, encodeTicket } from "../../lib/auth/ticket.ts";
import { freePort, HOST } from "../helpers/ports.ts";
import { type CommandLine, Service } from "../helpers/process.ts";
import type { Peer, Places, RunningPeer, Transfer } from "./peer.ts";

function program(name: string): string {
  return fromFileUrl(import.meta.resolve(`../../${name}`));
}

const SERVER = program("server.ts");
const CLIENT = program("client.ts");

function words({ kind, remote, local }: Transfer): string[] {
  switch (kind) {
    case "get":
      return ["get", remote, local];
    case "put":
      return ["put", local, remote];
    case "getTree":
      return ["get", "-r", remote, local];
    case "putTree":
      return ["put", "-r", local, remote];
  }
}

/**
 * Ferry with the permissions that its documentation gives it.
 *
 * @param id Also its name in the table.
 * @param encrypts Whether the server has an identity, and clients its ticket.
 */
function ferryPeer(id: string, encrypts: boolean): Peer {
  const access = ["--allow-net", "--allow-read", "--allow-write"];
  return {
    id,
    name: id,
    install: "it is here",
    isInstalled: () => true,
    async start({ own, served }: Places): Promise<RunningPeer> {
      const port = freePort();
      const [identity, ticket] = [join(own, "identity"), join(own, "ticket")];
      const files = encrypts ? [served, identity, ticket] : [served];
      const mayUse = ["--allow-net", `--allow-read=${files.join()}`, `--allow-write=${files.join()}`];
      const options = encrypts ? ["--identity", identity, "--ticket-file", ticket] : [];
      const args = ["run", ...mayUse, SERVER, served, "--port", String(port), "--quiet", ...options];
      const service = await Service.start({ program: Deno.execPath(), args }, port);
      const address = (host: string) => encrypts ? ticketFor(ticket, host) : `${host}:${port}`;
      return {
        pid: service.pid,
        ports: [port],
        client: (transfer): CommandLine => ({
          program: Deno.execPath(),
          args: ["run", ...access, CLIENT, address(transfer.host), ...words(transfer)],
        }),
        [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
      };
    },
  };
}

/** The ticket in a file, for a server at another address. */
function ticketFor(file: string, host: string): string {
  return encodeTicket({ ...decodeTicket(Deno.readTextFileSync(file)), addresses: [host] });
}

/** Ferry as it is on loopback. */
export const FERRY = ferryPeer("ferry", false);

/** Ferry as it is where others can reach it. */
export const FERRY_TLS = ferryPeer("ferry-tls", true);

/** Where a running Ferry can be reached with the library. */
export function addressOf({ ports: [port = 0] }: RunningPeer): { hostname: string; port: number } {
  return { hostname: HOST, port };
}
