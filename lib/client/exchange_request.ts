import type { Connection } from "../transport/connection.ts";
import type { Messages } from "../protocol/codec.ts";
import { changesSomething, type CommandName, type RequestOf } from "../protocol/commands.ts";
import { FerryError } from "../core/errors.ts";

/** Nothing, or what is to be waited for. */
export type Wait = Promise<void> | void;

/** Takes what comes before the `ok` of one request. A promise holds up receiving until it is fulfilled. */
export interface Sink {
  ready?(value: unknown): Wait;
  entries?(entries: Messages["entries"]): Wait;
  data?(bytes: Uint8Array): Wait;
  end?(size: number): Wait;
}

/** The request that a body belongs to. */
export interface Sending {
  /** The answer is there already, or nobody wants it any more: the rest of the body is not needed. */
  readonly settled: boolean;
  /** Fulfilled when `settled` becomes true. */
  readonly settling: Promise<void>;
}

/** Sends the data frames of a body and gives its size in bytes. */
export type BodySender = (connection: Connection, request: Sending) => Promise<number>;

/** How to make a request. */
export interface Exchanging {
  readonly sink?: Sink;
  /** Sends the body. Whatever it throws is what the request fails with. */
  readonly body?: BodySender;
  readonly signal?: AbortSignal | undefined;
}

/** A request from the moment it is made until it is answered in full, or was never sent. */
export class PendingRequest implements Sending {
  /** The how-manieth of those that were sent on the connection, from 1; 0 before it was sent. */
  number = 0;
  readonly command: CommandName;
  readonly path: string | undefined;
  readonly answer = Promise.withResolvers<unknown>();
  readonly sink: Sink;
  /** Whether it removes one thing after the other. */
  readonly #recursive: boolean;
  settled = false;
  /** All of it has left, the body too, or is about to leave: the server may carry it out. */
  sent = false;
  /** The server has said `ready`. */
  isReady = false;
  /** Whoever made it does not want it any more, but wants to know what became of it. */
  givenUp = false;
  /** When waiting for the answer to a request that was given up ends. */
  deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(request: RequestOf<CommandName>, sink: Sink) {
    this.command = request.command;
    this.path = "path" in request && typeof request.path === "string" ? request.path : undefined;
    this.#recursive = "recursive" in request && request.command === "remove" && request.recursive === true;
    this.sink = sink;
  }

  get settling(): Promise<void> {
    return this.answer.promise.then(() => {}, () => {});
  }

  /** Whether anybody still wants it. */
  get isWanted(): boolean {
    return !this.settled && !this.givenUp;
  }

  /** Whether the server may already have changed what it was asked to. */
  get mayBeDone(): boolean {
    return this.sent && changesSomething(this.command);
  }

  resolve(value: unknown): void {
    this.settled = true;
    this.answer.resolve(value);
  }

  /** The server has answered that it has not done it, or not all of it. */
  refuse(error: FerryError): void {
    const isPart = this.#recursive && error.code === "Cancelled";
    this.reject(isPart ? new FerryError(error.code, "cancelled; a part of what was in it may be gone already") : error);
  }

  reject(error: FerryError): void {
    this.settled = true;
    this.answer.reject(error);
  }

  /** There will be no answer. */
  lose(error: FerryError): void {
    const doubt = "cancelled, but it may have been done all the same: the server did not say";
    this.reject(this.givenUp ? new FerryError("Cancelled", doubt) : error);
  }
}

/** The server sent something that the protocol does not allow; nothing it says after that can be trusted. */
export class ProtocolViolation extends FerryError {}
