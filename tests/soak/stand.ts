import { setTimeout as delay } from "node:timers/promises";
import { FaultProxy } from "../helpers/proxy.ts";
import { Grounds } from "../helpers/attack_grounds.ts";
import { Random } from "../helpers/random.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";
import { DIRECTORIES } from "./actions/action.ts";
import { RandomFaults } from "./faults.ts";
import { Model } from "./model.ts";
import { checkEmpty, checkQuiet } from "./quiet.ts";
import { type Kind, SoakServer, type Use } from "./server.ts";
import type { Tally } from "./tally.ts";
import { type Lane, Worker } from "./worker.ts";

/** How long clients work before everything is looked at, in ms. */
const ROUND_MS = 20_000;

/** How long a server rests after each round before its memory is looked at, in ms; less when all is short. */
const REST_MS = 3_000;

/** Clients that work at the same time on each server. */
const WORKERS = 4;

/** The server is killed in this share of the time only, so that one process then lives long enough to be judged. */
const KILLING_SHARE = 0.3;

/** After this share of the time its memory has warmed up. */
const WARMING_SHARE = 0.6;

/** The pauses between two blows to the server, and between two looks at its files, in ms. */
const BLOW_PAUSE_MS = 6_000;
const LOOK_PAUSE_MS = 30;

/** What to do. */
export interface Soaking {
  /** Decides what is done; when it happens depends on the machine, too. */
  readonly seed: number;
  /** How long, about, in ms. */
  readonly ms: number;
  /** Ends it earlier when it is aborted. */
  readonly stop: AbortController;
  /** Told how it goes. */
  readonly report: (line: string) => void;
}

/** What came of one server. */
export interface Result {
  readonly kind: Kind;
  readonly rounds: number;
  /** What the last server process used after each round, when it had no session. */
  readonly uses: readonly Use[];
}

/** Waits for all; what one throws stops the others. */
export async function together<T>(stop: AbortController, ...all: Promise<T>[]): Promise<T[]> {
  const stopping = all.map((each) =>
    each.catch((error) => {
      stop.abort();
      throw error;
    })
  );
  await Promise.allSettled(stopping);
  return await Promise.all(stopping);
}

/** One server and its clients. */
export class Stand {
  readonly #server: SoakServer;
  readonly #grounds: Grounds;
  readonly #tally: Tally;
  readonly #soaking: Soaking;
  readonly #lanes: readonly Lane[];

  private constructor(server: SoakServer, grounds: Grounds, dir: TempDir, tally: Tally, soaking: Soaking) {
    this.#server = server;
    this.#grounds = grounds;
    this.#tally = tally;
    this.#soaking = soaking;
    this.#lanes = Array.from({ length: WORKERS }, (_, i) => {
      const [{ root }, remote, local] = [grounds, `w${i}`, dir.join(`local${i}`)];
      Deno.mkdirSync(local);
      return { place: { server, tally, grounds, root, remote, local }, model: new Model(root), made: 0 };
    });
  }

  /** Soaks a server. @throws {Wrong} When anything is not as it must be. */
  static async run(kind: Kind, soaking: Soaking, tally: Tally): Promise<Result> {
    await using dir = await tempDir();
    await using grounds = await Grounds.create();
    await using server = await SoakServer.start(kind, grounds.root, dir);
    const result = await new Stand(server, grounds, dir, tally, soaking).#run();
    await server.stop();
    return { kind, ...result };
  }

  async #run(): Promise<Omit<Result, "kind">> {
    const { seed, ms, stop, report } = this.#soaking;
    const began = performance.now();
    let rounds = 0;
    let isLast = false;
    while (!isLast) {
      const passed = performance.now() - began;
      const random = new Random(seed + 104_729 * ++rounds);
      await this.#makeDirectories();
      await this.#work(random, Math.max(0, Math.min(ROUND_MS, ms - passed)), passed < ms * KILLING_SHARE);
      // A round that is hardly begun would show nothing.
      isLast = stop.signal.aborted || performance.now() - began + ROUND_MS / 2 >= ms;
      await this.#server.idle();
      this.#grounds.checkOutside();
      await checkQuiet(this.#server, this.#lanes, random, isLast);
      const { megabytes } = await this.#server.checkUse(passed >= ms * WARMING_SHARE, Math.min(REST_MS, ms / 10));
      report(`${this.#server.kind}, round ${rounds}: nothing was wrong, ${megabytes.toFixed(0)} MB`);
    }
    checkEmpty(this.#lanes);
    return { rounds, uses: this.#server.uses };
  }

  async #makeDirectories(): Promise<void> {
    for (const { place: { root, remote } } of this.#lanes) {
      for (const directory of DIRECTORIES) await Deno.mkdir(`${root}/${remote}/${directory}`, { recursive: true });
    }
  }

  /** Lets the clients work on bad lines. */
  async #work(random: Random, ms: number, mayKill: boolean): Promise<void> {
    const stop = new AbortController();
    const ending = AbortSignal.any([stop.signal, this.#soaking.stop.signal, AbortSignal.timeout(ms)]);
    await using proxies = new AsyncDisposableStack();
    const works = this.#lanes.map(async (lane) => {
      const [faults, actions] = [new Random(random.u32()), random.u32()];
      const proxy = proxies.use(await FaultProxy.to(this.#server.address, new RandomFaults(faults, this.#tally)));
      const worker = new Worker(lane, proxy.address, actions, ending);
      try {
        await worker.run();
      } finally {
        this.#tally.bytes += proxy.passed.toServer + proxy.passed.toClient;
      }
    });
    const blows = this.#strike(new Random(random.u32()), ending, mayKill);
    const watching = this.#watch(new Random(random.u32()), ending);
    await together(stop, ...works, blows, watching);
  }

  /** Stops the server for a moment now and then, or kills it. */
  async #strike(random: Random, signal: AbortSignal, mayKill: boolean): Promise<void> {
    for (;;) {
      const kill = mayKill && random.below(3) === 0;
      await delay(random.below(BLOW_PAUSE_MS), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#tally.blows.add(kill ? "servers killed" : "servers stopped for a moment");
      if (kill) await this.#server.killAndRestart();
      else await this.#server.freeze(random.below(1000));
    }
  }

  /** Looks at names on the disk while clients work. */
  async #watch(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { model } = this.#lanes[random.below(this.#lanes.length)] ?? {};
      const name = model?.pick(random, () => true);
      if (model && name) await model.checkDisk(name);
      this.#server.checkLog();
      if (random.below(20) === 0) this.#grounds.checkOutside();
      await delay(LOOK_PAUSE_MS);
    }
  }
}
