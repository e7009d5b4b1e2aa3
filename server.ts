import { jsonLine, logLine, recordOf } from "./lib/cli/server/event_lines.ts";
import { explain } from "./lib/cli/terminal/explain.ts";
import { Exit } from "./lib/cli/terminal/exit.ts";
import { plural } from "./lib/cli/terminal/format.ts";
import { describeLimits } from "./lib/cli/server/limit_options.ts";
import { LineQueue } from "./lib/cli/terminal/line_queue.ts";
import { Observer } from "./lib/cli/server/observer.ts";
import { runOperator } from "./lib/cli/server/operator.ts";
import { UsageError } from "./lib/cli/terminal/usage.ts";
import { excess, grantingCommand, type Needs, obtain } from "./lib/cli/server/permissions.ts";
import {
  giveTickets,
  looksForAddresses,
  privateFiles,
  protect,
  type Protection,
  requireOutside,
  whereIs,
  writeTickets,
} from "./lib/cli/server/protection.ts";
import { parseServerArguments, type ServerArguments } from "./lib/cli/server/server_arguments.ts";
import { endBeforeDebugging, onHangup, onStop, surviveFileSizeLimit } from "./lib/cli/terminal/signals.ts";
import { fitHelp, screenColumns } from "./lib/cli/terminal/wrap.ts";
import { VERSION } from "./lib/cli/terminal/version.ts";
import { formatAddress } from "./lib/transport/address.ts";
import { cannot } from "./lib/core/errors.ts";
import { printable } from "./lib/core/text.ts";
import { type FerryServer, serve, SHUTDOWN_GRACE_MS } from "./lib/server/server.ts";
import { lstatOrNothing } from "./lib/storage/directory/lookup.ts";
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

Type at its terminal: say TEXT, who, kick N, quit.`;

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
    sys: [
      ...(limits.keepFreeBytes ?? 0) > 0 ? ["statfs"] as const : [],
      ...looksForAddresses(options) ? ["networkInterfaces"] as const : [],
    ],
  };
}

/** The command line that grants it. */
function commandFor(options: ServerArguments, path: string): string {
  const args = Deno.args.map((argument) => argument === options.directory ? path : argument);
  return grantingCommand(needsOf(options, path), args);
}

const ADDRESSES_WANTED =
  "this machine's addresses, since clients get them with the ticket (or add --address NAME, which clients use for it)";

/** What is to be served: a directory that was opened, or one that is made when all else was found good. */
type Root = { readonly path: string; readonly storage: DirectoryStorage | undefined };

/** Gets access to the directory, and opens it if it is there; prints what to do if that fails. */
async function findRoot(options: ServerArguments): Promise<Root | undefined> {
  const { directory, policy } = options;
  const mayUse = async (path: string) => {
    const denied = await obtain(needsOf(options, path));
    if (denied === undefined) return true;
    const why = denied === "sys" && looksForAddresses(options) ? ADDRESSES_WANTED : "the directory it serves";
    stderr.line(`Ferry needs access to ${why}. This command grants it:\n  ${commandFor(options, path)}`);
    return false;
  };
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" });
  if (looksForAddresses(options) && state === "prompt" && Deno.stdin.isTerminal()) {
    // Deno asks next.
    stderr.line(`Ferry needs access to ${ADDRESSES_WANTED}.`);
    await stderr.drained();
  }
  if (!await mayUse(directory)) return undefined;
  try {
    // The directory may be a link; permissions are about real paths.
    const isMissing = !policy.readOnly && lstatOrNothing(directory) === undefined;
    const path = isMissing ? whereIs(directory) : Deno.realPathSync(directory);
    if (!await mayUse(path)) return undefined;
    return { path, storage: isMissing ? undefined : DirectoryStorage.open(path) };
  } catch (error) {
    throw cannot("serve", directory, error);
  }
}

async function announce({ address }: FerryServer, { path: root, storage }: Root, options: ServerArguments) {
  const { hostname, port } = address;
  const created = storage === undefined;
  const { json, policy } = options;
  stdout.line(
    json
      ? jsonLine({ event: "listening", hostname, port, root, created }, Infinity)
      : `Serving ${printable(root)}${created ? " (created)" : ""} on ${formatAddress(address)}`,
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

/** Opens the port, writes the tickets, then makes the directory if it is missing, and serves. */
function start(options: ServerArguments, { path, storage }: Root, protection: Protection, { onEvent }: Observer) {
  const { hostname, port, policy, limits, durable } = options;
  const { identity, secrets: secret } = protection;
  const root = storage ?? path;
  const onListening = (port: number) => {
    writeTickets(protection, port, options);
    if (!storage) Deno.mkdirSync(path, { recursive: true });
  };
  const server = serve({ root, onListening, hostname, port, ...policy, limits, durable, identity, secret, onEvent });
  // Only now is it certain where the directory is.
  if (!storage) requireOutside(Deno.realPathSync(path), options);
  return server;
}

/** Lets what is under way finish, and says what that is. */
async function stop(server: FerryServer, options: ServerArguments): Promise<void> {
  const busy = server.sessions.flatMap(({ busyWith = [] }) => busyWith);
  const transfers = busy.filter((command) => command === "get" || command === "put").length;
  const what = transfers > 0 ? plural(transfers, "transfer", "transfers") : plural(busy.length, "command", "commands");
  const message = `Waiting for ${what}, at most ${SHUTDOWN_GRACE_MS / 1000} s; Ctrl-C stops the server at once.`;
  if (busy.length > 0) inform("stopping", message, options);
  await server.shutdown();
}

async function run(options: ServerArguments): Promise<number> {
  const root = await findRoot(options);
  if (!root) return Exit.usage;
  const protection = await protect(options, root.path);
  stderr.format = (message) => logLine({ event: "warning", message }, options.json);
  using observer = new Observer(options, stderr);
  requireOutside(root.path, options);
  const server = start(options, root, protection, observer);
  surviveFileSizeLimit();
  const stopped = Promise.withResolvers<void>();
  const quit = onStop(stopped.resolve);
  endBeforeDebugging(stderr);
  const hasTerminal = Deno.stdin.isTerminal();
  if (hasTerminal || options.audit !== undefined) onHangup(() => observer.reopen(), stopped.resolve);
  await announce(server, root, options);
  const say = (message: string) => inform("tickets", message, options);
  giveTickets(protection, server.address.port, options, (line) => stdout.line(line), say);
  if (hasTerminal) void runOperator(server, (line) => stderr.line(line), quit);
  await stopped.promise;
  await stop(server, options);
  return Exit.done;
}

async function main(): Promise<number> {
  try {
    const options = parseServerArguments(Deno.args);
    if (typeof options === "object") {
      const code = await run(options);
      if (code === Exit.done && !options.quiet) inform("stopped", "Stopped.", options);
      return code;
    }
    console.log(options === "help" ? fitHelp(HELP, screenColumns()).trimEnd() : VERSION);
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
