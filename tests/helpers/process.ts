import { delimiter } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dirname, fromFileUrl, join } from "@std/path";
import type { Address } from "./proxy.ts";

/** The directory of the project, where the entry points are. */
export const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

/** The Deno that runs the tests. */
export const DENO = Deno.execPath();

/** So that a shell finds the same Deno. */
const PATH = [dirname(DENO), Deno.env.get("PATH") ?? ""].join(delimiter);

/** How long a process may take to say something or to end, in ms. Only a failing test waits so long. */
const DEADLINE_MS = 15_000;

/** How often a condition outside the process is looked at, in ms. */
const POLL_MS = 10;

const decoder = new TextDecoder();

/** Rejects unless `promise` is fulfilled in time. */
async function inTime<T>(promise: Promise<T>, failure: () => string, deadlineMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${failure()} (waited ${deadlineMs} ms)`)), deadlineMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `condition` holds, for what cannot be waited for in any other way: files of another process. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`It never came true that ${what}`);
    await delay(pollMs);
  }
}

/** What a process writes to one of its outputs. */
export class ProcessOutput {
  readonly #name: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #chunks: Uint8Array[] = [];
  readonly #streaming = new TextDecoder();
  /** Fulfilled when everything was read. */
  readonly finished: Promise<void>;
  #text = "";
  /** Where the next `until` begins to look. */
  #seen = 0;
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(name: string, stream: ReadableStream<Uint8Array>) {
    this.#name = name;
    this.#reader = stream.getReader();
    this.finished = this.#collect();
  }

  /** All of it so far. */
  get text(): string {
    return this.#text;
  }

  /** Whether there is no more. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** All of it so far, as bytes. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#chunks.reduce((size, chunk) => size + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /**
   * Waits for text that was not waited for before.
   *
   * @returns What was matched.
   */
  async until(wanted: string | RegExp): Promise<string> {
    const found = async () => {
      for (;;) {
        const rest = this.#text.slice(this.#seen);
        const at = typeof wanted === "string" ? rest.indexOf(wanted) : rest.search(wanted);
        if (at >= 0) {
          const match = typeof wanted === "string" ? wanted : wanted.exec(rest)?.[0] ?? "";
          this.#seen += at + match.length;
          return match;
        }
        if (this.#ended) throw new Error(`${this.#name} ended ${this.#without(wanted)}`);
        await this.#changed.promise;
      }
    };
    return await inTime(found(), () => `${this.#name} is still ${this.#without(wanted)}`, DEADLINE_MS);
  }

  #without(wanted: string | RegExp): string {
    return `without ${Deno.inspect(wanted)} after ${JSON.stringify(this.#text.slice(this.#seen))}; all of it: ${
      JSON.stringify(this.#text)
    }`;
  }

  /** Reads no more, as `head` does when it has enough; the process finds its output closed. */
  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async #collect(): Promise<void> {
    for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
      this.#chunks.push(next.value);
      this.#text += this.#streaming.decode(next.value, { stream: true });
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** How to start a process. */
export interface ProcessOptions {
  /** The working directory; the project when absent. */
  readonly cwd?: string;
  /** Variables of its environment, besides those of this process. */
  readonly env?: Record<string, string>;
  /** A command that runs the program with its arguments, which follow, in some other way. */
  readonly under?: readonly string[];
}

/** A process that is killed at the end of its scope, if it has not ended by then. */
export class Process implements AsyncDisposable {
  readonly stdout: ProcessOutput;
  readonly stderr: ProcessOutput;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #name: string;
  #inputEnded = false;

