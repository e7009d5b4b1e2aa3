import { jsonLine, logLine, recordOf } from "./lib/cli/server/event_lines.ts";
import { explain } from "./lib/cli/terminal/explain.ts";
import { Exit } from "./lib/cli/terminal/exit.ts";
import { describeLimits } from "./lib/cli/server/limit_options.ts";
import { LineQueue } from "./lib/cli/terminal/line_queue.ts";
import { Observer } from "./lib/cli/server/observer.ts";
import { runOperator } from "./lib/cli/server/operator.ts";
import { UsageError } from "./lib/cli/terminal/usage.ts";
import { excess, grantingCommand, type Needs, obtain } from "./lib/cli/server/permissions.ts";
import { giveTickets, privateFiles, protect, requireOutside } from "./lib/cli/server/protection.ts";
import { parseServerArguments, type ServerArguments } from "./lib/cli/server/server_arguments.ts";
import { endBeforeDebugging, onHangup, onStop, surviveFileSizeLimit } from "./lib/cli/terminal/signals.ts";
import { VERSION } from "./lib/cli/terminal/version.ts";
import { formatAddress } from "./lib/transport/address.ts";
import { cannot } from "./lib/core/errors.ts";
import { printable } from "./lib/core/text.ts";
import { type FerryServer, serve } from "./lib/server/server.ts";
import { DirectoryStorage } from "./lib/storage/directory/directory_storage.ts";

const HELP = `Serves one directory to Ferry clients.

Usage: server.ts [DIR] [OPTION...]

DIR is ./files unless you name another. It is created if it is missing.

  --host HOST          address to listen on (127.0.0.1)
  --port PORT          port to listen on (7878); 0 picks a free one
  --durable            sync every upload to the disk before confirming it
  --log-format FORMAT  text or json
  --quiet              log only what may need the operator; print no ticket
  --audit FILE         write JSON lines for commands and failed logins; SIGHUP reopens FILE
  --help, --version

What clients may do:
  --read-only          only list and read
  --upload-only        only add files: a drop box
  --no-overwrite       not replace files
  --no-delete          not remove or rename

Access. If others can reach its address, the server encrypts everything and requires a secret. A ticket has all that a
client needs; it is printed only at a terminal. Missing files are created:
  --identity FILE      keep certificate and secret in FILE: tickets stay valid and interrupted uploads resume after a
                       restart
  --ticket-file FILE   write the ticket to FILE instead, and those of the roles below to FILE.read and FILE.upload;
                       - is standard output
  --address NAME       name or address that clients use, for the ticket; can be repeated
  --secret-file FILE   keep the secret in FILE; works on loopback, too, without encryption
  --read-secret-file FILE, --upload-secret-file FILE
                       one more secret, and ticket, for clients that may only read, or only add files
  --tls-cert FILE, --tls-key FILE
                       your own certificate, which clients check by its name
  --insecure           no encryption and no secret, whatever the address

Limits:
${describeLimits()}

SIZE is 1500, 64K, 20M or 3G. RATE is a SIZE per second, at least 1K. TIME is 90s, 15m or 2h.

Type at its terminal: say TEXT, who, quit.`;

/** All output goes through these, so that a reader that stops cannot stop the server. */
const [stdout, stderr] = [new LineQueue(Deno.stdout), new LineQueue(Deno.stderr)];

/** How long writing the last lines may take, in ms. */
const LAST_LINES_MS = 1_000;

/** Shows a message that is not a server event. */
function inform(event: string, message: string, { json }: ServerArguments): void {
  stderr.line(json ? jsonLine(recordOf({ event, message }), Infinity) : message);
}

/** What a server of the directory at `path` needs. The user may have named it by another path. */
function needsOf(options: ServerArguments, path: string): Needs {
  const { policy, limits, tlsCert, tlsKey } = options;
  const files = privateFiles(options);
  return {
    read: [path, ...files, ...[tlsCert, tlsKey].filter((file) => file !== undefined)],
    write: policy.readOnly ? files : [path, ...files],
    sys: (limits.keepFreeBytes ?? 0) > 0 ? ["statfs"] : [],
  };
}

/** The command line that grants it. */
function commandFor(options: ServerArguments, path: string): string {
  const args = Deno.args.map((argument) => argument === options.directory ? path : argument);
  return grantingCommand(needsOf(options, path), args);
}

/** Creates a directory unless something is there; opening it shows whether that is a directory. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Gets access to the directory and opens it; prints what to do if that fails. */
async function openDirectory(options: ServerArguments): Promise<DirectoryStorage | undefined> {
  const { directory, policy } = options;
  const denied = (path: string) => {
    stderr.line(
      `Ferry needs access to the directory it serves. This command grants it:\n  ${commandFor(options, path)}`,
    );
    return undefined;
  };
  if (!await obtain(needsOf(options, directory))) return denied(directory);
  try {
    if (!policy.readOnly) await makeDirectory(directory);
    // The directory may be a link; permissions are about real paths.
    const real = Deno.realPathSync(directory);
    return await obtain(needsOf(options, real)) ? DirectoryStorage.open(real) : denied(real);
  } catch (error) {
    throw cannot("serve", directory, error);
  }
}

async function announce({ address }: FerryServer, root: string, options: ServerArguments): Promise<void> {
  const { hostname, port } = address;
  const { json, policy } = options;
  stdout.line(
    json
      ? jsonLine({ event: "listening", hostname, port, root }, Infinity)
      : `Serving ${printable(root)} on ${formatAddress(address)}`,
  );
  const say = (message: string) => inform("permissions", message, options);
  const more = await excess();
  const all = printable([root, ...privateFiles(options)].join(" and "));
  if (more.length === 0) {
    return say(`Ferry may ${policy.readOnly ? "read" : "read and write"} ${all}, and nothing else.`);
  }
  say(`Ferry has more permissions than it needs: ${more.join(", ")}.`);
  if (!Deno.build.standalone) say(`These are enough:\n  ${commandFor(options, root)}`);
}

async function run(options: ServerArguments): Promise<number> {
  const storage = await openDirectory(options);
  if (!storage) return Exit.usage;
  const { hostname, port, policy, limits, durable } = options;
  const protection = await protect(options, storage.root);
  const { identity, secrets: secret } = protection;
  stderr.format = (message) => logLine({ event: "warning", message }, options.json);
  using observer = new Observer(options, stderr);
  requireOutside(storage.root, options);
  const { onEvent } = observer;
  const server = serve({ root: storage, hostname, port, ...policy, limits, durable, identity, secret, onEvent });
  surviveFileSizeLimit();
  const stopped = Promise.withResolvers<void>();
  onStop(stopped.resolve);
  endBeforeDebugging(stderr);
  if (options.audit !== undefined) onHangup(() => observer.reopen(), stopped.resolve);
  await announce(server, storage.root, options);
  const say = (message: string) => inform("tickets", message, options);
  await giveTickets(protection, server.address.port, options, (line) => stdout.line(line), say);
  if (Deno.stdin.isTerminal()) void runOperator(server, (line) => stderr.line(line), stopped.resolve);
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
    stderr.line(explain(error).message);
    return error instanceof UsageError ? Exit.usage : Exit.failed;
  }
}

if (import.meta.main) {
  const code = await main();
  await Promise.all([stdout.drained(LAST_LINES_MS), stderr.drained(LAST_LINES_MS)]);
  Deno.exit(code);
}
