import { resolve } from "@std/path";
import type { Client } from "../../client/client.ts";
import { Link } from "../../client/link.ts";
import { formatAddress } from "../../transport/address.ts";
import type { FerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { cut } from "../terminal/log_text.ts";
import type { Address } from "./server_address.ts";
import { resolveRemote } from "./resolve_path.ts";

/** Where the shell shows things. */
export interface Output {
  /** Results. Resolves when the reader is ready for more. */
  print(text: string): Promise<void>;
  /** What is not a result: notices, news of the connection, what was transferred. */
  inform(line: string): void;
}

/** What the commands of the client work on: a connection that comes back when it is lost, and two directories. */
export class Shell {
  readonly address: Address;
  readonly output: Output;
  /** Whether standard input is free for `put -`. */
  readonly inputIsFree: boolean;
  /** The directory on the server; empty for the served one. */
  remoteDirectory = "";
  localDirectory = ".";
  /** The user asked to leave. */
  leaving = false;
  /** Whether a command is under way. */
  busy = false;
  /** Whether what is under way connects again when the connection is lost. */
  #reconnects = false;
  readonly link: Link;

  constructor(address: Address, output: Output, inputIsFree: boolean) {
    this.address = address;
    this.output = output;
    this.inputIsFree = inputIsFree;
    this.link = new Link({
      ...address,
      onNotice: (notice) => output.inform(`Server: ${printable(cut(notice.text))}`),
      onLost: (reason) => this.#lost(reason),
    });
  }

  /** The connection; a new one when there is none or it was lost. */
  client(signal?: AbortSignal): Promise<Client> {
    return this.link.client(signal);
  }

  /** Runs what goes on over a new connection when the one it has is lost, so that the user is told so then. */
  async reconnecting<T>(run: (link: Link) => Promise<T>): Promise<T> {
    this.#reconnects = true;
    try {
      return await run(this.link);
    } finally {
      this.#reconnects = false;
    }
  }

  /** Another connection to the same server, for a command that needs several. */
  newLink(): Link {
    return new Link(this.address);
  }

  /** The path on the server that the user means by `name`. */
  remote(name: string): string {
    return resolveRemote(this.remoteDirectory, name);
  }

  /** The path on this machine that the user means by `name`. */
  local(name: string): string {
    return this.localDirectory === "." || name === "" ? name : resolve(this.localDirectory, name);
  }

  #lost({ message }: FerryError): void {
    // A command that does not connect again fails, and says so itself.
    const then = this.#reconnects ? " Connecting again." : this.busy ? "" : " The next command connects again.";
    this.output.inform(`The connection to ${formatAddress(this.address)} has ended: ${printable(message)}.${then}`);
  }
}
