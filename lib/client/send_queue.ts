import type { Connection } from "../transport/connection.ts";
import { Condition } from "../core/condition.ts";
import { type FerryError, toFerryError } from "../core/errors.ts";
import { FrameKind } from "../protocol/frames.ts";
import type { HeldBody, PendingRequest } from "./pending_request.ts";

/** The owner of a queue. */
export interface SendQueueOwner {
  /** Called when the sending side is free for others. */
  onChange(): void;
  /** Told that the connection is lost. */
  fail(error: FerryError): void;
}

/** Sends requests and their bodies, one after the other, while not too many are unanswered. */
export class SendQueue {
  /** Requests that wait for their turn. */
  readonly waiting: PendingRequest[] = [];
  readonly #connection: Connection;
  readonly #unanswered: PendingRequest[];
  readonly #window: number;
  readonly #owner: SendQueueOwner;
  #sending: Promise<void> | undefined;
  /** The body that has the sending side, or will have it when its turn comes. */
  #body: HeldBody | undefined;
  #count = 0;
  #isStopped = false;
  /** Notified when there may be room in the window, or never will be. */
  readonly #room = new Condition();

  /**
   * @param unanswered Where requests go when they are sent.
   * @param window How many may be there.
   */
  constructor(connection: Connection, unanswered: PendingRequest[], window: number, owner: SendQueueOwner) {
    this.#connection = connection;
    this.#unanswered = unanswered;
    this.#window = window;
    this.#owner = owner;
  }

  /** How many requests were sent. */
  get count(): number {
    return this.#count;
  }

  /** Whether a body has the sending side, or will have it. */
  get isHeld(): boolean {
    return this.#body?.isOver === false;
  }

  /** How much of that body was sent, in bytes. */
  get bodyBytes(): number {
    return this.#body?.size ?? 0;
  }

  /** Sends a request and its body when it is its turn; nothing when it is settled by then. */
  add(request: PendingRequest): void {
    this.waiting.push(request);
    this.#body = request.options.body ?? this.#body;
    this.#sending ??= this.#sendAll();
  }

  /** Takes a request back that was not sent. @returns Whether it was not. */
  remove(request: PendingRequest): boolean {
    const at = this.waiting.indexOf(request);
    if (at >= 0) this.waiting.splice(at, 1);
    return at >= 0;
  }

  /** Says that there may be room in the window. */
  wake(): void {
    this.#room.notifyAll();
  }

  /** Sends nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#room.notifyAll();
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      while (this.#unanswered.length >= this.#window && !this.#isStopped) await this.#room.next;
      const request = this.waiting.shift();
      if (!request || this.#isStopped) break;
      if (request.settled) request.leave();
      else await this.#send(request);
    }
    this.#sending = undefined;
  }

  async #send(request: PendingRequest): Promise<void> {
    const { piece, body } = request.options;
    request.number = ++this.#count;
    request.sent = !piece && !body;
    this.#unanswered.push(request);
    try {
      await this.#connection.send(FrameKind.request, request.request);
    } catch (error) {
      return this.#notSent(request, toFerryError(error));
    }
    try {
      if (piece) await this.#end(request, await this.#sendPiece(piece));
      else if (body) await this.#end(request, await this.#leaveTo(body));
    } catch (error) {
      this.#owner.fail(toFerryError(error));
    }
  }

  /** A request that could not be sent is not answered: the connection is lost, or it is too long itself. */
  #notSent(request: PendingRequest, error: FerryError): void {
    if (error.code !== "TooLarge") return this.#owner.fail(error);
    this.#unanswered.pop();
    this.#count--;
    request.sent = false;
    request.fail(error);
    request.leave();
  }

  async #sendPiece(piece: Uint8Array): Promise<number> {
    if (piece.length === 0) return 0;
    await this.#connection.sendData(piece.length, (space) => {
      space.set(piece);
      return piece.length;
    });
    return piece.length;
  }

  /** Lets a body use the sending side. @returns Its size; undefined when it is not complete. */
  async #leaveTo(body: HeldBody): Promise<number | undefined> {
    body.begin(this.#connection);
    const size = await body.over;
    this.#owner.onChange();
    return size;
  }

  /** Ends a body, as complete if it is and somebody still wants it. */
  async #end(request: PendingRequest, size: number | undefined): Promise<void> {
    if (size === undefined || request.settled) {
      return await this.#connection.send(FrameKind.error, { code: "Cancelled", message: "the client gave up" });
    }
    request.sent = true;
    await this.#connection.send(FrameKind.end, { size });
  }
}
