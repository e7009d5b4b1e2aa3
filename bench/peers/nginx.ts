import { join } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { areInstalled, printed, Service } from "../helpers/process.ts";
import { curl } from "./curl.ts";
import { type Peer, type Places, type RunningPeer, RUNS_AS_ROOT } from "./peer.ts";

/** The directories that nginx wants for temporary files, by the kind of request. */
const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

function configuration({ own, served }: Places, port: number, canPut: boolean): string {
  return `
${RUNS_AS_ROOT ? "user root;" : ""}
worker_processes ${navigator.hardwareConcurrency};
daemon off;
pid ${own}/nginx.pid;
error_log ${own}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  ${TEMPORARY.map((kind) => `${kind}_temp_path ${own}/${kind};`).join("\n  ")}
  default_type application/octet-stream;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_max_body_size 0;
  server {
    listen ${HOST}:${port};
    root ${served};
    ${canPut ? "dav_methods PUT; create_full_put_path on;" : ""}
  }
}
`;
}

/** nginx with sendfile, and uploads by PUT where it has the DAV module. */
export const NGINX: Peer = {
  id: "nginx",
  name: "nginx + curl",
  install: "apt-get install nginx-light curl",
  isInstalled: () => areInstalled("nginx", "curl"),
  async start(places): Promise<RunningPeer> {
    const port = freePort();
    const canPut = (await printed("nginx", "-V"))?.includes("http_dav_module") ?? false;
    const file = join(places.own, "nginx.conf");
    Deno.writeTextFileSync(file, configuration(places, port, canPut));
    const args = ["-p", places.own, "-e", join(places.own, "error.log"), "-c", file];
    const service = await Service.start({ program: "nginx", args }, port);
    return {
      pid: service.pid,
      ports: [port],
      client: (transfer) => transfer.kind.startsWith("put") && !canPut ? undefined : curl(transfer, port),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },
};
