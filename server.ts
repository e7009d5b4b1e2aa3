import { AuditLog } from "./lib/cli/audit.ts";
import { isTrouble, logLine } from "./lib/cli/events.ts";
import { Exit } from "./lib/cli/exit.ts";
import { describeLimits } from "./lib/cli/limit_options.ts";
import { runOperator } from "./lib/cli/operator.ts";
import { UsageError } from "./lib/cli/usage.ts";
import { excess, grantingCommand, type Needs, obtain } from "./lib/cli/permissions.ts";
import { privateFiles, protect, requireOutside, showTickets } from "./lib/cli/protection.ts";
import { parseServerArguments, type ServerArguments } from "./lib/cli/server_options.ts";
import { endBeforeDebugging, onHangup, onStop, surviveFileSizeLimit } from "./lib/cli/signals.ts";
import { VERSION } from "./lib/cli/version.ts";
import { formatAddress } from "./lib/net/address.ts";
import { cannot, FerryError } from "./lib/protocol/errors.ts";
import { type FerryServer, serve } from "./lib/server/server.ts";
import type { ServerEvent } from "./lib/server/events.ts";
import { DirectoryStorage } from "./lib/storage/directory.ts";

const HELP = `Serves one directory to Ferry clients.

Usage: server.ts [DIR] [OPTION...]

DIR is ./files if it is not given; it is created if it is missing.

  --host HOST          the address to listen on (127.0.0.1)
  --port PORT          the port to listen on (7878); 0 for any free one
  --durable            sync every upload to the disk before it is confirmed
  --log-format FORMAT  text or json
  --quiet              log only what the operator may have to see to
  --audit FILE         write one JSON line for every command to FILE; SIGHUP opens it again
  --help, --version

What clients may do:
  --read-only          only list and read
  --upload-only        only add files: a drop box
  --no-overwrite       not replace files
  --no-delete          not remove or rename

Who may come in. On an address that others can reach, it encrypts and asks for a secret; it prints a ticket that has all
a client needs. Files that are missing are made:
  --identity FILE      keep certificate and secret in FILE, so that tickets stay good after a restart
  --ticket-file FILE   also write the ticket to FILE
  --address NAME       a name or address that clients use, for the ticket; may be given several times
  --secret-file FILE   the secret is in FILE; also on loopback, without encryption
  --read-secret-file FILE, --upload-secret-file FILE
                       another secret, and ticket, for those who may only read, or only add files
  --tls-cert FILE, --tls-key FILE
                       a certificate of your own, which clients find good by its name
  --insecure           no encryption and no secret, whatever the address

Limits:
${describeLimits()}

A SIZE is 1500, 64K, 20M or 3G, a RATE such a size per second (at least 1K), a TIME 90s, 15m or 2h.

At its terminal: say TEXT, who, quit.`;

/** What a server of the directory at `path` needs, which the user may have named in another way. */
function needsOf(options: ServerArguments, path: string): Needs {
  const { directory, policy, limits, tlsCert, tlsKey } = options;
  return {
    directory: path,
    write: !policy.readOnly,
    files: privateFiles(options),
    reads: [tlsCert, tlsKey].filter((file) => file !== undefined),
    space: (limits.keepFreeBytes ?? 0) > 0,
    args: Deno.args.map((argument) => argument === directory ? path : argument),
  };
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
  const { directory, policy } = options;
  let needs = needsOf(options, directory);
  const denied = () => {
    console.error(
      `Ferry needs access to the directory it serves. This command grants it:\n  ${grantingCommand(needs)}`,
    );
    return undefined;
  };
  if (!await obtain(needs)) return denied();
  try {
    if (!policy.readOnly) await makeDirectory(directory);
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

/** Opens the audit log, and again on SIGHUP. */
function openAudit(path: string, warn: (message: string) => void): AuditLog {
  const audit = new AuditLog(path);
  const reopen = () => {
    const failure = audit.reopen();
    if (failure !== undefined) warn(failure);
  };
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", reopen);
  return audit;
}

/** Gives what shows and writes down what a server tells. */
function observer({ audit: path, json, quiet }: ServerArguments): (event: ServerEvent) => void {
  const log = (event: ServerEvent) => {
    if (!quiet || isTrouble(event)) console.error(logLine(event, json));
  };
  if (path === undefined) return log;
  const warn = (message: string) => log({ event: "warning", message });
  const audit = openAudit(path, warn);
  return (event) => {
    log(event);
    const failure = event.event === "command" ? audit.write(event) : undefined;
    if (failure !== undefined) warn(failure);
  };
}

async function run(options: ServerArguments): Promise<number> {
  const storage = await openDirectory(options);
  if (!storage) return Exit.usage;
  const { hostname, port, policy, limits, durable } = options;
  const protection = await protect(options, storage.root);
  const { identity, secrets: secret } = protection;
  const onEvent = observer(options);
  requireOutside(storage.root, options);
  const server = serve({ root: storage, hostname, port, ...policy, limits, durable, identity, secret, onEvent });
  surviveFileSizeLimit();
  const stopped = Promise.withResolvers<void>();
  onStop(stopped.resolve);
  endBeforeDebugging();
  if (options.audit !== undefined) onHangup(stopped.resolve);
  await announce(server, storage.root, options);
  await showTickets(protection, server.address.port, options);
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
