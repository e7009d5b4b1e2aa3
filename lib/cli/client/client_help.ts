import { table, wrap } from "../terminal/wrap.ts";

const USES = [
  ["client.ts [OPTION...] SERVER COMMAND [ARGUMENT...]", "run one command"],
  ["client.ts [OPTION...] SERVER", "open a prompt, or run commands from standard input"],
  ["client.ts [OPTION...]", "ask for the server, then open a prompt"],
] as const;

const SERVER =
  "SERVER is HOST, HOST:PORT, [IPV6]:PORT, the server's ticket (ferry:...), or the path of a ticket file, " +
  "such as ./ticket, which keeps the ticket out of the process list.";

const OPTIONS = [
  ["--secret-file FILE", "read the server's secret from FILE; the default is FERRY_SECRET in the environment"],
  ["--ca FILE", "also trust the authorities whose certificates are in FILE"],
  ["--insecure", "no encryption and no secret, for a server that has neither"],
  ["--limit-rate RATE", "use at most RATE bytes per second, such as 500K or 2M"],
  ["--no-history", "forget what was typed at the prompt; otherwise the next session has it, too"],
  ["--help, --version", "say only this"],
] as const;

const NOTES = [
  "A ticket has the secret and says whom to trust. Without one, any address but this machine's own needs a secret or " +
  "--insecure.",
  '"client.ts SERVER help" lists the commands, "client.ts SERVER help get" explains one. With FERRY_DEBUG=1, errors ' +
  "show their cause and stack.",
  "Exit codes: 0 done, 1 failed, 2 usage, 3 cannot connect, 4 refused or unauthorized, 5 not found, 6 corrupt, " +
  "130 interrupted, 141 nobody reads the output.",
] as const;

/** What the client says to `--help`, in lines of at most `columns` characters. */
export function clientHelp(columns: number): string {
  const paragraph = (text: string) => `${wrap(text, columns).join("\n")}\n`;
  return [
    "Talks to a Ferry server.\n",
    `Usage:\n${table(USES, columns)}`,
    paragraph(SERVER),
    table(OPTIONS, columns),
    ...NOTES.map(paragraph),
  ].join("\n");
}
