import { Exit } from "./lib/cli/exit.ts";
import { parseClientArguments, UsageError } from "./lib/cli/options.ts";
import { runPrompt } from "./lib/cli/prompt.ts";
import { runOnce, runScript } from "./lib/cli/script.ts";
import { surviveFileSizeLimit } from "./lib/cli/signals.ts";
import { askAddress, explain } from "./lib/cli/terminal.ts";
import { VERSION } from "./lib/cli/version.ts";

const HELP = `Talks to a Ferry server.

Usage: client.ts SERVER COMMAND [ARGUMENT...]   run one command
       client.ts SERVER                         open a prompt, or run the commands on standard input
       client.ts                                ask for the server, then open a prompt

SERVER is HOST, HOST:PORT, [IPV6]:PORT, or the ticket (ferry:...) that the server has printed.

  --help, --version

"client.ts SERVER help" lists the commands.

Exit codes: 0 done, 1 failed, 2 usage, 3 cannot connect, 4 refused or unauthorized, 5 not found, 6 corrupt,
130 interrupted.`;

async function main(): Promise<number> {
  try {
    const options = parseClientArguments(Deno.args);
    if (typeof options !== "object") {
      console.log(options === "help" ? HELP : VERSION);
      return Exit.done;
    }
    surviveFileSizeLimit();
    const interactive = Deno.stdin.isTerminal();
    if (!options.address && !interactive) {
      throw new UsageError("write the server's address or ticket: client.ts SERVER");
    }
    const address = options.address ?? askAddress();
    if (!address) return Exit.done;
    if (options.words.length > 0) return await runOnce(address, options.words);
    return await (interactive ? runPrompt(address) : runScript(address));
  } catch (error) {
    const { message, code } = explain(error);
    console.error(message);
    return code;
  }
}

if (import.meta.main) Deno.exit(await main());
