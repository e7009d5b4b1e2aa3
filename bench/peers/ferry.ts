import { fromFileUrl } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { type CommandLine, Service } from "../helpers/process.ts";
import type { Peer, Places, RunningPeer, Transfer } from "./peer.ts";

function program(name: string): string {
  return fromFileUrl(import.meta.resolve(`../../${name}`));
}

const SERVER = program("server.ts");
const CLIENT = program("client.ts");

/** What is different in a kind of Ferry, for example one with TLS. */
export interface FerryVariant {
  /** Also its name in the table. */
  readonly id: string;
  readonly serverArgs: readonly string[];
  /** Arguments of the client, before the address. */
  readonly clientArgs: readonly string[];
}

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

/** Ferry with the permissions that its documentation gives it. */
export function ferryPeer({ id, serverArgs, clientArgs }: FerryVariant): Peer {
  const access = ["--allow-net", "--allow-read", "--allow-write"];
  return {
    id,
    name: id,
    install: "it is here",
    isInstalled: () => true,
    async start({ served }: Places): Promise<RunningPeer> {
      const port = freePort();
      const mayUse = ["--allow-net", `--allow-read=${served}`, `--allow-write=${served}`];
      const args = ["run", ...mayUse, SERVER, served, "--port", String(port), "--quiet", ...serverArgs];
      const service = await Service.start({ program: Deno.execPath(), args }, port);
      return {
        pid: service.pid,
        ports: [port],
        client: (transfer): CommandLine => ({
          program: Deno.execPath(),
          args: ["run", ...access, CLIENT, ...clientArgs, `${transfer.host}:${port}`, ...words(transfer)],
        }),
        [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
      };
    },
  };
}

/** Ferry as it is. */
export const FERRY = ferryPeer({ id: "ferry", serverArgs: [], clientArgs: [] });

/** Where a running Ferry can be reached with the library. */
export function addressOf({ ports: [port = 0] }: RunningPeer): { hostname: string; port: number } {
  return { hostname: HOST, port };
}
