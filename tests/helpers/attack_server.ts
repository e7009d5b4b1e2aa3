import { setTimeout as delay } from "node:timers/promises";
import { assert } from "@std/assert";
import { memoryOf } from "../../bench/helpers/memory.ts";
import { DENO, PROJECT, ServerProcess } from "./process.ts";
import type { Address } from "./proxy.ts";

/** How to start a server that will be attacked. */
export interface AttackedServerOptions {
  /** The permissions that Deno gives it. */
  readonly access: readonly string[];
  /** More of its command line. */
  readonly args?: readonly string[];
}

/** A server in a process of its own, so that nothing that it does can hurt who looks at it; its log goes to a file. */
export class AttackedServer implements AsyncDisposable {
  readonly #process: ServerProcess;
  readonly #log: string;

  private constructor(process: ServerProcess, log: string) {
    this.#process = process;
    this.#log = log;
  }

  /**
   * @param root The directory to serve.
   * @param log The file for its log, as JSON.
   */
  static async start(root: string, log: string, { access, args = [] }: AttackedServerOptions): Promise<AttackedServer> {
    const command = [DENO, "run", ...access, "server.ts", root, "--port", "0", "--log-format", "json", ...args];
    // A file does not make the server wait, nor this process work, while both are busy with the attack.
    const process = new ServerProcess("sh", ["-c", 'exec "$@" 2>>"$0"', log, ...command], { cwd: PROJECT });
    try {
      await process.ready();
      return new AttackedServer(process, log);
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): Address {
    return this.#process.address;
  }

  /** What it has printed that was not waited for before. */
  printed(wanted: RegExp): Promise<string> {
    return this.#process.stdout.until(wanted);
  }

  /** The most memory that it has had so far, in MiB. */
  get peakMemory(): number {
    return memoryOf(this.#process.pid, "VmHWM") / 1024;
  }

  /** The memory that it has now, in MiB. */
  get memory(): number {
    return memoryOf(this.#process.pid, "VmRSS") / 1024;
  }

  /** How many file descriptors it has open. */
  get descriptors(): number {
    return Array.from(Deno.readDirSync(`/proc/${this.#process.pid}/fd`)).length;
  }

  /** How many sessions it has opened and not closed, by its log. */
  get sessions(): number {
    const { log } = this;
    const count = (event: string) => log.split(`"event":"${event}"`).length - 1;
    return count("open") - count("close");
  }

  get log(): string {
    return Deno.readTextFileSync(this.#log);
  }

  /** Begins a new log. It is written at its end, wherever that is. */
  forgetLog(): void {
    Deno.truncateSync(this.#log);
  }

  /** Fails when it has ended. @param ms How long it may take to see that, when something points to it. */
  async assertRuns(ms = 0): Promise<void> {
    if (ms > 0) await Promise.race([this.#process.stdout.finished, delay(ms)]);
    assert(!this.#process.stdout.hasEnded, `the server has ended: ${this.log.slice(-2000)}`);
  }

  /** How long it has used a processor so far, in ms. */
  get busyMs(): number {
    const stat = Deno.readTextFileSync(`/proc/${this.#process.pid}/stat`);
    // After the name, which may hold anything, come the state and ten more; then ticks of 10 ms.
    const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
    return (Number(user) + Number(system)) * 10;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
