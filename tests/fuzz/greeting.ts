import { assert, assertEquals, assertFalse, assertLessOrEqual } from "@std/assert";
import { serve, type Storage } from "../../lib/mod.ts";
import { NONCE_BYTES, prove, Secret, SECRET_BYTES } from "../../lib/auth/secret.ts";
import { decodeControl, MESSAGES } from "../../lib/protocol/codec.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { frame, type FrameCopy, sameBytes, streamOf } from "../helpers/frames.ts";
import type { Random } from "../helpers/random.ts";
import { type RawFrame, RawPeer, within } from "../helpers/raw.ts";
import { jsonFrame, randomDialogue } from "./dialogue.ts";
import { mutateBytes, mutateFrames, mutateJson } from "./mutate.ts";
import { referenceFrames } from "./reference.ts";
import { Stage } from "./stage.ts";
import { type Cases, Tally, type Target } from "./target.ts";

/** Longer than the delay after a wrong proof, in ms. */
const PATIENCE_MS = 10_000;

/** What a server may say to somebody who does not know the secret. */
const CODES: readonly string[] = ["Unauthorized", "BadRequest", "Unsupported", "Corrupt"];

/** What is asked before one is let in. */
const PATHS = ["dir/sub/c.txt", "dir/sub/d.txt"] as const;

/** The proof for the two hellos of a conversation. */
function proofFor(
  role: "client" | "server",
  secret: Secret,
  serverHello: RawFrame,
  clientHello: Uint8Array,
): Uint8Array {
  const serverNonce = MESSAGES.serverHello(serverHello.value, "hello").nonce ?? "";
  const clientNonce = MESSAGES.clientHello(decodeControl(clientHello), "hello").nonce ?? "";
  return prove(secret, role, {
    serverHello: serverHello.payload,
    clientHello,
    serverNonce: Uint8Array.fromBase64(serverNonce),
    clientNonce: Uint8Array.fromBase64(clientNonce),
    certificate: undefined,
  });
}

/** The client's two frames of the greeting. */
function greeting(random: Random, secret: Secret, serverHello: RawFrame): [FrameCopy, FrameCopy] {
  const hello = jsonFrame(FrameKind.hello, { ferry: 1, nonce: random.bytes(NONCE_BYTES).toBase64() });
  const proof = proofFor("client", secret, serverHello, hello.payload).toBase64();
  return [hello, jsonFrame(FrameKind.hello, { proof })];
}

/** A greeting, most often with a mistake in it, and requests behind it. */
function randomStream(random: Random, secret: Secret, serverHello: RawFrame): Uint8Array<ArrayBuffer> {
  const change = random.below(7);
  const used = change === 0 ? Secret.fromBytes(random.bytes(SECRET_BYTES)) : secret;
  const [hello, proof] = greeting(random, used, serverHello);
  let frames: FrameCopy[] = [hello, proof];
  if (change === 1) frames = [];
  else if (change === 2) frames = [hello];
  else if (change === 3) frames = [hello, { ...proof, payload: mutateJson(random, proof.payload) }];
  else if (change === 4) frames = [{ ...hello, payload: mutateJson(random, hello.payload) }, proof];
  else if (change === 5) frames = mutateFrames(random, frames);
  const stream = streamOf([...frames, ...randomDialogue(random, { paths: PATHS })]);
  return random.below(4) ? stream : mutateBytes(random, stream);
}

/** The frames of a stream that say something: an `alive` may come anywhere. */
function framesOf(stream: Uint8Array): readonly FrameCopy[] {
  return referenceFrames(stream).frames.filter(({ kind, payload }) => kind !== FrameKind.alive || payload.length > 0);
}

