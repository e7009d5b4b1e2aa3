import { basename, join } from "@std/path";
import { freePort, freeRange, HOST } from "../helpers/ports.ts";
import { areInstalled, type CommandLine, Service } from "../helpers/process.ts";
import type { Peer, Places, RunningPeer, Transfer } from "./peer.ts";

/** Ports for data; a closed connection keeps its port busy for a while. */
const DATA_PORTS = 128;

/** How many files lftp moves at once when there are many. */
const PARALLEL = 8;

function configuration({ own, served }: Places, port: number, firstDataPort: number): string {
  return `
listen=YES
listen_ipv6=NO
listen_address=${HOST}
listen_port=${port}
background=NO
run_as_launching_user=YES
secure_chroot_dir=${own}/empty
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
anon_root=${served}
anon_world_readable_only=NO
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
write_enable=YES
pasv_min_port=${firstDataPort}
pasv_max_port=${firstDataPort + DATA_PORTS - 1}
max_clients=0
max_per_ip=0
use_sendfile=YES
xferlog_enable=NO
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
`;
}

/** The commands for lftp. The names in the bench have no quotes in them. The server shows the whole file system. */
function commands(served: string, { kind, remote, local }: Transfer): string {
  const far = `${served}/${remote}`;
  switch (kind) {
    case "get":
      return `get "${far}" -o "${local}"`;
    case "put":
      return `put "${local}" -o "${far}"`;
    case "getTree":
      return `mirror --no-perms --parallel=${PARALLEL} "${far}" "${join(local, basename(remote))}"`;
    case "putTree":
      return `mirror -R --no-perms --parallel=${PARALLEL} "${local}" "${far}/${basename(local)}"`;
  }
}

function client(served: string, transfer: Transfer, port: number): CommandLine {
  const settings = [
    "set net:max-retries 3",
    "set net:timeout 30",
    "set ftp:ssl-allow no",
    "set ftp:prefer-epsv yes",
    "set ftp:use-mdtm no",
    "set ftp:sync-mode no",
    "set xfer:log no",
    "set cmd:fail-exit yes",
  ];
  const script = [...settings, `open ftp://${transfer.host}:${port}`, commands(served, transfer)].join("; ");
  // An empty home keeps the user's own settings out.
  return { program: "lftp", args: ["--norc", "-c", script], env: { HOME: transfer.notes } };
}

/** vsftpd without TLS, for anonymous users. */
export const VSFTPD: Peer = {
  id: "vsftpd",
  name: "vsftpd + lftp",
  install: "apt-get install vsftpd lftp",
  isInstalled: () => areInstalled("vsftpd", "lftp"),
  async start(places): Promise<RunningPeer> {
    const port = freePort();
    const firstDataPort = freeRange(DATA_PORTS);
    Deno.mkdirSync(join(places.own, "empty"));
    const file = join(places.own, "vsftpd.conf");
    Deno.writeTextFileSync(file, configuration(places, port, firstDataPort));
    const service = await Service.start({ program: "vsftpd", args: [file] }, port);
    return {
      pid: service.pid,
      ports: [port, ...Array.from({ length: DATA_PORTS }, (_, i) => firstDataPort + i)],
      client: (transfer) => client(places.served, transfer, port),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },
};
