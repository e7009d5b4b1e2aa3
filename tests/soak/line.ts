import {
  type Client,
  connect,
  ConnectionPool,
  type ConnectOptions,
  copyFile,
  localSource,
  localTarget,
  RemoteStorage,
  Retry,
} from "../../lib/mod.ts";
import type { Attempts } from "../../lib/transfer/retry.ts";
import type { CopyOptions } from "../../lib/transfer/copy.ts";
import type { Direction } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";

/** Repeats, and says so. */
class CountedRetry extends Retry {
  readonly #onRepeat: () => void;

  constructor(onRepeat: () => void) {
    super({ retryMs: 3_000 });
    this.#onRepeat = onRepeat;
  }

  override run<T>(
    operation: (attempts: Attempts, isRepeated: boolean) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return super.run((attempts, isRepeated) => {
      if (isRepeated) this.#onRepeat();
      return operation(attempts, isRepeated);
    }, signal);
  }
}

/** How a worker reaches its server: with the library's client, and with copies that are repeated when a line is lost. */
export class Line {
  readonly #options: ConnectOptions;
  readonly #pool: ConnectionPool;
  readonly #retry: CountedRetry;
  #client: Client | undefined;

  /** @param onRepeat Told when something is done again that may have succeeded before. */
  constructor(options: ConnectOptions, connections: number, onRepeat: () => void) {
    this.#options = options;
    this.#pool = new ConnectionPool({ ...options, connections });
    this.#retry = new CountedRetry(onRepeat);
  }

  /** A client that is connected. */
  async client(signal?: AbortSignal): Promise<Client> {
    if (this.#client?.hasEnded) {
      await this.#client[Symbol.asyncDispose]();
      this.#client = undefined;
    }
    return this.#client ??= await connect({ ...this.#options, signal });
  }

  /** Copies a file as the command line does: again and again over new connections, going on where it stopped. */
  async copy(direction: Direction, path: string, localPath: string, options: CopyOptions): Promise<void> {
    const there = { storage: new RemoteStorage(this.#pool), path: at(path), shown: path };
    const [source, target] = direction === "put" ? [localSource(localPath), there] : [there, localTarget(localPath)];
    await copyFile(source, target, { ...options, verb: direction, retry: this.#retry });
  }

  async close(): Promise<void> {
    await this.#client?.close().catch(() => {});
    await this.#pool.close().catch(() => {});
  }
}
