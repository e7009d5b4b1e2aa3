import { join } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { areInstalled, type CommandLine, Service } from "../helpers/process.ts";
import { type Peer, type Places, type RunningPeer, RUNS_AS_ROOT, type Transfer } from "./peer.ts";

function configuration({ own, served }: Places, port: number): string {
  return `
address = ${HOST}
port = ${port}
pid file = ${own}/rsyncd.pid
log file = ${own}/rsyncd.log
use chroot = no
reverse lookup = no
max connections = 0
${RUNS_AS_ROOT ? "uid = root\ngid = root" : ""}
[served]
path = ${served}
read only = no
`;
}

function client({ kind, remote, local, host }: Transfer, port: number): CommandLine {
  const far = `rsync://${host}:${port}/served/${remote}`;
  const way = kind.startsWith("get") ? [far, kind === "getTree" ? `${local}/` : local] : [local, far];
  if (kind === "putTree") way[1] = `${far}/`;
  const recursive = kind.endsWith("Tree") ? ["-r"] : [];
  return { program: "rsync", args: ["-W", "--no-compress", ...recursive, ...way] };
}

/** An rsync daemon, whole files, no compression. */
export const RSYNC: Peer = {
  id: "rsync",
  name: "rsync daemon",
  install: "apt-get install rsync",
  isInstalled: () => areInstalled("rsync"),
  async start(places): Promise<RunningPeer> {
    const port = freePort();
    const file = join(places.own, "rsyncd.conf");
    Deno.writeTextFileSync(file, configuration(places, port));
    const args = ["--daemon", "--no-detach", `--config=${file}`];
    const service = await Service.start({ program: "rsync", args }, port);
    return {
      pid: service.pid,
      ports: [port],
      client: (transfer) => client(transfer, port),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },
};
