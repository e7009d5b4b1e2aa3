import { basename, dirname, join, resolve, SEPARATOR } from "@std/path";
import { isLoopback } from "../../transport/address.ts";
import { type Identity, keyHashOf } from "../../transport/tls.ts";
import { Secret } from "../../auth/secret.ts";
import { encodeTicket } from "../../auth/ticket.ts";
import { quote } from "../../core/text.ts";
import { rightsOf, type Role, ROLES } from "../../access/policy.ts";
import { DEFAULT_PORT } from "../../protocol/constants.ts";
import { isWildcard, ownAddresses, ownIdentity, serverIdentity, serverSecret, writeTicket } from "./identity_files.ts";
import type { ServerArguments } from "./server_arguments.ts";
import { UsageError } from "../terminal/usage.ts";

/** How a server protects itself, and what its tickets contain. */
export interface Protection {
  /** Without one, nothing is encrypted. */
  readonly identity: Identity | undefined;
  /** Clients that know one of these get its role. If there are none, everyone gets in. */
  readonly secrets: Readonly<Partial<Record<Role, Secret>>>;
  /** The hash of the key in the tickets. Without it, clients trust authorities. */
  readonly keyHash: Uint8Array | undefined;
  /** The addresses in the tickets. Without any, there are no tickets. */
  readonly addresses: readonly string[];
}

/** Means standard output as a ticket file. */
const STANDARD_OUTPUT = "-";

/** The file for a role's ticket, if there is one: the named file for the full role, files beside it for the others. */
function ticketFileOf(role: Role, { ticketFile, secretFiles }: ServerArguments): string | undefined {
  if (ticketFile === undefined || ticketFile === STANDARD_OUTPUT) return undefined;
  if (role === "full") return ticketFile;
  return secretFiles[role] === undefined ? undefined : `${ticketFile}.${role}`;
}

/** The files that only the operator may read. */
export function privateFiles(options: ServerArguments): string[] {
  const { identity, secretFiles, audit } = options;
  const tickets = ROLES.map((role) => ticketFileOf(role, options));
  return [identity, ...Object.values(secretFiles), ...tickets, audit].filter((file) => file !== undefined);
}

/** Checks that options do not contradict each other. @returns Whether connections are encrypted. */
function decide({ hostname, insecure, identity, tlsCert, ticketFile, secretFiles }: ServerArguments): boolean {
  if (identity !== undefined && tlsCert !== undefined) {
    throw new UsageError("use either --identity or --tls-cert, not both");
  }
  const encrypts = !insecure && (!isLoopback(hostname) || identity !== undefined || tlsCert !== undefined);
  if (encrypts) return true;
  if (identity ?? tlsCert ?? ticketFile) {
    throw new UsageError("--identity, --tls-cert and --ticket-file need encryption, which is off here");
  }
  if (!isLoopback(hostname) && Object.values(secretFiles).some((file) => file !== undefined)) {
    throw new UsageError("a secret is not used without encryption; leave out --insecure, or the secret");
  }
  return false;
}

/** Rejects a secret that would allow nothing. */
function requireUsable({ secretFiles, policy }: ServerArguments): void {
  for (const role of ROLES) {
    const file = secretFiles[role];
    if (file === undefined || rightsOf(role, policy).length > 0) continue;
    const option = policy.readOnly ? "--read-only" : "--upload-only";
    throw new UsageError(`--${role}-secret-file and ${option} together leave nothing to do`);
  }
}

/** Whether the tickets get all addresses of this machine. */
export function looksForAddresses({ hostname, addresses, insecure }: ServerArguments): boolean {
  return isWildcard(hostname) && addresses.length === 0 && !insecure;
}

/** The names and addresses in the tickets. */
function ticketAddresses({ hostname, addresses }: ServerArguments): readonly string[] {
  if (addresses.length > 0) return addresses;
  const found = isWildcard(hostname) ? ownAddresses() : [hostname];
  if (found.length > 0) return found;
  throw new UsageError("this machine has no address that others can use; add --address NAME, which clients use for it");
}

async function loadSecrets(files: ServerArguments["secretFiles"]): Promise<Partial<Record<Role, Secret>>> {
  const secrets: Partial<Record<Role, Secret>> = {};
  for (const role of ROLES) {
    const file = files[role];
    if (file !== undefined) secrets[role] = await serverSecret(file);
  }
  return secrets;
}

/** Rejects equal secrets: one of the roles would get the other's rights. */
function requireDifferent(secrets: Partial<Record<Role, Secret>>): void {
  const texts = Object.values(secrets).map(({ text }) => text);
  if (new Set(texts).size < texts.length) throw new UsageError("two roles have the same secret; give each its own");
}

/** Where a file or directory is or will be. Follows links as far as the permissions reach. */
export function whereIs(path: string): string {
  const whole = resolve(path);
  // On a terminal Deno would ask for a permission that the server does not need.
  if (Deno.permissions.querySync({ name: "read", path: whole }).state === "granted") {
    try {
      return Deno.realPathSync(whole);
    } catch {
      // It does not exist yet.
    }
  }
  const parent = dirname(whole);
  return parent === whole ? whole : join(whereIs(parent), basename(whole));
}

