import { withCredentials, withSecretIfWanted } from "./lib/cli/client/credentials.ts";
import { Exit } from "./lib/cli/terminal/exit.ts";
import { parseClientArguments } from "./lib/cli/client/client_arguments.ts";
import { type Address, askAddress } from "./lib/cli/client/server_address.ts";
import { UsageError } from "./lib/cli/terminal/usage.ts";
import { History } from "./lib/cli/client/history.ts";
import { runPrompt } from "./lib/cli/client/prompt.ts";
import { runOnce, runScript } from "./lib/cli/client/script.ts";
import { surviveFileSizeLimit } from "./lib/cli/terminal/signals.ts";
import { explain } from "./lib/cli/terminal/explain.ts";
import { messages } from "./lib/cli/terminal/terminal.ts";
import { fitHelp, screenColumns } from "./lib/cli/terminal/wrap.ts";
import { VERSION } from "./lib/cli/terminal/version.ts";

const HELP = `Talks to a Ferry server.

Usage: client.ts [OPTION...] [SERVER [COMMAND [ARGUMENT...]]]

With COMMAND it runs one command. Without, it opens a prompt, or runs commands from standard input. Without SERVER it
asks for one first.

SERVER is HOST, HOST:PORT, [IPV6]:PORT, the server's ticket (ferry:...), or the path of a ticket file, such as ./ticket,
which keeps the ticket out of the process list.

  --secret-file FILE  read the server's secret from FILE; the default is FERRY_SECRET in the environment
  --ca FILE           also trust the authorities whose certificates are in FILE
  --insecure          no encryption and no secret, for a server that has neither
  --limit-rate RATE   use at most RATE bytes per second, such as 500K or 2M
  --no-history        forget what was typed at the prompt; otherwise the next session has it, too
  --help, --version

A ticket has the secret and says whom to trust. Without one, any address but this machine's own needs a secret or
--insecure.

"client.ts SERVER help" lists the commands. With FERRY_DEBUG=1, errors show their cause and stack.

Exit codes: 0 done, 1 failed, 2 usage, 3 cannot connect, 4 refused or unauthorized, 5 not found, 6 corrupt,
130 interrupted, 141 nobody reads the output.`;

async function main(): Promise<number> {
  try {
    const options = parseClientArguments(Deno.args);
    if (typeof options !== "object") {
      console.log(options === "help" ? fitHelp(HELP, screenColumns()).trimEnd() : VERSION);
      return Exit.done;
    }
    surviveFileSizeLimit();
    const interactive = Deno.stdin.isTerminal();
    if (!options.address && !interactive) {
      throw new UsageError("write the server's address or ticket: client.ts SERVER");
    }
    const named = options.address ?? await askAddress();
    if (!named) return Exit.done;
    // A question must not end up in a file or a pipe.
    const asks = interactive && Deno.stdout.isTerminal();
    const address = await withCredentials(named, options, asks);
    const once = (address: Address) => runOnce(address, options.words);
    const atPrompt = (address: Address) => runPrompt(address, options.history ? History.ofUser() : History.none());
    const run = options.words.length > 0 ? once : interactive ? atPrompt : runScript;
    return await (asks ? withSecretIfWanted(address, run) : run(address));
  } catch (error) {
    const { message, code } = explain(error);
    if (message !== "") messages.line(message);
    return code;
  }
}

if (import.meta.main) {
  const code = await main();
  await messages.drained();
  Deno.exit(code);
}
