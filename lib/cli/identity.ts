import { certificateDer, checkIdentity, createIdentity, type Identity } from "../net/certificate.ts";
import { Secret } from "../net/secret.ts";
import { isIPv4 } from "node:net";
import { encodeTicket } from "../net/ticket.ts";
import { object, text } from "../protocol/checks.ts";
import { cannot, FerryError } from "../protocol/errors.ts";

/** What a server shows and asks for: a certificate and a secret. */
export interface ServerIdentity {
  readonly identity: Identity;
  readonly secret: Secret;
}

const FILE = object({ certificate: text, key: text, secret: text });

/** Everything but the owner's rights: whoever can read the file can pretend to be the server. */
const OTHERS = 0o077;

async function create(): Promise<ServerIdentity> {
  return { identity: await createIdentity(), secret: Secret.create() };
}

async function read(file: string): Promise<ServerIdentity> {
  const info = await Deno.stat(file);
  if (!info.isFile) throw new FerryError("NotAFile", "it is not a regular file");
  if (info.mode !== null && (info.mode & OTHERS) !== 0) {
    throw new FerryError("Refused", "other users may read or write it; run: chmod 600");
  }
  try {
    const { certificate, key, secret } = FILE(JSON.parse(await Deno.readTextFile(file)), "identity");
    checkIdentity({ certificate, key });
    return { identity: { certificate, key }, secret: Secret.parse(secret) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof FerryError) {
      throw new FerryError("BadRequest", "it is not a file that --identity has written");
    }
    throw error;
  }
}

/** Writes a new file that only its owner may read. */
async function writePrivately(file: string, content: string): Promise<void> {
  await Deno.writeTextFile(file, content, { createNew: true, mode: 0o600 });
}

/**
 * The identity in `file`, which is made when it is missing; a new one, for this run only, without a file.
 *
 * @throws {FerryError} When the file cannot be used, or others can read it.
 */
export async function serverIdentity(file: string | undefined): Promise<ServerIdentity> {
  if (file === undefined) return await create();
  try {
    return await read(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw cannot("use the identity in", file, error);
  }
  try {
    const made = await create();
    await writePrivately(file, `${JSON.stringify({ ...made.identity, secret: made.secret.text }, null, 2)}\n`);
    return made;
  } catch (error) {
    throw cannot("write the identity to", file, error);
  }
}

/** The string that clients need. @param addresses Names and addresses of this server, the most promising first. */
export function ticketFor({ identity, secret }: ServerIdentity, addresses: readonly string[], port: number): string {
  return encodeTicket({ addresses, port, certificate: certificateDer(identity.certificate), secret });
}

/** Writes the ticket where only its owner can read it. */
export async function writeTicket(file: string, ticket: string): Promise<void> {
  try {
    // An old one is not written into, since others may have it open, or may have put a link there.
    await Deno.remove(file).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await writePrivately(file, `${ticket}\n`);
  } catch (error) {
    throw cannot("write the ticket to", file, error);
  }
}

/** Whether an address is this machine's own, which nobody else can reach. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || (isIPv4(hostname) && hostname.startsWith("127."));
}

/** Whether an address stands for all addresses of this machine. */
export function isWildcard(hostname: string): boolean {
  return /^[0.:]+$/.test(hostname);
}

/** Addresses under which clients may find a server that listens on all of them. Needs the permission to see them. */
export async function ownAddresses(): Promise<string[]> {
  const { state } = await Deno.permissions.request({ name: "sys", kind: "networkInterfaces" });
  if (state !== "granted") return [];
  const addresses = Deno.networkInterfaces().map(({ address }) => address).filter((address) => !isLoopback(address));
  // Link-local addresses are of no use on another machine.
  return addresses.filter((address) => !/^fe80:/i.test(address)).slice(0, 8);
}
