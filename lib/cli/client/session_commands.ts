import { resolve } from "@std/path";
import { printable } from "../../core/text.ts";
import { formatAddress } from "../../transport/address.ts";
import { bytes } from "../terminal/format.ts";
import { requireNet } from "../terminal/grants.ts";
import { withCredentials, withSecretIfWanted } from "./credentials.ts";
import type { Invocation } from "./invocation.ts";
import { restriction } from "./rights.ts";
import { type Address, parseAddress } from "./server_address.ts";
import type { Shell } from "./shell.ts";

/** The options of the command line, which were given for another server. */
const NO_OPTIONS = { secretFile: undefined, caFile: undefined, insecure: false, bytesPerSecond: undefined };

/** `open SERVER` */
export async function open({ shell, args: [name = ""], signal }: Invocation): Promise<void> {
  const asks = shell.output.ask !== undefined;
  const { rate, tls } = shell.address;
  // Only the path of a ticket's file has a slash.
  const found = await withCredentials(parseAddress(name.includes("/") ? shell.local(name) : name), NO_OPTIONS, asks);
  for (const hostname of [found.hostname, ...found.otherHostnames ?? []]) {
    requireNet(formatAddress({ ...found, hostname }));
  }
  // The rate limit and the trusted authorities of the command line hold for all servers.
  const address = { ...found, rate, ...(found.tls ? { tls: { ca: tls?.ca } } : {}) };
  const connect = (address: Address) => shell.open(address, signal);
  await (asks ? withSecretIfWanted(address, connect) : connect(address));
  await greet(shell, signal);
}

/** Connects, and says where to and what may not be done there. @throws {FerryError} When it cannot connect. */
export async function greet(shell: Shell, signal: AbortSignal): Promise<void> {
  const limit = restriction(await shell.rights(signal));
  shell.output.inform(`Connected to ${formatAddress(shell.address)}. Type "help" for the commands.`);
  if (limit !== undefined) shell.output.inform(limit);
}

/** `status` */
export async function status({ shell, signal }: Invocation): Promise<void> {
  // Before the first connection nothing is known of the rights.
  if (shell.allows.length === 0) await shell.rights(signal);
  const { address, isConnected } = shell;
  const isEncrypted = address.keyHash !== undefined || address.tls !== undefined;
  const limit = restriction(shell.allows);
  const lines = [
    `server: ${formatAddress(address)} (${isEncrypted ? "encrypted" : "not encrypted"}, ${
      address.secret ? "with a secret" : "no secret"
    })`,
    `connection: ${isConnected ? "open" : "ended; the next command connects again"}`,
    `rights: ${limit ?? "You may do everything here."}`,
    `directory there: /${printable(shell.remoteDirectory)}`,
    `directory here: ${printable(resolve(shell.localDirectory))}`,
    `rate: ${address.rate ? `at most ${bytes(address.rate.bytesPerSecond)} per second` : "not limited"}`,
  ];
  await shell.output.print(`${lines.join("\n")}\n`);
}
