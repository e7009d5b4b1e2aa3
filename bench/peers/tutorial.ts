import { fromFileUrl } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { areInstalled, type CommandLine, Service } from "../helpers/process.ts";
import type { Peer, RunningPeer, Transfer } from "./peer.ts";

const PROGRAM = fromFileUrl(import.meta.resolve("./tutorial.py"));

function python(...words: readonly string[]): CommandLine {
  return { program: "python3", args: [PROGRAM, ...words] };
}

function client({ kind, host, local, remote }: Transfer, port: number): CommandLine | undefined {
  if (kind === "get") return python("get", host, String(port), remote, local);
  if (kind === "put") return python("put", host, String(port), local, remote);
  return undefined;
}

/** Sockets as tutorials show them. It knows single files only. */
export const TUTORIAL: Peer = {
  id: "tutorial",
  name: "Python tutorial",
  install: "apt-get install python3",
  isInstalled: () => areInstalled("python3"),
  async start({ served }): Promise<RunningPeer> {
    const port = freePort();
    const service = await Service.start(python("serve", HOST, String(port), served), port);
    return {
      pid: service.pid,
      ports: [port],
      client: (transfer) => client(transfer, port),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },
};
