import { decodeControl, decodeRequest, MESSAGES } from "../../lib/protocol/codec.ts";
import { COMMANDS, type Request } from "../../lib/protocol/commands.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, type FrameCopy } from "../helpers/frames.ts";
import { referenceFrames } from "./reference.ts";

/** A body as it travelled. */
interface RequestBody {
  readonly parts: Uint8Array[];
  isWhole: boolean;
}

/** A request that the server has to answer. */
export interface Asked {
  /** Undefined when it cannot be understood. */
  readonly request: Request | undefined;
  readonly body: RequestBody;
}

/** What a server must do with what a client has sent, according to `docs/protocol.md`. */
export class Expected {
  readonly asked: Asked[] = [];
  /** Whether the greeting was right. */
  greeted = false;
  /**
   * How the stream ends: in order; with something that is not allowed, so that the server gives up; or in the middle of
   * a frame, so that the server waits.
   */
  end: "whole" | "refused" | "incomplete" = "whole";
  #body: RequestBody | "ignored" | undefined;

  constructor(stream: Uint8Array) {
    const { frames, end } = referenceFrames(stream);
    try {
      for (const frame of frames) this.#take(frame);
      this.end = end === "whole" || end === "incomplete" ? end : "refused";
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      this.end = "refused";
    }
  }

  /** Whether the last request waits for the rest of its body. */
  get bodyIsOpen(): boolean {
    return this.#body !== undefined && this.#body !== "ignored";
  }

  /** All contents that a file may have after these uploads. */
  get contents(): Uint8Array[] {
    const whole: Uint8Array[] = [];
    for (const { request, body } of this.asked) {
      // Nobody here knows the state of what was kept, so that nothing is gone on with.
      if (request?.command !== "put" || !body.isWhole || request.offset) continue;
      const own = concat(...body.parts);
      if (own.length === (request.size ?? own.length)) whole.push(own);
    }
    return whole;
  }

  #take({ kind, payload }: FrameCopy): void {
    const body = this.#body;
    if (kind === FrameKind.alive && payload.length === 0) return;
    if (!this.greeted) {
      if (kind !== FrameKind.hello) throw refused();
      if (MESSAGES.clientHello(decodeControl(payload), "hello").ferry !== 1) throw refused();
      this.greeted = true;
    } else if (kind === FrameKind.request) this.#ask(payload);
    else if (kind === FrameKind.cancel) this.#cancel(MESSAGES.cancel(decodeControl(payload), "cancel").request);
    else if (kind === FrameKind.error && body !== undefined) this.#failBody(payload);
    else if (kind === FrameKind.end) this.#endBody(MESSAGES.end(decodeControl(payload), "end").size);
    else if (body === undefined) throw refused();
    else this.#addTo(body, kind, payload);
  }

  #ask(payload: Uint8Array): void {
    if (this.bodyIsOpen) throw refused();
    const body: RequestBody = { parts: [], isWhole: false };
    try {
      const request = decodeRequest(payload);
      this.asked.push({ request, body });
      this.#body = "body" in COMMANDS[request.command] ? body : undefined;
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      this.asked.push({ request: undefined, body });
      this.#body = "ignored";
    }
  }

  /** Whatever becomes of the request, its body goes on to its end. */
  #cancel(request: number): void {
    if (request < 1 || request > this.asked.length) throw refused();
  }

  #addTo(body: RequestBody | "ignored", kind: number, payload: Uint8Array): void {
    if (kind !== FrameKind.data) throw refused();
    if (body !== "ignored") body.parts.push(payload);
  }

  #failBody(payload: Uint8Array): void {
    MESSAGES.error(decodeControl(payload), "error");
    this.#body = undefined;
  }

  #endBody(size: number): void {
    const body = this.#body;
    if (body === undefined) throw refused();
    if (body !== "ignored") body.isWhole = size === body.parts.reduce((sum, part) => sum + part.length, 0);
    this.#body = undefined;
  }
}

function refused(): FerryError {
  return new FerryError("BadRequest", "this is not allowed here");
}
