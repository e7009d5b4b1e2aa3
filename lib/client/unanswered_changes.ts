import { isIn } from "../core/remote_path.ts";
import type { PendingRequest, RequestSender } from "./pending_request.ts";

/** Whether one of two requests is about what the other is about, or about something in it. */
function concern(one: PendingRequest, other: PendingRequest): boolean {
  return one.paths.some((a) => other.paths.some((b) => isIn(a, b) || isIn(b, a)));
}

/** The changes that the server has not answered yet, in order: what is asked later has to come after them. */
export class UnansweredChanges {
  readonly #isSpread: boolean;
  /** The last upload for each path, where there can be many that have nothing to do with each other. */
  readonly #uploads = new Map<string, PendingRequest>();
  readonly #others = new Set<PendingRequest>();

  /** @param isSpread Only changes that concern the same paths are kept in order. */
  constructor(isSpread: boolean) {
    this.#isSpread = isSpread;
  }

  add(change: PendingRequest): void {
    if (this.#isSpread && change.command === "put") this.#uploads.set(change.paths[0] ?? "", change);
    else this.#others.add(change);
  }

  delete(change: PendingRequest): void {
    if (this.#others.delete(change) || this.#uploads.size === 0) return;
    const [path = ""] = change.paths;
    if (this.#uploads.get(path) === change) this.#uploads.delete(path);
  }

  /** The connection over which a request comes after all that it has to come after; "none" while there is none. */
  senderFor(request: PendingRequest): RequestSender | "any" | "none" {
    let sender: RequestSender | undefined;
    for (const change of this.#before(request)) {
      if (!change.sender || sender && change.sender !== sender) return "none";
      sender = change.sender;
    }
    return sender ?? "any";
  }

  *#before(request: PendingRequest): Iterable<PendingRequest> {
    for (const change of this.#others) {
      if (change.order < request.order && (!this.#isSpread || concern(change, request))) yield change;
    }
    if (this.#uploads.size === 0) return;
    // What is about a file is about nothing in it.
    const uploads = request.isAboutFile ? [this.#uploads.get(request.paths[0] ?? "")] : this.#uploads.values();
    for (const change of uploads) {
      if (change && change.order < request.order && concern(change, request)) yield change;
    }
  }
}
