import { fromFileUrl } from "@std/path";
import { HOST } from "./ports.ts";
import { Service } from "./process.ts";

/** Where the proxy listens, on the servers' own ports, because FTP tells its clients ports for data. */
export const DELAYED_HOST = "127.0.0.2";

/** The round-trip time that the proxy adds, in ms. */
export const ROUND_TRIP_MS = 50;

/** Starts a proxy that makes the servers on `ports` far away for those who use {@linkcode DELAYED_HOST}. */
export async function startDelay(ports: readonly number[]): Promise<Service> {
  const program = fromFileUrl(import.meta.resolve("./delay_proxy.ts"));
  const args = ["run", "--allow-net", program, String(ROUND_TRIP_MS), DELAYED_HOST, HOST, ...ports.map(String)];
  const [first = 0] = ports;
  return await Service.start({ program: Deno.execPath(), args }, ports.at(-1) ?? first, DELAYED_HOST);
}
