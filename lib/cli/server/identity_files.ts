import { isLoopback } from "../../transport/address.ts";
import { createIdentity } from "../../auth/certificate.ts";
import { checkIdentity, type Identity } from "../../transport/tls.ts";
import { Secret } from "../../auth/secret.ts";
import { object, text } from "../../protocol/checks.ts";
import { cannot, FerryError } from "../../core/errors.ts";
import { readPrivateFile } from "../terminal/private_files.ts";
import { lstatOrNothing } from "../../storage/directory/lookup.ts";

/** A server's certificate and secret. */
export interface ServerIdentity {
  readonly identity: Identity;
  readonly secret: Secret;
}

const FILE = object({ certificate: text, key: text, secret: text });

async function newIdentity(): Promise<string> {
  return `${JSON.stringify({ ...await createIdentity(), secret: Secret.create().text }, null, 2)}\n`;
}

function parseIdentity(content: string): ServerIdentity {
  try {
    const { certificate, key, secret } = FILE(JSON.parse(content), "identity");
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
function writePrivately(file: string, content: string): void {
  Deno.writeTextFileSync(file, content, { createNew: true, mode: 0o600 });
}

/** What is in a private file, which is written if it is missing. `what` names its content in messages. */
async function readOrWrite<T>(
  file: string,
  what: string,
  parse: (content: string) => T,
  make: () => string | Promise<string>,
): Promise<T> {
  try {
    return parse(readPrivateFile(file));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw cannot(`use the ${what} in`, file, error);
  }
  try {
    const content = await make();
    writePrivately(file, content);
    return parse(content);
  } catch (error) {
    throw cannot(`write the ${what} to`, file, error);
  }
}

/**
 * The identity in `file`, which is created if it is missing. Without a file, a new identity for this run only.
 *
 * @throws {FerryError} When the file cannot be used, or others can read it.
 */
export async function serverIdentity(file: string | undefined): Promise<ServerIdentity> {
  if (file === undefined) return parseIdentity(await newIdentity());
  return await readOrWrite(file, "identity", parseIdentity, newIdentity);
}

/** The secret in `file`, which is created if it is missing. @throws {FerryError} As {@linkcode serverIdentity}. */
export async function serverSecret(file: string): Promise<Secret> {
  return await readOrWrite(file, "secret", Secret.parse, () => `${Secret.create().text}\n`);
}

/** A certificate and its key from PEM files. @throws {FerryError} When they cannot be used, or others can read the key. */
export function ownIdentity(certFile: string, keyFile: string): Identity {
  const certificate = reading(certFile, () => Deno.readTextFileSync(certFile));
  const key = reading(keyFile, () => readPrivateFile(keyFile));
  try {
    checkIdentity({ certificate, key });
  } catch (error) {
    throw cannot("use", certFile, error);
  }
  return { certificate, key };
}

function reading(file: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    throw cannot("read", file, error);
  }
}

/** Writes the ticket to a file that only its owner can read. */
export function writeTicket(file: string, ticket: string): void {
  try {
    // Never write into an old file: others may have it open, or it may be a link.
    if (lstatOrNothing(file)) Deno.removeSync(file);
    writePrivately(file, `${ticket}\n`);
  } catch (error) {
    throw cannot("write the ticket to", file, error);
  }
}

/** Whether an address means all addresses of this machine. */
export function isWildcard(hostname: string): boolean {
  return /^[0.:]+$/.test(hostname);
}

/** Addresses where clients may reach a server that listens on all of them. */
export function ownAddresses(): string[] {
  const addresses = Deno.networkInterfaces().map(({ address }) => address).filter((address) => !isLoopback(address));
  // Link-local addresses mean nothing on another machine.
  return addresses.filter((address) => !/^fe80:/i.test(address)).slice(0, 8);
}
