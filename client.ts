import { withCredentials, withSecretIfWanted } from "./lib/cli/client/credentials.ts";
import { Exit } from "./lib/cli/terminal/exit.ts";
import { parseClientArguments } from "./lib/cli/client/client_arguments.ts";
import { clientHelp } from "./lib/cli/client/client_help.ts";
import { type Address, askAddress } from "./lib/cli/client/server_address.ts";
import { UsageError } from "./lib/cli/terminal/usage.ts";
import { History } from "./lib/cli/client/history.ts";
import { runPrompt } from "./lib/cli/client/prompt.ts";
import { runOnce, runScript } from "./lib/cli/client/script.ts";
import { surviveFileSizeLimit } from "./lib/cli/terminal/signals.ts";
import { explain } from "./lib/cli/terminal/explain.ts";
import { messages, print } from "./lib/cli/terminal/terminal.ts";
import { VERSION } from "./lib/cli/terminal/version.ts";
import { screenColumns } from "./lib/cli/terminal/wrap.ts";

async function main(): Promise<number> {
  try {
    const options = parseClientArguments(Deno.args);
    if (typeof options !== "object") {
      await print(options === "help" ? clientHelp(screenColumns()) : `${VERSION}\n`);
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
