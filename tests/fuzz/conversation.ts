import { setImmediate } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { type FerryServer, serve } from "../../lib/mod.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, sameBytes, streamOf } from "../helpers/frames.ts";
import type { Random } from "../helpers/random.ts";
import { EventLog, RawPeer, within } from "../helpers/raw.ts";
import { checkAnswers } from "./answers.ts";
import { jsonFrame, randomDialogue } from "./dialogue.ts";
import { Expected } from "./expect.ts";
import { mutateBytes, mutateFrames } from "./mutate.ts";
import { receiveAll, type Received } from "./receive.ts";
import { SharedUpload } from "./shared.ts";
import { PATHS, Stage, UNTOUCHED } from "./stage.ts";
import { type Cases, Tally, type Target } from "./target.ts";

/** Longer than any answer takes, so that a server that says nothing is a failure. */
const PATIENCE_MS = 10_000;

/** What a client says, from its hello to its `close`, most often with mistakes in it. */
function randomStream(random: Random, upload: string | undefined): Uint8Array<ArrayBuffer> {
  const hello = jsonFrame(FrameKind.hello, { ferry: 1 });
  let frames = randomDialogue(random, { paths: PATHS, upload });
  for (let i = random.below(4); i > 0; i--) frames = mutateFrames(random, frames);
  if (random.below(20) === 0) frames = mutateFrames(random, [hello, ...frames]);
  else frames.unshift(hello);
  let stream = streamOf(frames);
  if (random.below(4) === 0) stream = mutateBytes(random, stream);
  const close = jsonFrame(FrameKind.request, { command: "close" });
  const failed = jsonFrame(FrameKind.error, { code: "Cancelled", message: "given up" });
  // Now nothing but `close` is left to be answered, unless the stream ends in the middle of a frame.
  return concat(stream, streamOf(new Expected(stream).bodyIsOpen ? [failed, close] : [close]));
}

/** A server of a directory that conversations are held with, one after the other. */
class Conversations implements Cases {
  readonly seen = new Tally();
  readonly #stage: Stage;
  readonly #events = new EventLog();
  readonly #server: FerryServer;
  /** Another client, which must not notice anything. */
  readonly #neighbour: RawPeer;

  private constructor(stage: Stage, events: EventLog, server: FerryServer, neighbour: RawPeer) {
    this.#stage = stage;
    this.#events = events;
    this.#server = server;
    this.#neighbour = neighbour;
  }

  static async open(): Promise<Conversations> {
    const stage = await Stage.create();
    const events = new EventLog();
    const server = serve({ root: stage.root, port: 0, onEvent: events.push });
    return new Conversations(stage, events, server, await RawPeer.greeted(server.address));
  }

  async run(random: Random): Promise<void> {
    const shared = random.below(4) === 0 ? await SharedUpload.begin(this.#neighbour) : undefined;
    const stream = randomStream(random, shared?.name);
    const expected = new Expected(stream);
    const pieceBytes = random.below(3) ? stream.length : 1 + random.below(stream.length);
    this.#events.all.length = 0;
    const received = await within(this.#converse(stream, pieceBytes, expected), "the end", PATIENCE_MS);
    this.#stage.checkReply(received.bytes);
    const answered = checkAnswers(expected, received, [...this.#stage.contents, ...expected.contents]);
    const together = await shared?.finish(answered);
    await this.#checkServer();
    this.#stage.checkAndReset([...expected.contents, ...together ? [together] : []]);
    this.seen.add(expected.end);
    if (together) this.seen.add("together");
    for (const { outcome } of this.#events.of("command")) this.seen.add(outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#neighbour[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
    await this.#stage[Symbol.asyncDispose]();
  }

  async #converse(stream: Uint8Array, pieceBytes: number, expected: Expected): Promise<Received> {
    using peer = await RawPeer.connect(this.#server.address);
    const sending = this.#send(peer, stream, pieceBytes);
    const received = await receiveAll(peer, expected);
    await sending;
    return received;
  }

  async #send(peer: RawPeer, stream: Uint8Array, pieceBytes: number): Promise<void> {
    try {
      for (let at = 0; at < stream.length; at += pieceBytes) {
        if (at > 0) await setImmediate();
        await peer.sendBytes(stream.subarray(at, at + pieceBytes));
      }
    } catch (error) {
      // Whether the server may end the connection so early is seen from what it has answered.
      const { BrokenPipe, ConnectionReset } = Deno.errors;
      if (!(error instanceof BrokenPipe || error instanceof ConnectionReset)) throw error;
    }
  }

  /** Fails unless the session has ended and the server is as it was, also for its other client. */
  async #checkServer(): Promise<void> {
    await this.#events.until("close");
    await setImmediate();
    assertEquals(this.#server.sessions.length, 1, "a session is left");
    for (const { command, path, outcome, detail } of this.#events.of("command")) {
      assert(outcome !== "Internal", `${command} ${Deno.inspect(path)} failed unexpectedly: ${detail}`);
    }
    assertEquals(this.#events.of("warning"), []);
    const { outcome, data } = await this.#neighbour.ask({ command: "get", path: UNTOUCHED });
    assertEquals(outcome, "ok");
    assert(sameBytes(data, this.#stage.untouched), "another client got wrong bytes");
  }
}

/** A server answers every request once and in order, keeps to its directory, and survives whatever a client says. */
export const CONVERSATION: Target = { name: "conversation", share: 18, atOnce: 1, open: () => Conversations.open() };
