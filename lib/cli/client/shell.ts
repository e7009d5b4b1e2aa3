import { resolve } from "@std/path";
import { ConnectionPool } from "../../client/connection_pool.ts";
import { RemoteStorage } from "../../client/remote_storage.ts";
import { cannot, FerryError } from "../../core/errors.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { printable } from "../../core/text.ts";
import type { Right } from "../../protocol/commands.ts";
import type { Storage } from "../../storage/storage.ts";
import { Retry } from "../../transfer/retry.ts";
import { formatAddress } from "../../transport/address.ts";
import { type Access, requireAccess } from "../terminal/grants.ts";
import { cut } from "../terminal/log_text.ts";
import { expandHome } from "./home_directory.ts";
import type { Address } from "./server_address.ts";
import { resolveRemote } from "./resolve_path.ts";

/** Where the shell shows things. */
export interface Output {
  /** Results. Resolves when the reader is ready for more. */
  print(text: string): Promise<void>;
  /** What is not a result: notices, news of the connection, what was transferred. */
  inform(line: string): void;
  /**
   * Asks the user. Absent where nobody answers: in a script, or for a single command.
   *
   * @returns The answer, or undefined when there is none: at the end of the input, or when the command is cancelled.
   */
  ask?(question: string): Promise<string | undefined>;
}

/** What the commands of the client work on: a connection that comes back when it is lost, and two directories. */
export class Shell {
  readonly output: Output;
  /** Whether standard input is free for `put -`, since the command was on the command line. */
  readonly inputIsFree: boolean;
  /** The directory on the server; empty for the served one. */
  remoteDirectory: RemotePath = ROOT;
  localDirectory = ".";
  /** The user asked to leave. */
  leaving = false;
  /** Whether a command is under way. */
  busy = false;
  /** Whether what is under way connects again when the connection is lost. */
  #reconnects = false;
  #address: Address;
  #pool: ConnectionPool;
  #storage: RemoteStorage;
  /** The connections of the transfer under way, if it has its own. */
  #ofTransfer: ConnectionPool | undefined;
  /** What the prompt calls the server. */
  name = "ferry";

  constructor(address: Address, output: Output, inputIsFree: boolean) {
    this.output = output;
    this.inputIsFree = inputIsFree;
    this.#address = address;
    this.#pool = this.#poolFor(address);
    this.#storage = new RemoteStorage(this.#pool);
  }

  /** Where the server is. */
  get address(): Address {
    return this.#address;
  }

  /** What the server serves. */
  get storage(): RemoteStorage {
    return this.#storage;
  }

  /** Whether there is a connection now. */
  get isConnected(): boolean {
    return this.#pool.first !== undefined;
  }

  /** What the server allows, as it said last. */
  get allows(): readonly string[] {
    return this.#pool.welcome.allows;
  }

  /** Leaves the server for another one. @throws {FerryError} If it cannot connect; then everything stays as it is. */
  async open(address: Address, signal?: AbortSignal): Promise<void> {
    const pool = this.#poolFor(address);
    try {
      await pool.connect(signal);
    } catch (error) {
      await pool.close().catch(() => {});
      throw error;
    }
    const before = this.#pool;
    this.#address = address;
    this.#pool = pool;
    this.#storage = new RemoteStorage(pool);
    this.remoteDirectory = ROOT;
    this.name = formatAddress(address);
    await before.close().catch(() => {});
  }

  /** What the server allows. Connects first where that is necessary. */
  async rights(signal?: AbortSignal): Promise<readonly string[]> {
    await this.#pool.connect(signal);
    return this.#pool.welcome.allows;
  }

  /** Whether the server allows that. Connects first where that is necessary. */
  async may(right: Right, signal?: AbortSignal): Promise<boolean> {
    return (await this.rights(signal)).includes(right);
  }

  /** Sends a line to the operator of the server. */
  async say(text: string, signal?: AbortSignal): Promise<void> {
    await this.#pool.ask({ command: "say", text }, signal);
  }

  /** Runs a transfer over a number of connections. It may go on over new ones when these are lost. */
  async transferring<T>(
    { retryFor, connections }: { readonly retryFor: number; readonly connections: number },
    run: (server: Storage, retry: Retry) => Promise<T>,
  ): Promise<T> {
    const pool = connections > 1 ? new ConnectionPool({ ...this.address, connections }) : undefined;
    const server = pool ? new RemoteStorage(pool) : this.storage;
    this.#ofTransfer = pool;
    this.#reconnects = retryFor > 0;
    try {
      return await run(server, new Retry({ retryMs: retryFor }));
    } finally {
      this.#reconnects = false;
      this.#ofTransfer = undefined;
      // What was transferred is confirmed; that they have ended already is no failure.
      await pool?.close().catch(() => {});
    }
  }

  /** Ends the session. */
  async close(): Promise<void> {
    await this.#pool.close().catch(() => {});
  }

  /** The path on the server that the user means by `name`. @param verb What is to be done there, for messages. */
  remote(name: string, verb: string): RemotePath {
    return resolveRemote(this.remoteDirectory, name) === "" ? ROOT : this.remoteEntry(name, verb);
  }

  /** The same for something in the served directory, which cannot be that itself. */
  remoteEntry(name: string, verb: string): RemotePath {
    const path = resolveRemote(this.remoteDirectory, name);
    if (path === "" && name !== "") {
      throw cannot(verb, name, new FerryError("InvalidPath", "it is the served directory itself"));
    }
    try {
      return parseRemotePath(path, false);
    } catch (error) {
      throw cannot(verb, path, error);
    }
  }

  /**
   * The path on this machine that the user means by `name`.
   *
   * @throws {FerryError} `Refused` if Deno does not allow that; what `expandHome` throws.
   */
  local(name: string, ...accesses: readonly Access[]): string {
    // Words of the command line have been through a shell, which leaves a ~ only where it was quoted.
    const expanded = this.inputIsFree ? name : expandHome(name);
    const path = this.localDirectory === "." || name === "" ? expanded : resolve(this.localDirectory, expanded);
    if (path !== "") requireAccess(path, "read", ...accesses);
    return path;
  }

  #poolFor(address: Address): ConnectionPool {
    return new ConnectionPool({
      ...address,
      onNotice: (notice) => this.output.inform(`Server: ${printable(cut(notice.text))}`),
      onLost: (reason) => this.#lost(reason),
    });
  }

  #lost(error: FerryError): void {
    const { code, message } = error;
    // The operator means the client, whichever of its sessions was named.
    if (code === "Kicked") this.#ofTransfer?.fail(error);
    // A command that does not connect again fails, and says so itself.
    const then = this.#reconnects && code !== "Kicked"
      ? " Connecting again."
      : this.busy
      ? ""
      : " The next command connects again.";
    this.output.inform(`The connection to ${formatAddress(this.address)} has ended: ${printable(message)}.${then}`);
  }
}
