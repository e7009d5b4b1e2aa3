import { setTimeout as delay } from "node:timers/promises";

/** A program and how to start it. */
export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** How long a server may take to listen, in ms. */
const START_DEADLINE_MS = 20_000;

/** How long a server may take to end after SIGTERM before it is killed, in ms. */
const STOP_DEADLINE_MS = 3_000;

/** How often a server is asked whether it listens, in ms. */
const POLL_MS = 20;

/** How much of what a process says is kept for a failure's message, in characters. */
const KEPT_CHARACTERS = 2_000;

/** So that a Deno that looks for news or colours does not differ from one that does not. */
const ENVIRONMENT = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** Collects the end of what a process says. */
class Tail {
  text = "";
  readonly finished: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.finished = this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.text = (this.text + decoder.decode(chunk, { stream: true })).slice(-KEPT_CHARACTERS);
    }
  }
}

function describe({ program, args }: CommandLine): string {
  return [program, ...args].join(" ").slice(0, 200);
}

function command({ program, args, env = {}, cwd }: CommandLine, options: Deno.CommandOptions): Deno.Command {
  return new Deno.Command(program, {
    args: [...args],
    env: { ...ENVIRONMENT, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...options,
  });
}

/**
 * Runs a program to its end.
 *
 * @param signal Ends the program when it is aborted.
 * @returns The time from its start to its end, in seconds.
 * @throws {Error} When it fails, with the end of what it said.
 */
export async function run(line: CommandLine, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const began = performance.now();
  const child = command(line, { stdin: "null", stdout: "null", stderr: "piped", signal }).spawn();
  const said = new Tail(child.stderr);
  const { code } = await child.status;
  const seconds = (performance.now() - began) / 1000;
  await said.finished;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${describe(line)}: exit code ${code}: ${said.text.trim()}`);
  return seconds;
}

/** What a program prints, on both outputs, whatever its exit code; undefined when it is not installed. */
export async function printed(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await command({ program, args }, { stdin: "null" }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether all these programs are installed. */
export function areInstalled(...programs: readonly string[]): boolean {
  const directories = ["/usr/sbin", "/sbin", ...(Deno.env.get("PATH") ?? "").split(":")];
  const exists = (path: string) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  };
  return programs.every((program) => directories.some((directory) => exists(`${directory}/${program}`)));
}

/** Writes what is in the system's buffers to the disk, so that nobody pays for what another has left there. */
export async function syncDisks(signal: AbortSignal): Promise<void> {
  await run({ program: "sync", args: [] }, signal);
}

async function accepts(hostname: string, port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch {
    return false;
  }
}

/** A server that runs until the end of its scope. */
export class Service implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #said: Tail[];
  readonly #line: CommandLine;
  #ended = false;

  private constructor(line: CommandLine) {
    this.#line = line;
    this.#child = command(line, { stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    this.pid = this.#child.pid;
    this.#said = [new Tail(this.#child.stdout), new Tail(this.#child.stderr)];
    void this.#child.status.then(() => this.#ended = true);
  }

  /**
   * Starts a server and waits until it accepts connections.
   *
   * @throws {Error} When it does not, with the end of what it said.
   */
  static async start(line: CommandLine, port: number, hostname = "127.0.0.1"): Promise<Service> {
    const service = new Service(line);
    const deadline = performance.now() + START_DEADLINE_MS;
    while (!await accepts(hostname, port)) {
      if (service.#ended || performance.now() > deadline) {
        await service[Symbol.asyncDispose]();
        const said = service.#said.map(({ text }) => text).join("").trim();
        throw new Error(`${describe(line)} does not listen on port ${port}: ${said}`);
      }
      await delay(POLL_MS);
    }
    return service;
  }

  #kill(signal: Deno.Signal): void {
    try {
      if (!this.#ended) this.#child.kill(signal);
    } catch {
      // It has ended at this moment.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#child.status;
    clearTimeout(timer);
    // A process that it started may hold its outputs open a little longer.
    await Promise.race([Promise.all(this.#said.map(({ finished }) => finished)), delay(STOP_DEADLINE_MS)]);
  }

  /** For messages. */
  toString(): string {
    return describe(this.#line);
  }
}
