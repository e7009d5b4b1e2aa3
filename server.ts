import { join, SEPARATOR } from "@std/path";
import { isTrouble, logLine } from "./lib/cli/events.ts";
import { Exit } from "./lib/cli/exit.ts";
import {
  isLoopback,
  isWildcard,
  ownAddresses,
  type ServerIdentity,
  serverIdentity,
  ticketFor,
  writeTicket,
} from "./lib/cli/identity.ts";
import { runOperator } from "./lib/cli/operator.ts";
import { parseServerArguments, type ServerArguments, UsageError } from "./lib/cli/options.ts";
import { excess, grantingCommand, type Needs, obtain } from "./lib/cli/permissions.ts";
import { surviveFileSizeLimit } from "./lib/cli/signals.ts";
import { VERSION } from "./lib/cli/version.ts";
import { formatAddress } from "./lib/net/address.ts";
import { cannot, FerryError } from "./lib/protocol/errors.ts";
import { DEFAULT_PORT, type FerryServer, serve } from "./lib/server/server.ts";
import { DirectoryStorage } from "./lib/storage/directory.ts";

const HELP = `Serves one directory to Ferry clients.

Usage: server.ts [DIR] [OPTION...]

DIR is ./files if it is not given; it is created if it is missing.

  --host HOST          the address to listen on (127.0.0.1)
  --port PORT          the port to listen on (7878); 0 for any free one
  --insecure           no encryption and no secret, whatever the address
  --identity FILE      keep certificate and secret in FILE, so that tickets stay good after a restart
  --ticket-file FILE   also write the ticket to FILE
  --address NAME       a name or address that clients use, for the ticket; may be given several times
  --read-only          refuse everything that changes the directory
  --durable            sync every upload to the disk before it is confirmed
  --log-format FORMAT  text or json
  --quiet              log only what the operator may have to see to
  --help, --version

On an address that others can reach, it encrypts and asks for a secret; it prints a ticket that has all a client needs.

At its terminal: say TEXT, who, quit.`;

/** A server's identity, and the addresses that its ticket has. */
interface Protection extends ServerIdentity {
  readonly addresses: readonly string[];
}

/** What a server of the directory at `path` needs, which the user may have named in another way. */
function needsOf({ directory, readOnly, identity, ticketFile }: ServerArguments, path: string): Needs {
  const args = Deno.args.map((argument) => argument === directory ? path : argument);
  const files = [identity, ticketFile].filter((file) => file !== undefined);
  return { directory: path, write: !readOnly, files, args };
}

/** Makes a directory unless something is there; whether that is a directory is found out when it is opened. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Gets access to the directory and opens it; prints what to do when that is not possible. */
async function openDirectory(options: ServerArguments): Promise<DirectoryStorage | undefined> {
  const { directory, readOnly } = options;
  let needs = needsOf(options, directory);
  const denied = () => {
    console.error(
      `Ferry needs access to the directory it serves. This command grants it:\n  ${grantingCommand(needs)}`,
    );
    return undefined;
  };
  if (!await obtain(needs)) return denied();
  try {
    if (!readOnly) await makeDirectory(directory);
    // The directory may be a link; permissions are about real paths.
    const real = Deno.realPathSync(directory);
    needs = needsOf(options, real);
    return await obtain(needs) ? DirectoryStorage.open(real) : denied();
  } catch (error) {
    throw cannot("serve", directory, error);
  }
}

async function announce({ address }: FerryServer, root: string, options: ServerArguments): Promise<void> {
  const { hostname, port } = address;
  const { json } = options;
  const { write, files } = needsOf(options, root);
  console.log(
    json
      ? JSON.stringify({ event: "listening", hostname, port, root })
      : `Serving ${root} on ${formatAddress(address)}`,
  );
  const inform = (message: string) => console.error(json ? JSON.stringify({ event: "permissions", message }) : message);
  const more = await excess();
  const all = [root, ...files].join(" and ");
  if (more.length === 0) return inform(`It may ${write ? "read and write" : "read"} ${all}, and nothing else.`);
  inform(`Deno was told to let it do more than it needs: ${more.join(", ")}.`);
  if (!Deno.build.standalone) inform(`This would be enough:\n  ${grantingCommand(needsOf(options, root))}`);
}

/** Calls `stop` on the first signal and exits at once on the second. */
function onSignals(stop: () => void): void {
  let seen = false;
  for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (seen) Deno.exit(Exit.interrupted);
      seen = true;
      stop();
    });
  }
}

/** The names and addresses that the ticket has. */
async function ticketAddresses({ hostname, addresses }: ServerArguments): Promise<readonly string[]> {
  if (addresses.length > 0) return addresses;
  const found = isWildcard(hostname) ? await ownAddresses() : [hostname];
  if (found.length > 0) return found;
  throw new UsageError("say with --address under which name or address clients reach this server");
}

/** What the server shows and asks for, where others can reach it. */
async function protect(options: ServerArguments, root: string): Promise<Protection | undefined> {
  const { hostname, port, insecure, identity, ticketFile } = options;
  if (insecure || isLoopback(hostname) && identity === undefined) {
    if (identity ?? ticketFile) throw new UsageError("--identity and --ticket-file need encryption, which is off here");
    return undefined;
  }
  const protection = { ...await serverIdentity(identity), addresses: await ticketAddresses(options) };
  if (identity !== undefined && Deno.realPathSync(identity).startsWith(join(root, SEPARATOR))) {
    throw new UsageError("the file of --identity is in the served directory, where clients could get it; move it out");
  }
  // What a ticket cannot hold shall be known before clients come; any port will do.
  ticketFor(protection, protection.addresses, port === 0 ? DEFAULT_PORT : port);
  return protection;
}

async function showTicket(protection: Protection, port: number, { json, ticketFile }: ServerArguments): Promise<void> {
  const ticket = ticketFor(protection, protection.addresses, port);
  if (ticketFile !== undefined) await writeTicket(ticketFile, ticket);
  console.log(json ? JSON.stringify({ event: "ticket", ticket }) : `Clients connect with this ticket:\n${ticket}`);
}

async function run(options: ServerArguments): Promise<number> {
  const storage = await openDirectory(options);
  if (!storage) return Exit.usage;
  const { hostname, port, readOnly, durable, json, quiet } = options;
  const protection = await protect(options, storage.root);
  const server = serve({
    root: storage,
    hostname,
    port,
    readOnly,
    durable,
    identity: protection?.identity,
    secret: protection?.secret,
    onEvent: (event) => {
      if (!quiet || isTrouble(event)) console.error(logLine(event, json));
    },
  });
  surviveFileSizeLimit();
  const stopped = Promise.withResolvers<void>();
  onSignals(stopped.resolve);
  await announce(server, storage.root, options);
  if (protection) await showTicket(protection, server.address.port, options);
  if (Deno.stdin.isTerminal()) void runOperator(server, console.error, stopped.resolve);
  await stopped.promise;
  await server.shutdown();
  return Exit.done;
}

async function main(): Promise<number> {
  try {
    const options = parseServerArguments(Deno.args);
    if (typeof options === "object") return await run(options);
    console.log(options === "help" ? HELP : VERSION);
    return Exit.done;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof FerryError)) throw error;
    console.error(error.message);
    return error instanceof UsageError ? Exit.usage : Exit.failed;
  }
}

if (import.meta.main) Deno.exit(await main());
