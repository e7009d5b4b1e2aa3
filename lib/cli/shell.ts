import { resolve } from "@std/path";
import { type Client, connect } from "../client/client.ts";
import { formatAddress } from "../net/address.ts";
import type { Messages } from "../protocol/codec.ts";
import { FerryError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import type { Address } from "./options.ts";
import { resolveRemote } from "./remote_path.ts";

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
  #client: Client | undefined;

  constructor(address: Address, output: Output, inputIsFree: boolean) {
    this.address = address;
    this.output = output;
    this.inputIsFree = inputIsFree;
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.#client !== undefined;
  }

  /** The connection; a new one when there is none or it was lost. */
  async client(signal?: AbortSignal): Promise<Client> {
    if (this.#client) return this.#client;
    const onNotice = (notice: Messages["notice"]) => this.output.inform(`Server: ${printable(notice.text)}`);
    const client = await connect({ ...this.address, signal, onNotice });
    this.#client = client;
    void client.ended.then((reason) => this.#lost(client, reason));
    return client;
  }

  /** Ends the session with an orderly close. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.[Symbol.asyncDispose]();
  }

  /** The path on the server that the user means by `name`. */
  remote(name: string): string {
    return resolveRemote(this.remoteDirectory, name);
  }

  /** The path on this machine that the user means by `name`. */
  local(name: string): string {
    return this.localDirectory === "." ? name : resolve(this.localDirectory, name);
  }

  #lost(client: Client, { message }: FerryError): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    const where = formatAddress(this.address);
    this.output.inform(`The connection to ${where} has ended: ${message}. The next command connects again.`);
  }
}
