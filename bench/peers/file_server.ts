import { copy } from "@std/fs/copy";
import { dirname, fromFileUrl, join } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { areInstalled, Service } from "../helpers/process.ts";
import { curl } from "./curl.ts";
import type { Peer, RunningPeer } from "./peer.ts";

const PACKAGE = "npm:deno-std@1.4.0";

/** Gives "ContentLength" the value "Content-Length". */
const HTTP_NAMES = `{ get: (_, name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, "-") }`;

/** The modules that the file server imports and that the package leaves out. None of them touches the files' bytes. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "fs/exists.js": `export const exists = (path) => Deno.stat(path).then(() => true, () => false);`,
  "media-types/content_type.js": `export * from "../media_types/content_type.js";`,
  "http/deno.json": `{ "version": "1.4.0" }`,
  "net/unstable_get_network_address.js": `export const getNetworkAddress = () => undefined;`,
  "http/unstable_header.js": `export const HEADER = new Proxy({}, ${HTTP_NAMES});`,
  "http/unstable_method.js": `export const METHOD = { Get: "GET", Head: "HEAD" };`,
  "html/unstable_html.js": `export const html = String.raw;`,
};

/** Makes a copy of the package that can run. */
async function repair(directory: string): Promise<string> {
  const etag = fromFileUrl(import.meta.resolve(`${PACKAGE}/http/etag.js`));
  await copy(dirname(dirname(etag)), directory);
  for (const [name, text] of Object.entries(LEFT_OUT)) {
    const path = join(directory, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
  return join(directory, "http/file_server.js");
}

/** The file server of Deno's standard library. It cannot receive files. */
export const FILE_SERVER: Peer = {
  id: "file-server",
  name: "@std file_server + curl",
  install: "apt-get install curl",
  isInstalled: () => areInstalled("curl"),
  async start({ own, served }): Promise<RunningPeer> {
    const port = freePort();
    const program = await repair(join(own, "deno-std"));
    const access = ["--allow-net", "--allow-read", "--allow-sys", "--allow-env"];
    const args = ["run", "--no-config", ...access, program, served, "--host", HOST, "--port", String(port)];
    const service = await Service.start({ program: Deno.execPath(), args }, port);
    return {
      pid: service.pid,
      ports: [port],
      client: (transfer) => transfer.kind.startsWith("put") ? undefined : curl(transfer, port),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },
};
