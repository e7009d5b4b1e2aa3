import { execute } from "../../lib/cli/client/shell_commands.ts";
import { Shell } from "../../lib/cli/client/shell.ts";
import type { ErrorCode } from "../../lib/mod.ts";
import type { Policy } from "../../lib/access/policy.ts";
import { type Address, FaultProxy } from "./proxy.ts";
import { failsWith, Served } from "./raw.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** A server for everybody with these limits, and a client with a directory of its own. */
export class Visit implements AsyncDisposable {
  readonly said: string[] = [];
  printed = "";
  readonly shell: Shell;

  private constructor(readonly served: Served, readonly here: TempDir, address: Address) {
    const print = (text: string) => {
      this.printed += text;
      return Promise.resolve();
    };
    this.shell = new Shell(address, { print, inform: (line) => this.said.push(line) }, false);
    this.shell.localDirectory = here.path;
  }

  static async to(policy: Policy, files: Record<string, string> = {}): Promise<Visit> {
    const served = await Served.with(files, policy);
    return new Visit(served, await tempDir(), served.address);
  }

  /** The same visit over a connection with faults. */
  over({ address }: FaultProxy): Visit {
    return new Visit(this.served, this.here, address);
  }

  run(...words: string[]): Promise<void> {
    return execute(this.shell, words, new AbortController().signal);
  }

  fails(code: ErrorCode, ...words: string[]): Promise<Error> {
    return failsWith(this.run(...words), code);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.here.join(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shell.link.close();
    await this.served[Symbol.asyncDispose]();
    await this.here[Symbol.asyncDispose]();
  }
}

export const DROP_BOX: Policy = { uploadOnly: true };
