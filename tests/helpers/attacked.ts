import { assert } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { certificatePem } from "../../lib/net/certificate.ts";
import { decodeTicket } from "../../lib/net/ticket.ts";
import { type Client, connect, type ConnectOptions } from "../../lib/mod.ts";
import type { AttackName } from "./attacks/attacker.ts";
import { SMALL } from "./attacks/guests.ts";
import { sameBytes } from "./frames.ts";
import { DENO, eventually, Process, PROJECT, serverAccess, ServerProcess } from "./process.ts";
import { bytes } from "./random.ts";
import { Collector, within } from "./raw.ts";
import { type TempDir, tempDir } from "./temp.ts";

const MIB = 1024 * 1024;

/** What is read, summed up and thrown away in attacks. */
const BIG_BYTES = 32 * MIB;

/** How many names are in the large directory. */
const MANY = 500;

/** What the bystander moves. */
const CONTENT = bytes(3 * MIB + 4567, 5);

/** How many listings make a measurement, and how far they are apart, in ms. */
const LISTINGS = 30;
const LISTING_INTERVAL_MS = 10;

/** How long a transfer of the bystander may take, in ms. It only has to be right; how fast depends on the attack. */
const TRANSFER_PATIENCE_MS = 15_000;

/** The attacker comes from other addresses, so that limits for an address do not concern the bystander. */
const ATTACKERS = ["127.0.0.2", "127.0.0.3"];

/** How long `dir` took, in ms. */
export interface Latency {
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { median: at(0.5), p90: at(0.9), max: at(1) };
}

/** Puts into a directory what attackers and bystanders look for. */
async function furnish(root: string): Promise<void> {
  await Deno.mkdir(`${root}/many`, { recursive: true });
  await Deno.writeFile(`${root}/small.bin`, SMALL);
  // Without a disk that has to write it, all of it costs as much to read and to sum up.
  await Deno.writeFile(`${root}/big.bin`, new Uint8Array());
  await Deno.truncate(`${root}/big.bin`, BIG_BYTES);
  for (let i = 0; i < MANY; i++) Deno.writeFileSync(`${root}/many/file number ${i}`, new Uint8Array());
}

/** A server in a process of its own, which writes its log to a file, and a bystander in this one. */
export class Attacked implements AsyncDisposable {
  readonly #server: ServerProcess;
  readonly #dir: TempDir;
  readonly #ticket: string | undefined;

  private constructor(server: ServerProcess, dir: TempDir, ticket: string | undefined) {
    this.#server = server;
    this.#dir = dir;
    this.#ticket = ticket;
  }

  /** @param encrypted Whether it encrypts and wants a secret. */
  static async start(encrypted: boolean): Promise<Attacked> {
    const dir = await tempDir();
    const root = dir.join("served");
    await furnish(root);
    const key = dir.join("key");
    const access = ["--allow-net", `--allow-read=${root},${key}`, `--allow-write=${root},${key}`];
    const args = ["run", ...(encrypted ? access : serverAccess(root)), "server.ts", root, "--port", "0"];
    if (encrypted) args.push("--identity", key, "--ticket-file", "-");
    args.push("--log-format", "json");
    // A file does not make the server wait, nor this process work, while both are busy with the attack.
    const command = ["-c", 'exec "$@" 2>"$0"', dir.join("log"), DENO, ...args];
    const server = new ServerProcess("sh", command, { cwd: PROJECT });
    try {
      await server.ready();
      const ticket = encrypted ? await server.stdout.until(/ferry:[a-z2-7]+(?=")/) : undefined;
      return new Attacked(server, dir, ticket);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts an attack, and waits until it has struck so often. */
  async attack(name: AttackName, strikes: number): Promise<Attacker> {
    const target = { ...this.#server.address, ticket: this.#ticket, from: ATTACKERS };
    const attacker = new Attacker(name, strikes, target);
    try {
      await attacker.stdout.until("attacking\n");
      return attacker;
    } catch (error) {
      await attacker[Symbol.asyncDispose]();
      throw new Error(`${name}: ${attacker.stderr.text}`, { cause: error });
    }
  }

  connect(): Promise<Client> {
    const { secret, certificate } = this.#ticket === undefined ? {} : decodeTicket(this.#ticket);
    const options: ConnectOptions = { ...this.#server.address, secret };
    return connect(certificate ? { ...options, certificate: certificatePem(certificate) } : options);
  }

  /** The most memory it has had so far, in MiB (VmHWM of proc(5)). */
  get peakMemory(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#server.pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  /** How many file descriptors it has open. */
  get descriptors(): number {
    return Array.from(Deno.readDirSync(`/proc/${this.#server.pid}/fd`)).length;
  }

  /** How many sessions it has opened and not closed, by its log. */
  get sessions(): number {
    const count = (event: string) => this.log.split(`"event":"${event}"`).length - 1;
    return count("open") - count("close");
  }

  get log(): string {
    return Deno.readTextFileSync(this.#dir.join("log"));
  }

  /** Waits until everything is as it was before an attack. */
  async recovered(descriptors: number, sessions: number): Promise<void> {
    await eventually(
      `it has ${descriptors} descriptors and ${sessions} sessions again`,
      () => this.descriptors <= descriptors && this.sessions === sessions,
      50,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.#dir[Symbol.asyncDispose]();
  }
}

/** A process that attacks. */
export class Attacker extends Process {
  #hasEnded = false;

  constructor(name: AttackName, strikes: number, target: object) {
    const args = [name, String(strikes), JSON.stringify(target)];
    super(DENO, ["run", "--allow-all", "tests/helpers/attacks/attacker.ts", ...args]);
    void this.stderr.finished.then(() => this.#hasEnded = true);
  }

  /** Fails when it could not go on, or was served what is wrong. */
  assertAttacking(): void {
    assert(!this.#hasEnded, `the attacker has given up: ${this.stderr.text}`);
  }

  /** Ends the attack at once, whatever it is doing. */
  async stop(): Promise<void> {
    this.kill("SIGKILL");
    await this.ended();
  }
}

/** Lists a directory some times, and says how long that took. */
export async function timeListings(client: Client): Promise<Latency> {
  const times: number[] = [];
  for (let i = 0; i < LISTINGS; i++) {
    const began = performance.now();
    const names = await within(Array.fromAsync(client.dir(), ({ path }) => path), "the listing");
    times.push(performance.now() - began);
    assert(names.includes("small.bin"), `the listing is wrong: ${names}`);
    await delay(LISTING_INTERVAL_MS);
  }
  return latencyOf(times);
}

/** Uploads a file and downloads it again; fails unless it arrives as it was. */
export async function moveFile(client: Client, name = "bystander.bin"): Promise<void> {
  const receipt = await within(client.put(ReadableStream.from([CONTENT]), name), "the upload", TRANSFER_PATIENCE_MS);
  assert(receipt.size === CONTENT.length, `${receipt.size} bytes arrived`);
  const got = new Collector();
  await within(client.get(name, got), "the download", TRANSFER_PATIENCE_MS);
  assert(sameBytes(got.bytes, CONTENT), "the bystander got wrong bytes");
}