/** Whether a stream begins with a proof that is good. */
function isGood(stream: Uint8Array, secret: Secret, serverHello: RawFrame): boolean {
  const [hello = frame(0), proof = frame(0)] = framesOf(stream);
  if (hello.kind !== FrameKind.hello || proof.kind !== FrameKind.hello) return false;
  try {
    if (MESSAGES.clientHello(decodeControl(hello.payload), "hello").ferry !== 1) return false;
    const given = Uint8Array.fromBase64(MESSAGES.proof(decodeControl(proof.payload), "proof").proof ?? "");
    return sameBytes(given, proofFor("client", secret, serverHello, hello.payload));
  } catch (error) {
    assert(error instanceof FerryError || error instanceof SyntaxError, `threw ${Deno.inspect(error)}`);
    return false;
  }
}

/** A storage that notes what is done with it. */
function watched(root: string, used: string[]): Storage {
  return new Proxy(DirectoryStorage.open(root), {
    get(target, key) {
      // The server cleans up when it starts.
      if (key === "sweep") return target.sweep.bind(target);
      used.push(String(key));
      const own: unknown = Reflect.get(target, key);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

/**
 * Servers that want a secret, one for each case, so that the wrong proofs of one do not count for the others. Their
 * random bytes are new every time, and so is the proof; everything else of a case is the same for the same seed.
 */
class Greetings implements Cases {
  readonly seen = new Tally();
  readonly #stage: Stage;

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  static async open(): Promise<Greetings> {
    return new Greetings(await Stage.create());
  }

  async run(random: Random): Promise<void> {
    const secret = Secret.fromBytes(random.bytes(SECRET_BYTES));
    const used: string[] = [];
    await using server = serve({ root: watched(this.#stage.root, used), port: 0, secret, readOnly: true });
    using peer = await RawPeer.connect(server.address);
    const serverHello = await peer.receive();
    assert(serverHello?.kind === "hello");
    const stream = randomStream(random, secret, serverHello);
    const good = isGood(stream, secret, serverHello);
    const frames = await within(converse(peer, stream, good), "the end", PATIENCE_MS);
    if (good) return this.#checkWelcome(stream, secret, serverHello, frames);
    assertEquals(used, [], "the storage was used before the proof");
    assertLessOrEqual(frames.length, 1, "more than one frame before the proof");
    this.#checkRefusal(frames);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stage.checkAndReset([]);
    await this.#stage[Symbol.asyncDispose]();
  }

  #checkWelcome(stream: Uint8Array, secret: Secret, serverHello: RawFrame, [ok]: readonly RawFrame[]): void {
    const [hello = frame(0)] = framesOf(stream);
    assertEquals(ok?.kind, "ok");
    const { proof } = MESSAGES.welcome(ok?.value, "welcome");
    assertEquals(proof, proofFor("server", secret, serverHello, hello.payload).toBase64());
    this.seen.add("welcomed");
  }

  /** Fails unless nothing but the kind of mistake is said. */
  #checkRefusal([error]: readonly RawFrame[]): void {
    if (!error) return this.seen.add("nothing");
    assertEquals(error.kind, "disconnect");
    const { code, message, path } = MESSAGES.error(error.value, "error");
    assert(CODES.includes(code), `${code}: ${message}`);
    assertEquals(path, undefined);
    for (const path of PATHS) assertFalse(message.includes(path), message);
    this.seen.add(code);
  }
}

/** Sends a stream and nothing more; gives what comes. Who closes before the welcome does not want it. */
async function converse(peer: RawPeer, stream: Uint8Array, awaitsWelcome: boolean): Promise<RawFrame[]> {
  const frames: RawFrame[] = [];
  await peer.sendBytes(stream);
  if (!awaitsWelcome) await peer.conn.closeWrite();
  for (let next = await peer.receive(); next; next = await peer.receive()) {
    frames.push(next);
    if (awaitsWelcome && frames.length === 1) await peer.conn.closeWrite();
  }
  return frames;
}

/** Who does not know the secret learns nothing but what was wrong with the greeting, and nothing is looked at for them. */
export const GREETING: Target = { name: "greeting", share: 2, atOnce: 200, open: () => Greetings.open() };
