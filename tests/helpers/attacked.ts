import { assert, assertEquals } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { decodeTicket } from "../../lib/auth/ticket.ts";
import { type Client, connect } from "../../lib/mod.ts";
import type { AttackName } from "./attacks/attacker.ts";
import { SMALL } from "./attacks/guests.ts";
import { sameBytes } from "./frames.ts";
import { AttackedServer } from "./attack_server.ts";
import { DENO, eventually, Process, serverAccess } from "./process.ts";
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
function furnish(root: string, names: number): void {
  for (const name of ["many", "few"]) Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  Deno.writeFileSync(`${root}/small.bin`, SMALL);
  // Without a disk that has to write it, all of it costs as much to read and to sum up.
  Deno.writeFileSync(`${root}/big.bin`, new Uint8Array());
  Deno.truncateSync(`${root}/big.bin`, BIG_BYTES);
  Deno.writeFileSync(`${root}/few/file`, new Uint8Array());
  for (let i = 0; i < names; i++) Deno.writeFileSync(`${root}/many/file number ${i}`, new Uint8Array());
}

/** A server that is attacked, and bystanders in this process. */
export class Attacked implements AsyncDisposable {
  readonly #server: AttackedServer;
  readonly #dir: TempDir;
  readonly #ticket: string | undefined;

  private constructor(server: AttackedServer, dir: TempDir, ticket: string | undefined) {
    this.#server = server;
    this.#dir = dir;
    this.#ticket = ticket;
  }

  /**
   * @param encrypted Whether it encrypts and wants a secret.
   * @param names How many names are in the large directory.
   */
  static async start(encrypted: boolean, names = MANY): Promise<Attacked> {
    const dir = await tempDir();
    const root = dir.join("served");
    furnish(root, names);
    const key = dir.join("key");
    const access = encrypted
      ? ["--allow-net", `--allow-read=${root},${key}`, `--allow-write=${root},${key}`]
      : serverAccess(root);
    try {
      const options = { access, args: encrypted ? ["--identity", key, "--ticket-file", "-"] : [] };
      const server = await AttackedServer.start(root, dir.join("log"), options);
      const ticket = encrypted ? await server.printed(/ferry:[a-z2-7]+(?=")/) : undefined;
      return new Attacked(server, dir, ticket);
    } catch (error) {
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
    const { secret, keyHash } = this.#ticket === undefined ? {} : decodeTicket(this.#ticket);
    return connect({ ...this.#server.address, secret, keyHash });
  }

  /** The most memory it has had so far, in MiB. */
  get peakMemory(): number {
    return this.#server.peakMemory;
  }

  /** How many file descriptors it has open. */
  get descriptors(): number {
    return this.#server.descriptors;
  }

  /** How many sessions it has opened and not closed, by its log. */
  get sessions(): number {
    return this.#server.sessions;
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

/** How long something took each time that it was done, in ms. */
export class Times {
  readonly #times: number[] = [];

  add(ms: number): void {
    this.#times.push(ms);
  }

  get count(): number {
    return this.#times.length;
  }

  /** What a share of them took at most. */
  within(share: number): number {
    const sorted = this.#times.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
  }

  toString(): string {
    return `median ${this.within(0.5).toFixed(1)}, 99.9 % within ${this.within(0.999).toFixed(1)} ms of ${this.count}`;
  }
}

/** How long something takes, in ms. */
async function timed(act: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

async function listSmall(client: Client): Promise<void> {
  assertEquals(await within(Array.fromAsync(client.dir("few"), ({ path }) => path), "the listing"), ["file"]);
}

/** What bystanders had to wait for: one who was there before the attack, and those who come while it goes on. */
export interface Waits {
  readonly before: Times;
  readonly late: Times;
  /** How often the machine itself was too slow for a look at the server to say anything. */
  readonly disturbed: number;
}

/**
 * Lists a small directory over and over, on a connection that is there and on new ones, and each time, at the same
 * time, on a server that nobody attacks. Where that one takes long as well it is the machine that is slow, which says
 * nothing of the server: such a look does not count.
 *
 * @param rounds How many looks shall count of each kind.
 * @param ms After this it is enough, in ms, with however many looks.
 * @param fairMs How long the server that is not attacked may take, in ms.
 */
export async function timeWaits(
  attacked: Attacked,
  calm: Attacked,
  rounds: number,
  ms: number,
  fairMs: number,
): Promise<Waits> {
  await using mine = await attacked.connect();
  await using other = await calm.connect();
  const [before, late] = [new Times(), new Times()];
  let disturbed = 0;
  const comeAndList = async (server: Attacked) => {
    await using client = await server.connect();
    await listSmall(client);
  };
  const look = async (times: Times, act: () => Promise<void>, control: () => Promise<void>) => {
    const [ms, controlMs] = await Promise.all([timed(act), timed(control)]);
    if (controlMs > fairMs) disturbed++;
    else times.add(ms);
  };
  const until = performance.now() + ms;
  while (performance.now() < until && late.count < rounds) {
    await look(before, () => listSmall(mine), () => listSmall(other));
    await look(late, () => comeAndList(attacked), () => comeAndList(calm));
  }
  return { before, late, disturbed };
}
