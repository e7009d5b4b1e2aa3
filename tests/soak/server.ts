import { setTimeout as delay } from "node:timers/promises";
import { ownerOf } from "../../lib/auth/secret.ts";
import { decodeTicket, encodeTicket, type Ticket } from "../../lib/auth/ticket.ts";
import type { ConnectOptions } from "../../lib/mod.ts";
import { memoryOf } from "../../bench/helpers/memory.ts";
import { eventually, type ServerProcess, startServer } from "../helpers/process.ts";
import type { Address } from "../helpers/proxy.ts";
import type { TempDir } from "../helpers/temp.ts";
import { Wrong } from "./model.ts";

/** How a server is reached: open on loopback, or encrypted and with a ticket. */
export type Kind = "plain" | "tls";

/**
 * How much more memory than while it warmed up a server may have, in MB. What V8 and malloc keep of what was freed
 * grows with the largest load so far, and more slowly each time: within some minutes to 90 MB without encryption and
 * 220 MB with it, while the heap in use, looked at after a collection that was asked for, stays at 10 MB through 1,000
 * transfers. From the end of the warming up to that of ten minutes there are over 1,000 connections, so that 60 KB left
 * of each would be too much.
 */
const MEMORY_BOUND_MB = 64;

/** How much memory a server may have while all sorts of clients are there, some of which do not read, in MB. */
const PEAK_BOUND_MB = 640;

/** What a process uses while nobody asks it for anything. */
export interface Use {
  readonly megabytes: number;
  readonly handles: readonly string[];
}