/**
 * Makes sure that no file serves two purposes, and that clients cannot get the server's own files. Call it again after
 * missing files were created: only then is it certain where they are.
 *
 * @param root The served directory.
 * @throws {UsageError}
 */
export function requireOutside(root: string, options: ServerArguments): void {
  const seen = new Set<string>();
  for (const file of [...privateFiles(options), options.tlsKey].filter((file) => file !== undefined)) {
    const place = whereIs(file);
    if (seen.has(place)) throw new UsageError(`${quote(file)} is named by two options; each needs a file of its own`);
    if (place.startsWith(join(root, SEPARATOR))) {
      throw new UsageError(`${quote(file)} is in the served directory, where clients could get it; move it out`);
    }
    seen.add(place);
  }
}

/**
 * Loads or creates the server's certificate and secrets.
 *
 * @param root The served directory.
 * @throws {UsageError} If options contradict each other. @throws {FerryError} If a file cannot be used.
 */
export async function protect(options: ServerArguments, root: string): Promise<Protection> {
  const encrypts = decide(options);
  requireUsable(options);
  requireOutside(root, options);
  const secrets = await loadSecrets(options.secretFiles);
  if (!encrypts) {
    requireDifferent(secrets);
    return { identity: undefined, secrets, keyHash: undefined, addresses: [] };
  }
  const { identity: file, tlsCert, tlsKey } = options;
  const isOperators = tlsCert !== undefined && tlsKey !== undefined;
  const { identity, secret } = isOperators
    ? { identity: ownIdentity(tlsCert, tlsKey), secret: Secret.create() }
    : await serverIdentity(file);
  // In a ticket, so that clients accept no other.
  const keyHash = isOperators ? undefined : keyHashOf(identity.certificate);
  const all = { full: secret, ...secrets };
  requireDifferent(all);
  const protection = { identity, secrets: all, keyHash, addresses: ticketAddresses(options) };
  // Fail now if a ticket cannot hold all of it. Any port will do.
  ticketsOf(protection, options.port || DEFAULT_PORT);
  return protection;
}

/** The tickets of a server, one for each role that has a secret. */
export function ticketsOf({ secrets, keyHash, addresses }: Protection, port: number): [Role, string][] {
  if (addresses.length === 0) return [];
  return ROLES.flatMap((role) => {
    const secret = secrets[role];
    return secret ? [[role, encodeTicket({ addresses, port, secret, keyHash })]] : [];
  });
}

const CAPTIONS: Record<Role, string> = {
  full: "Clients connect with this ticket:",
  read: "This ticket only lets clients list and read:",
  upload: "This ticket only lets clients add files:",
};

const SHORT_LIVED =
  "The secret changes at every start: old tickets stop working, and interrupted uploads start over. To keep it, add";

/** Writes the tickets to their files. @throws {FerryError} When one cannot be written. */
export function writeTickets(protection: Protection, port: number, options: ServerArguments): void {
  for (const [role, ticket] of ticketsOf(protection, port)) {
    const file = ticketFileOf(role, options);
    if (file !== undefined) writeTicket(file, ticket);
  }
}

/**
 * Says where the tickets are, or prints them to standard output if asked to or if that is a terminal. Otherwise they go
 * nowhere: a server's output often ends up in a log.
 *
 * @param print Writes a line to standard output.
 * @param inform Shows a message without secrets.
 */
export function giveTickets(
  protection: Protection,
  port: number,
  options: ServerArguments,
  print: (line: string) => void,
  inform: (message: string) => void,
): void {
  const { json, quiet, identity, tlsCert, ticketFile, secretFiles } = options;
  const tickets = ticketsOf(protection, port);
  if (tickets.length === 0) {
    const files = Object.values(secretFiles).filter((file) => file !== undefined);
    if (files.length > 0 && !json) print(`Clients need the secret in ${files.map(quote).join(" or ")}.`);
    return;
  }
  const isPrinted = ticketFile === STANDARD_OUTPUT || ticketFile === undefined && !quiet && Deno.stdout.isTerminal();
  for (const [role, ticket] of tickets) {
    const file = ticketFileOf(role, options);
    if (file !== undefined && !quiet) inform(`${CAPTIONS[role]} ${quote(file)}`);
    if (isPrinted) print(json ? JSON.stringify({ event: "ticket", role, ticket }) : `${CAPTIONS[role]}\n${ticket}`);
  }
  if (!isPrinted && ticketFile === undefined) {
    inform("Clients need a ticket: --ticket-file FILE writes it to FILE, --ticket-file - to standard output.");
  }
  const isKept = identity !== undefined || secretFiles.full !== undefined;
  if (!isKept) inform(`${SHORT_LIVED} ${tlsCert ? "--secret-file" : "--identity"} FILE.`);
}
