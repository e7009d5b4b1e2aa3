import type { Connection } from "../transport/connection.ts";
import { FerryError } from "../core/errors.ts";
import { MAX_DATA_BYTES } from "../protocol/constants.ts";
import type { Request } from "../protocol/commands.ts";
import type { ByteSink, Fill } from "../storage/storage.ts";
import type { ConnectionPool } from "./connection_pool.ts";
import { type AnswerHandler, type HeldBody, PendingRequest, violation } from "./pending_request.ts";

/** How long giving up waits until the server has answered, in ms: a line may stand still. */
const GIVE_UP_TIMEOUT_MS = 2_000;

/** The failure of who writes more than was announced. */
export function tooMuch(): FerryError {
  return new FerryError("BadRequest", "more bytes came than were announced");
}

/** The failure of who writes fewer bytes than were announced. */
export function tooLittle(size: number, announced: number): FerryError {
  return new FerryError("BadRequest", `${size} bytes came of ${announced}`);
}

/** The failure of who writes what has ended. */
export function hasEnded(): FerryError {
  return new FerryError("BadRequest", "the upload has ended");
}

/** A request whose body is sent while its holder writes it, with the sending side of one connection to itself. */
export class OutgoingBody implements ByteSink, HeldBody, AnswerHandler {
  isOver = false;
  size = 0;
  readonly ready?: (value: unknown) => void;
  readonly #pool: ConnectionPool;
  readonly #request: PendingRequest;
  readonly #announced: number | undefined;
  readonly #opened = Promise.withResolvers<unknown>();
  readonly #over = Promise.withResolvers<number | undefined>();
  readonly #answer = Promise.withResolvers<unknown>();
  #connection: Connection | undefined;
  #failure: FerryError | undefined;
  #failing: PromiseWithResolvers<FerryError> | undefined;
  /** The write that is under way. */
  #writing: PromiseWithResolvers<number | null> | undefined;

  /**
   * @param announced How many bytes there must be; any number when absent.
   * @param waitsForReady Whether the server says something before the body may come.
   */
  constructor(
    pool: ConnectionPool,
    request: Request,
    announced: number | undefined,
    signal: AbortSignal | undefined,
    waitsForReady = false,
  ) {
    this.#pool = pool;
    this.#announced = announced;
    if (waitsForReady) this.ready = (value) => this.#becomeReady(value);
    this.#request = new PendingRequest(request, this, { signal, body: this });
    // Who gives up does not ask what became of it.
    this.#opened.promise.catch(() => {});
    this.#answer.promise.catch(() => {});
  }

  get over(): Promise<number | undefined> {
    return this.#over.promise;
  }

  get failure(): Promise<FerryError> {
    return (this.#failing ??= Promise.withResolvers()).promise;
  }

  /** Begins when it is its turn. @returns What the server has said before the body. */
  open(): Promise<unknown> {
    this.#pool.submit(this.#request);
    return this.#opened.promise;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += MAX_DATA_BYTES) {
      const piece = bytes.subarray(start, start + MAX_DATA_BYTES);
      if (piece.length > this.#left) throw this.#giveUpWith(tooMuch());
      await this.fill(piece.length, (space) => {
        space.set(piece);
        return piece.length;
      });
    }
  }

  fill(length: number, read: Fill): Promise<number | null> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.isOver || !this.#connection) return Promise.reject(hasEnded());
    // Where nothing is left, room for the byte that would be too much.
    const room = Math.min(length, MAX_DATA_BYTES, Math.max(1, this.#left));
    const writing = Promise.withResolvers<number | null>();
    this.#writing = writing;
    this.#connection.sendData(room, (space) => {
      const n = read(space);
      return n instanceof Promise ? n.then((n) => this.#count(n)) : this.#count(n);
    }).then(writing.resolve, writing.reject);
    return writing.promise;
  }

  /** Says that this was all. @returns The fields of the server's `ok`. */
  complete(): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.isOver) return Promise.reject(hasEnded());
    if (this.#announced !== undefined && this.size < this.#announced) {
      return Promise.reject(this.#giveUpWith(tooLittle(this.size, this.#announced)));
    }
    this.isOver = true;
    this.#pool.completed(this.#request);
    this.#over.resolve(this.size);
    return this.#answer.promise;
  }

  /** Gives up, and waits until the server knows, 2 s at most; nothing when it is over. */
  async giveUp(): Promise<void> {
    if (this.isOver) return;
    const { answered } = this.#request;
    this.#pool.giveUp(this.#request);
    const late = Promise.withResolvers<void>();
    const deadline = setTimeout(late.resolve, GIVE_UP_TIMEOUT_MS);
    await Promise.race([answered, late.promise]);
    clearTimeout(deadline);
  }

  begin(connection: Connection): void {
    this.#connection = connection;
    if (!this.ready) this.#opened.resolve(undefined);
  }

  done(value: unknown): void {
    this.#answer.resolve(value);
  }

  failed(error: FerryError): void {
    this.#failure = error;
    this.#failing?.resolve(error);
    this.isOver = true;
    this.#over.resolve(undefined);
    for (const each of [this.#opened, this.#answer, this.#writing]) each?.reject(error);
  }

  get #left(): number {
    return this.#announced === undefined ? Infinity : this.#announced - this.size;
  }

  #becomeReady(value: unknown): void {
    if (this.#request.isReady) throw violation("the server named the upload twice");
    this.#opened.resolve(value);
  }

  #count(n: number | null): number | null {
    if (n !== null && n > this.#left) throw this.#giveUpWith(tooMuch());
    this.size += n ?? 0;
    return n;
  }

  #giveUpWith(error: FerryError): FerryError {
    this.#pool.giveUp(this.#request, error);
    return error;
  }
}