  constructor(program: string, args: readonly string[], options: ProcessOptions = {}) {
    const { cwd = PROJECT, env = {}, under = [] } = options;
    const [first = program, ...rest] = [...under, program, ...args];
    this.#name = [first, ...rest].join(" ");
    this.#child = new Deno.Command(first, {
      args: rest,
      cwd,
      env: { NO_COLOR: "1", PATH, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    // It may end before it was given all of its input.
    this.#input.closed.catch(() => {});
    this.stdout = new ProcessOutput("stdout", this.#child.stdout);
    this.stderr = new ProcessOutput("stderr", this.#child.stderr);
  }

  /** Its number in the system. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has ended, as far as its outputs say. */
  get hasEnded(): boolean {
    return this.stdout.hasEnded && this.stderr.hasEnded;
  }

  /** Writes to its standard input. */
  async type(input: string | Uint8Array): Promise<void> {
    await this.#input.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    // It may have ended, and its input with it.
    await this.#input.close().catch(() => {});
  }

  /** Sends a signal to this process alone. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /**
   * Waits until it has ended and everything it wrote was read.
   *
   * @returns The exit code; 128 + the number of the signal that ended it.
   */
  async ended(deadlineMs = DEADLINE_MS): Promise<number> {
    const all = Promise.all([this.#child.status, this.stdout.finished, this.stderr.finished]);
    const [{ code }] = await inTime(all, () => `${this.#name} still runs: ${this.#written()}`, deadlineMs);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.endInput();
    await Promise.all([this.#child.status, this.stdout.finished, this.stderr.finished]);
  }

  #written(): string {
    return `stdout ${JSON.stringify(this.stdout.text)}, stderr ${JSON.stringify(this.stderr.text)}`;
  }
}

/** What a process did that has ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** Waits for the end of a process, after giving it all of its input. */
async function outcome(process: Process, input: string | Uint8Array): Promise<Outcome> {
  if (input.length > 0) await process.type(input).catch(() => {});
  await process.endInput();
  const code = await process.ended();
  const { bytes } = process.stdout;
  return { code, stdout: decoder.decode(bytes), bytes, stderr: process.stderr.text };
}

/** The permissions of a server as they are documented. */
export function serverAccess(directory: string): string[] {
  return ["--allow-net", `--allow-read=${directory}`, `--allow-write=${directory}`];
}

/** The permissions of a client as they are documented. */
export const CLIENT_ACCESS = ["--allow-net", "--allow-read", "--allow-write"];

const SERVER = join(PROJECT, "server.ts");
const CLIENT = join(PROJECT, "client.ts");

/** A server that listens. */
export class ServerProcess extends Process {
  /** Where it listens; known once `ready` is. */
  address: Address = { hostname: "", port: 0 };

  /** `host:port`, as it stands on a client's command line. */
  get at(): string {
    return `${this.address.hostname}:${this.address.port}`;
  }

  /** Waits for the line that says where it listens, in either form. */
  async ready(): Promise<void> {
    const line = await this.stdout.until(/^.*\n/);
    if (line.startsWith("{")) {
      const { hostname, port } = JSON.parse(line);
      this.address = { hostname, port };
    } else {
      const [, hostname = "", port = ""] = / on (\S+):(\d+)\n$/.exec(line) ?? [];
      this.address = { hostname, port: Number(port) };
    }
  }
}

/**
 * Starts a server on any free port, or another if `args` say so, and waits until it listens.
 *
 * @param access The permissions; those that are documented when absent.
 */
export async function startServer(
  directory: string,
  args: readonly string[] = [],
  access: readonly string[] = serverAccess(directory),
  options: ProcessOptions = {},
): Promise<ServerProcess> {
  const server = new ServerProcess(DENO, ["run", ...access, SERVER, directory, "--port", "0", ...args], options);
  try {
    await server.ready();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts a client. */
export function startClient(args: readonly string[], options: ProcessOptions = {}): Process {
  return new Process(DENO, ["run", ...CLIENT_ACCESS, CLIENT, ...args], options);
}

/** Runs a server to its end, with the permissions in `access`. */
export async function runServer(args: readonly string[], access: readonly string[] = []): Promise<Outcome> {
  await using process = new Process(DENO, ["run", ...access, SERVER, ...args]);
  return await outcome(process, "");
}

/** Runs a client to its end. */
export async function runClient(
  args: readonly string[],
  { input = "", ...options }: ProcessOptions & { input?: string | Uint8Array } = {},
): Promise<Outcome> {
  await using process = startClient(args, options);
  return await outcome(process, input);
}

/** `word` in a form that a POSIX shell gives back as it was. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function hasScript(): boolean {
  try {
    const { stdout } = new Deno.Command("script", { args: ["--version"], stderr: "null" }).outputSync();
    return decoder.decode(stdout).includes("util-linux");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether tests can give processes a terminal. */
export const hasTerminal = hasScript();
if (!hasTerminal) console.log("Tests that need a terminal are skipped: there is no script(1) from util-linux here.");

/** The terminal's own translation of line ends and repetition of what is typed are left as a user has them. */
const TERMINAL_SIZE = "stty cols 120 rows 40";

/** Runs a command that has a terminal, where `type` is the keyboard and `stdout` is all that the screen gets. */
export function inTerminal(command: readonly string[], options: ProcessOptions = {}): Process {
  const line = `${TERMINAL_SIZE}; exec ${command.map(shellQuote).join(" ")}`;
  const env = { SHELL: "/bin/sh", TERM: "xterm", ...options.env };
  return new Process("script", ["-qec", line, "/dev/null"], { ...options, env });
}

/** Runs a client that has a terminal. */
export function clientInTerminal(args: readonly string[], options: ProcessOptions = {}): Process {
  return inTerminal([DENO, "run", ...CLIENT_ACCESS, CLIENT, ...args], options);
}

/** Runs a server that has a terminal. */
export function serverInTerminal(args: readonly string[], access: readonly string[]): Process {
  return inTerminal([DENO, "run", ...access, SERVER, ...args]);
}
