import type { Connection } from "../transport/connection.ts";
import type { Messages } from "../protocol/codec.ts";
import { type CommandName, COMMANDS, type Request, verbOf } from "../protocol/commands.ts";
import { cannot, FerryError } from "../core/errors.ts";

/** Nothing, or what is to be waited for. */
export type Wait = Promise<void> | void;

/**
 * Takes the answer to one request. Whatever it throws is a violation of the protocol, and ends the connection. A promise
 * holds up receiving until it is fulfilled.
 */
export interface AnswerHandler {
  ready?(value: unknown): void;
  entries?(entries: Messages["entries"]): Wait;
  data?(bytes: Uint8Array): Wait;
  end?(size: number): void;
  /** The server has done it; the fields of its `ok`. */
  done(value: unknown): void;
  /** It has failed, was given up, or will not be answered. */
  failed(error: FerryError): void;
}

/** A body that its holder sends, while nothing else can be sent on the connection. */
export interface HeldBody {
  /** Whether the holder has sent all that it will send. */
  readonly isOver: boolean;
  /** How many bytes were sent so far. */
  readonly size: number;
  /** Fulfilled when it is over: with the size of the body in bytes, or with undefined when it is not complete. */
  readonly over: Promise<number | undefined>;
  /** The request was sent; the body may follow. */
  begin(connection: Connection): void;
}

/** What sends requests on one connection. */
export interface RequestSender {
  /** Whether a request would not have to wait here for anything that its own maker may keep from moving. */
  accepts(request: PendingRequest): boolean;
  /** Sends a request and its body when it is its turn; nothing when it has been given up by then. */
  submit(request: PendingRequest): void;
  /** Gives a request up: at once, unless it may have been carried out; then it waits for the server's answer. */
  giveUp(request: PendingRequest, error: FerryError): void;
  /** Told that a request which was submitted is settled. */
  settled(request: PendingRequest): void;
}

/** How to make a request. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** The body, when it is sent in one piece. */
  readonly piece?: Uint8Array | undefined;
  /** The body, when its holder sends it. */
  readonly body?: HeldBody | undefined;
}

/** A request from the moment it is made until it is answered in full, or was never sent. */
export class PendingRequest {
  readonly request: Request;
  readonly options: RequestOptions;
  readonly #handler: AnswerHandler;
  /** Where it was sent, or is about to be. */
  sender: RequestSender | undefined;
  /** Its place in the order in which requests were made, or their bodies were complete. */
  order = 0;
  /** It was taken back from behind a body once. */
  wasMoved = false;
  /** Its number among those of its connection, from 1; 0 before it was sent. */
  number = 0;
  /** It has an answer, or needs none. */
  settled = false;
  /** All of it has left, the body too, or is about to leave: the server may carry it out. */
  sent = false;
  /** The server has said `ready`. */
  isReady = false;
  /** It was cancelled, and its caller waits to hear what became of it. */
  givenUp = false;
  /** When waiting for the answer to a request that was given up ends. */
  deadline: ReturnType<typeof setTimeout> | undefined;
  /** Told when it is settled. */
  onSettled: ((request: PendingRequest) => void) | undefined;
  #answered: PromiseWithResolvers<void> | undefined;

  constructor(request: Request, handler: AnswerHandler, options: RequestOptions = {}) {
    this.request = request;
    this.#handler = handler;
    this.options = options;
  }

  get command(): CommandName {
    return this.request.command;
  }

  /** Whether the answer has a body, which the caller may not read for a while. */
  get hasAnswerBody(): boolean {
    return this.command === "get" || this.command === "dir";
  }

  /** Whether it makes no difference how often it is carried out. */
  get isRepeatable(): boolean {
    return !COMMANDS[this.command].changes && this.command !== "say" && this.command !== "close";
  }

  /** Whether anybody still wants it. */
  get isWanted(): boolean {
    return !this.settled && !this.givenUp;
  }

  /** The paths that it is about. */
  get paths(): readonly string[] {
    const { request } = this;
    if (request.command === "rename") return [request.path, request.to];
    return "path" in request && request.path !== undefined ? [request.path] : [""];
  }

  /** Whether it is about one file and not about anything below its path. */
  get isAboutFile(): boolean {
    return ["put", "get", "blocks", "sum", "offer"].includes(this.command);
  }

  /** Whether later requests may see what it does. */
  get isChange(): boolean {
    return COMMANDS[this.command].changes === true && this.command !== "part";
  }

  /** Whether the server may already have changed what it was asked to. */
  get mayBeDone(): boolean {
    return this.sent && COMMANDS[this.command].changes === true;
  }

  /** What takes the answer; undefined when it is no longer wanted. */
  get handler(): AnswerHandler | undefined {
    return this.settled ? undefined : this.#handler;
  }

  /** Fulfilled when the server has answered, or the connection is lost. Ask for it before that. */
  get answered(): Promise<void> {
    return (this.#answered ??= Promise.withResolvers()).promise;
  }

  /** Says that there is nothing more to come. */
  leave(): void {
    this.#answered?.resolve();
  }

  /** What takes its place where it was sent while it itself is sent elsewhere. */
  placeholder(): PendingRequest {
    const ignored = { done: () => {}, failed: () => {} };
    const other = new PendingRequest(this.request, ignored);
    other.number = this.number;
    other.sent = other.settled = true;
    this.number = 0;
    this.sent = this.isReady = false;
    return other;
  }

  succeed(value: unknown): void {
    if (this.#settle()) this.#handler.done(value);
  }

  /** The server has answered that it has not done it, or not all of it. */
  refuse(error: FerryError): void {
    const { request } = this;
    const isPart = error.code === "Cancelled" && request.command === "remove" && request.recursive === true;
    this.fail(isPart ? new FerryError(error.code, "cancelled; a part of what was in it may be gone already") : error);
  }

  /** There will be no answer. */
  lose(error: FerryError): void {
    const doubt = "cancelled, but it may have been done all the same: the server did not say";
    this.fail(this.givenUp ? new FerryError("Cancelled", doubt) : error);
  }

  fail(error: FerryError): void {
    const { request } = this;
    const path = "path" in request ? request.path : undefined;
    if (this.#settle()) this.#handler.failed(cannot(verbOf(request.command), path, error));
  }

  /** @returns Whether it was not settled before. */
  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.deadline);
    this.onSettled?.(this);
    return true;
  }
}

/** The failure of a server that sends what the protocol does not allow; nothing it says after that can be trusted. */
export function violation(message: string): FerryError {
  return new FerryError("BadRequest", message);
}