/** What the open file handles of a process are, sorted. */
export function handlesOf(pid: number | "self"): string[] {
  const links: string[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      // Numbers of sockets and pipes say nothing.
      links.push(Deno.readLinkSync(`/proc/${pid}/fd/${name}`).replace(/:\[\d+\]$/, ""));
    } catch (error) {
      // The one with which we look.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return links.sort();
}

/** A real server process, which can be killed and starts again in the same place. */
export class SoakServer implements AsyncDisposable {
  readonly kind: Kind;
  readonly #dir: TempDir;
  readonly #root: string;
  #process: ServerProcess;
  #ticket: Ticket | undefined;
  /** Whether it is being ended by us. */
  #isKilled = false;
  /** How much of the log was looked at. */
  #logged = 0;
  #open = 0;
  /** What this process used, each time that it was looked at. */
  uses: Use[] = [];
  /** The most memory that it had while it warmed up, in MB. */
  #warmMegabytes = 0;

  private constructor(kind: Kind, root: string, dir: TempDir, process: ServerProcess) {
    this.kind = kind;
    this.#root = root;
    this.#dir = dir;
    this.#process = process;
  }

  /**
   * @param root The directory to serve.
   * @param dir Where it keeps what clients must not have.
   */
  static async start(kind: Kind, root: string, dir: TempDir): Promise<SoakServer> {
    const server = new SoakServer(kind, root, dir, await launch(kind, root, dir, 0));
    if (kind === "tls") server.#ticket = decodeTicket(await Deno.readTextFile(dir.join("ticket")));
    return server;
  }

  /** Where it really listens. */
  get address(): Address {
    return { hostname: "127.0.0.1", port: this.#process.address.port };
  }

  /** How to connect with the library; `at` is the server or a proxy before it. */
  at(at: Address): ConnectOptions {
    const { keyHash, secret } = this.#ticket ?? {};
    return { ...at, secret, keyHash };
  }

  /** Whose the uploads of its clients are. */
  get owner(): string {
    return this.#ticket ? ownerOf(this.#ticket.secret) : "";
  }

  /** The same for the command line of a client. */
  wordAt({ hostname, port }: Address): string {
    return this.#ticket ? encodeTicket({ ...this.#ticket, addresses: [hostname], port }) : `${hostname}:${port}`;
  }

  /** Ends it without warning, and starts it again on the same port and directory. */
  async killAndRestart(): Promise<void> {
    this.checkLog();
    this.#isKilled = true;
    this.#process.kill("SIGKILL");
    await this.#process.ended();
    this.checkLog();
    this.#process = await launch(this.kind, this.#root, this.#dir, this.address.port);
    this.#isKilled = false;
    this.uses = [];
    this.#warmMegabytes = 0;
    this.#logged = this.#open = 0;
  }

  /** Stops it for a moment. */
  async freeze(ms: number): Promise<void> {
    this.#process.kill("SIGSTOP");
    await delay(ms);
    this.#process.kill("SIGCONT");
  }

  /** Waits until it has no session any more. */
  async idle(): Promise<void> {
    await eventually("all sessions of the server have ended", () => {
      this.checkLog();
      return this.#open === 0;
    }, 100).catch((cause) => {
      throw new Wrong(`sessions have not ended: ${this.#openSessions()}; handles: ${handlesOf(this.#process.pid)}`, {
        cause,
      });
    });
  }

  /** The log of all sessions that have not ended. */
  #openSessions(): string {
    const lines = this.#process.stderr.text.split("\n").filter((line) => line.startsWith("{"));
    const events = lines.map((line): { event: string; session?: number } => JSON.parse(line));
    const ended = new Set(events.flatMap(({ event, session }) => event === "close" ? [session] : []));
    return lines.filter((_, i) => events[i]?.session !== undefined && !ended.has(events[i].session)).join("\n");
  }

  /** Reads what it has logged since the last time. Fails for what no client may bring about. */
  checkLog(): void {
    const text = this.#process.stderr.text;
    if (this.#process.hasEnded && !this.#isKilled) throw new Wrong(`the server has ended: ${text.slice(-2000)}`);
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(this.#logged, end).split("\n")) {
      if (line === "" || line.includes('"event":"permissions"')) continue;
      if (line.includes('"event":"open"')) this.#open++;
      else if (line.includes('"event":"close"')) this.#open--;
      const isTrouble = line.includes('"outcome":"Internal"') || !line.startsWith("{") ||
        (line.includes('"event":"warning"') && !line.includes("did not complete the encryption"));
      if (isTrouble) throw new Wrong(`the server says: ${line}`);
    }
    this.#logged = end;
  }

  /**
   * Fails unless what it uses is what it used at first. To be called when it has no session.
   *
   * @param isWarm Whether its memory should not grow from now on.
   * @param restMs How long it has for collecting garbage before its memory is looked at, in ms.
   */
  async checkUse(isWarm: boolean, restMs: number): Promise<Use> {
    const { pid } = this.#process;
    const handles = () => handlesOf(pid);
    const [first] = this.uses;
    if (first) {
      const wanted = first.handles.join();
      await eventually(`the handles ${handles()} are again ${wanted}`, () => handles().join() === wanted, 50);
    }
    const peak = memoryOf(pid, "VmHWM") / 1024;
    if (peak > PEAK_BOUND_MB) throw new Wrong(`it has had ${peak} MB`);
    await delay(restMs);
    const use = { megabytes: memoryOf(pid, "VmRSS") / 1024, handles: handles() };
    this.uses.push(use);
    if (!first || !isWarm) this.#warmMegabytes = Math.max(this.#warmMegabytes, use.megabytes);
    if (use.megabytes > this.#warmMegabytes + MEMORY_BOUND_MB) {
      throw new Wrong(`memory has grown from ${this.#warmMegabytes} to ${use.megabytes} MB`);
    }
    return use;
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.checkLog();
    this.#isKilled = true;
    this.#process.kill("SIGTERM");
    const code = await this.#process.ended();
    if (code !== 0) throw new Wrong(`the server ended with ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

async function launch(kind: Kind, served: string, dir: TempDir, port: number): Promise<ServerProcess> {
  const files = [served, ...kind === "tls" ? [dir.join("identity"), dir.join("ticket")] : []].join(",");
  const options = ["--port", String(port), "--log-format", "json"];
  if (kind === "tls") {
    const [, identity = "", ticket = ""] = files.split(",");
    options.push("--host", "0.0.0.0", "--address", "127.0.0.1", "--identity", identity, "--ticket-file", ticket);
  }
  const process = await startServer(served, options, [
    "--allow-net",
    `--allow-read=${files}`,
    `--allow-write=${files}`,
  ]);
  // The server says so when it has written the ticket.
  if (kind === "tls") await process.stderr.until('"event":"tickets"');
  return process;
}
