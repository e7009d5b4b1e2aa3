import { assert, assertEquals, assertGreater, assertLess, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { connect } from "../../lib/mod.ts";
import type { ServeOptions } from "../../lib/mod.ts";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { certificateDer, keyHashOf } from "../../lib/transport/tls.ts";
import { Connection } from "../../lib/transport/connection.ts";
import { announceTls, awaitTls, type Credentials, greetClient, greetServer } from "../../lib/auth/handshake.ts";
import { NONCE_BYTES, prove, Secret, type Side } from "../../lib/auth/secret.ts";
import { connectPinned } from "../helpers/tls_ends.ts";
import { secureServer } from "../../lib/transport/tls_server.ts";
import { decodeControl } from "../../lib/protocol/codec.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes, sameBytes } from "../helpers/frames.ts";
import { PROJECT } from "../helpers/process.ts";
import { type Address, FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import {
  assertFile,
  Collector,
  failsWith,
  FakeServer,
  type RawFrame,
  RawPeer,
  Served,
  within,
} from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { assertSameTree, transferTree } from "../helpers/trees.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";

const MIB = 1024 * 1024;
const TREE = join(PROJECT, "fixtures", "tree");

/** The delay is 1 s; timers may be a little early against the clock. */
const DELAY_AT_LEAST_MS = 990;

const HELLO_DEADLINE_MS = 10_000;

const SECRET = Secret.create();
const OTHER_SECRET = Secret.create();
const IDENTITY = await createIdentity();
const OTHER_IDENTITY = await createIdentity();
const DER = certificateDer(IDENTITY.certificate);
const OTHER_DER = certificateDer(OTHER_IDENTITY.certificate);

/** How a server protects itself, and what its ticket tells clients. */
const PROTECTED = { identity: IDENTITY, secret: SECRET } satisfies Partial<ServeOptions>;
const TICKET = { keyHash: keyHashOf(IDENTITY.certificate), secret: SECRET };

type Json = Record<string, unknown>;

/** Lets both ends greet each other; gives what each found out. */
async function meet(client: Credentials, server: Credentials): Promise<{ client: string; server: string }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const here = new Connection(await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }));
  const there = new Connection(await accepting);
  const outcome = async (connection: Connection, greeting: Promise<unknown>) => {
    try {
      await greeting;
      return "ok";
    } catch (error) {
      connection.close();
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  };
  const serving = async () => {
    const { secret, certificate } = server;
    const authenticated = await greetClient(there, { secrets: secret ? [secret] : [], certificate });
    await there.send(FrameKind.ok, { allows: [...RIGHTS], window: 16, proof: authenticated?.proof });
  };
  try {
    const both = Promise.all([outcome(here, greetServer(here, client)), outcome(there, serving())]);
    const [found, serverFound] = await within(both, "the end of the greeting");
    return { client: found, server: serverFound };
  } finally {
    here.close();
    there.close();
  }
}

/** What someone in the middle makes of a frame; undefined leaves it as it is. */
type Change = (value: Json, frame: RawFrame) => Json | Uint8Array | undefined;

/** Someone between client and server who takes every frame apart and seals it anew. */
class Relay implements AsyncDisposable {
  readonly seen: { readonly way: "toServer" | "toClient"; readonly frame: RawFrame }[] = [];
  readonly #server: FakeServer;

  constructor(target: Address, changes: { toServer?: Change; toClient?: Change }) {
    this.#server = new FakeServer(async (client) => {
      using server = await RawPeer.connect(target);
      await Promise.all([
        this.#pass("toServer", client, server, changes.toServer),
        this.#pass("toClient", server, client, changes.toClient),
      ]);
    });
  }

  get address(): Address {
    return this.#server.address;
  }

  /** The frames that came from the client. */
  get fromClient(): RawFrame[] {
    return this.seen.filter(({ way }) => way === "toServer").map(({ frame }) => frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #pass(way: "toServer" | "toClient", from: RawPeer, to: RawPeer, change?: Change): Promise<void> {
    for (let frame = await from.receive(); frame; frame = await from.receive()) {
      this.seen.push({ way, frame });
      await to.send(frame.kind, change?.(frame.value as Json, frame) ?? frame.payload);
    }
    await to.conn.closeWrite();
  }
}

function changeOf(kind: "hello" | "proof" | "ok", change: (value: Json) => Json | Uint8Array): Change {
  return (value, frame) => {
    const found = frame.kind === "hello" && "proof" in value ? "proof" : frame.kind;
    return found === kind ? change(value) : undefined;
  };
}

/** What a stranger got from a server. */
interface Refusal {
  readonly frames: readonly RawFrame[];
  readonly afterMs: number;
}

/** Speaks to a server by hand until it closes the connection; `act` does what comes after the server's hello. */
async function refusal(address: Address, act: (peer: RawPeer, hello: RawFrame) => Promise<void>): Promise<Refusal> {
  using peer = await RawPeer.connect(address);
  const hello = await peer.receive();
  assert(hello?.kind === "hello");
  const began = performance.now();
  await act(peer, hello);
  const frames: RawFrame[] = [];
  for (let frame = await peer.receive(); frame; frame = await peer.receive()) frames.push(frame);
  return { frames, afterMs: performance.now() - began };
}

/** A client's hello and a proof for it. */
function openingOf(hello: RawFrame, {
  secret = SECRET,
  side = "client" as Side,
  certificate = undefined as
    | Uint8Array
    | undefined,
} = {}): { hello: Uint8Array; proof: string } {
  const clientNonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const clientHello = new TextEncoder().encode(JSON.stringify({ ferry: 1, nonce: clientNonce.toBase64() }));
  const serverNonce = Uint8Array.fromBase64(String((hello.value as Json).nonce));
  const transcript = { serverHello: hello.payload, clientHello, serverNonce, clientNonce, certificate };
  return { hello: clientHello, proof: prove(secret, side, transcript).toBase64() };
}

/** A connection over TLS on which nothing was said yet. */
async function connectSecurely({ hostname, port }: Address, certificate = IDENTITY.certificate): Promise<Connection> {
  const tcp = await Deno.connect({ hostname, port });
  assertEquals(await awaitTls(new Connection(tcp)), DER);
  const { conn } = await connectPinned(tcp, certificate);
  return new Connection(conn);
}

/** Runs timers of the hello's deadline at once, until the end of the scope. */
function withoutPatience(): Disposable {
  const original = globalThis.setTimeout;
  const hurried = (callback: () => void, ms?: number) => original(callback, ms === HELLO_DEADLINE_MS ? 50 : ms);
  globalThis.setTimeout = Object.assign(hurried, original);
  return { [Symbol.dispose]: () => void (globalThis.setTimeout = original) };
}

// Who comes in

Deno.test("greetClient() and greetServer() agree only with the same secret and certificate", async (t) => {
  for (const certificate of [undefined, DER]) {
    await t.step(certificate ? "with a certificate" : "without a certificate", async () => {
      const ours = { secret: SECRET, certificate };
      assertEquals(await meet(ours, ours), { client: "ok", server: "ok" });
      const refused = { client: "Disconnected", server: "Unauthorized" };
      assertEquals(await meet({ ...ours, secret: OTHER_SECRET }, ours), refused);
      assertEquals(await meet({ ...ours, certificate: OTHER_DER }, ours), refused);
      assertEquals(await meet({ ...ours, certificate: certificate ? undefined : DER }, ours), refused);
      const atOnce = { client: "Unauthorized", server: "Disconnected" };
      assertEquals(await meet({ certificate }, ours), atOnce);
      assertEquals(await meet(ours, { certificate }), atOnce);
      assertEquals(await meet({ certificate }, { certificate }), { client: "ok", server: "ok" });
    });
  }
});

Deno.test("greetServer() gives somebody in the middle with a certificate of their own nothing they can pass on", async () => {
  // As if the client had accepted the other certificate: all frames are passed on as they are.
  const found = await meet({ secret: SECRET, certificate: OTHER_DER }, { secret: SECRET, certificate: DER });
  assertEquals(found, { client: "Disconnected", server: "Unauthorized" });
});

Deno.test("connect() gets in with the right secret, with and without TLS", async () => {
  for (const tls of [true, false]) {
    await using served = await Served.with({ "a.txt": "abc" }, tls ? PROTECTED : { secret: SECRET });
    await using client = await served.connect(tls ? TICKET : { secret: SECRET });
    assertEquals((await client.stat("a.txt")).size, 3);
    const collector = new Collector();
    await client.get("a.txt", collector);
    assertEquals(new TextDecoder().decode(collector.bytes), "abc");
  }
});

Deno.test("connect() fails with Unauthorized for a wrong secret, with and without TLS, after a second", async () => {
  await Promise.all([true, false].map(async (tls) => {
    await using served = await Served.with({}, tls ? PROTECTED : { secret: SECRET });
    const began = performance.now();
    const right = tls ? TICKET : {};
    const { message } = await failsWith(served.connect({ ...right, secret: OTHER_SECRET }), "Unauthorized");
    assertGreater(performance.now() - began, DELAY_AT_LEAST_MS);
    assertStringIncludes(message, "the secret is wrong or missing");
    assertEquals(served.events.of("command"), []);
  }));
});

Deno.test("connect() without a secret says that one is needed, and sends nothing", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  await using relay = new Relay(served.address, {});
  const { message } = await failsWith(served.connect(relay.address), "Unauthorized");
  assertStringIncludes(message, "secret");
  await served.events.until("close");
  assertEquals(relay.fromClient, []);
});

// Without the proof

Deno.test("serve() gives every stranger the same answer, after a second", async () => {
  await using served = await Served.with({ "a.txt": "abc" }, { secret: SECRET });
  const [replayedHello, replayedProof] = await (async () => {
    await using relay = new Relay(served.address, {});
    await (await served.connect({ ...relay.address, secret: SECRET })).close();
    const [hello, proof] = relay.fromClient;
    assert(hello && proof && "proof" in (proof.value as Json));
    return [hello.payload, proof.payload] as const;
  })();
  served.events.all.length = 0;
  const withNonce = (nonce: unknown) => (peer: RawPeer) => peer.send("hello", { ferry: 1, nonce });
  const withProof = (make: (right: string, hello: RawFrame) => string) => async (peer: RawPeer, hello: RawFrame) => {
    const opening = openingOf(hello);
    await peer.send("hello", opening.hello);
    await peer.send("hello", { proof: make(opening.proof, hello) });
  };
  const opens = (options: Parameters<typeof openingOf>[1]) => async (peer: RawPeer, hello: RawFrame) => {
    const opening = openingOf(hello, options);
    await peer.send("hello", opening.hello);
    await peer.send("hello", { proof: opening.proof });
  };
  const nonce = bytes(NONCE_BYTES).toBase64();
  const asks = { command: "stat", path: "a.txt" };
  const strangers: Record<string, (peer: RawPeer, hello: RawFrame) => Promise<void>> = {
    "no nonce": withNonce(undefined),
    "an empty nonce": withNonce(""),
    "a short nonce": withNonce(bytes(NONCE_BYTES - 1).toBase64()),
    "a long nonce": withNonce(bytes(NONCE_BYTES + 1).toBase64()),
    "a very long nonce": withNonce("A".repeat(30_000)),
    "a nonce that is no Base64": withNonce("?".repeat(44)),
    "an empty proof": withProof(() => ""),
    "half a proof": withProof((right) => right.slice(0, 20)),
    "a proof and more": withProof((right) => bytes(33).toBase64().slice(0, 3) + right),
    "a proof that is no Base64": withProof(() => "?".repeat(44)),
    "a random proof": withProof(() => bytes(32).toBase64()),
    "the server's own nonce": withProof((_, hello) => String((hello.value as Json).nonce)),
    "another secret": opens({ secret: OTHER_SECRET }),
    "the other side": opens({ side: "server" }),
    "a certificate where there is no TLS": opens({ certificate: DER }),
    "a replay": (peer) => peer.sendAll(["hello", replayedHello], ["hello", replayedProof]),
    "requests after no nonce": (peer) => peer.sendAll(["hello", { ferry: 1 }], ["request", asks]),
    "requests after a wrong proof": (peer) =>
      peer.sendAll(
        ["hello", { ferry: 1, nonce }],
        ["hello", { proof: nonce }],
        ["request", { command: "dir" }],
        ["request", asks],
        ["request", { command: "remove", path: "a.txt" }],
      ),
  };
  const answers = await Promise.all(
    Object.entries(strangers).map(async ([what, act]) => ({ what, ...await refusal(served.address, act) })),
  );
  for (const { what, frames, afterMs } of answers) {
    assertEquals(frames.map(({ kind, value }) => ({ kind, value })), [{
      kind: "disconnect",
      value: { code: "Unauthorized", message: "the secret is wrong or missing" },
    }], what);
    assertGreater(afterMs, DELAY_AT_LEAST_MS, what);
  }
  assertEquals(served.events.of("command"), []);
  await assertFile(served.join("a.txt"), "abc");
});

Deno.test("serve() answers requests without a proof in the same way whether the name exists or not", async () => {
  await using served = await Served.with({ "there.txt": "abc" }, { secret: SECRET });
  const nonce = bytes(NONCE_BYTES).toBase64();
  const openings: Record<string, [kind: "hello", value: Json][]> = {
    "no hello": [],
    "a hello without a nonce": [["hello", { ferry: 1 }]],
    "a hello without a proof": [["hello", { ferry: 1, nonce }]],
    "a wrong proof": [["hello", { ferry: 1, nonce }], ["hello", { proof: nonce }]],
  };
  const requests = (path: string): Json[] => [
    { command: "stat", path },
    { command: "get", path },
    { command: "sum", path },
    { command: "dir", path },
    { command: "mkdir", path },
    { command: "rename", path, to: "new.txt" },
    { command: "remove", path },
  ];
  await Promise.all(
    Object.entries(openings).map(async ([what, opening]) => {
      const answers = await Promise.all(
        ["there.txt", "not-there.txt"].map((path) =>
          refusal(served.address, async (peer) => {
            const asked = requests(path).map((each): [kind: "request", value: Json] => ["request", each]);
            await peer.sendAll(...opening, ...asked);
          })
        ),
      );
      const [first, second] = answers.map(({ frames }) => frames);
      assertEquals(first, second, what);
      assertEquals(first?.map(({ kind }) => kind), ["disconnect"], what);
      assert(!JSON.stringify(first?.map(({ value }) => value)).includes("there.txt"), what);
    }),
  );
  assertEquals(served.events.of("command"), []);
  await assertFile(served.join("there.txt"), "abc");
});

Deno.test("serve() gives a stranger the same answer over TLS", async () => {
  await using served = await Served.with({ "a.txt": "abc" }, PROTECTED);
  const answers = await Promise.all([undefined, DER, OTHER_DER].map(async (certificate) => {
    const connection = await connectSecurely(served.address);
    try {
      const frame = await within(connection.receive());
      assert(frame?.kind === FrameKind.hello);
      const payload = frame.payload.slice();
      const secret = certificate === DER ? OTHER_SECRET : SECRET;
      const opening = openingOf({ kind: "hello", payload, value: decodeControl(payload) }, { certificate, secret });
      await connection.send(FrameKind.hello, decodeControl(opening.hello as Uint8Array<ArrayBuffer>));
      await connection.send(FrameKind.hello, { proof: opening.proof });
      await connection.send(FrameKind.request, { command: "dir" });
      const answer = await within(connection.receive());
      assertEquals(answer?.kind, FrameKind.disconnect);
      const value = decodeControl(answer?.payload ?? new Uint8Array());
      assertEquals(await within(connection.receive()), undefined);
      return value;
    } finally {
      connection.close();
    }
  }));
  const wanted = { code: "Unauthorized", message: "the secret is wrong or missing" };
  assertEquals(answers, [wanted, wanted, wanted]);
  assertEquals(served.events.of("command"), []);
});

Deno.test("serve() gives every connection a nonce of its own, and none when it needs no secret", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  const nonces: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    using peer = await RawPeer.connect(served.address);
    nonces.push(((await peer.receive())?.value as Json).nonce);
  }
  assertEquals(new Set(nonces).size, 3);
  for (const nonce of nonces) assertEquals(Uint8Array.fromBase64(String(nonce)).length, NONCE_BYTES);
  await using open = await Served.with();
  using peer = await RawPeer.connect(open.address);
  assertEquals((await peer.receive())?.value, { ferry: [1] });
});

// Someone in the middle

Deno.test("connect() refuses a changed server's hello before it has sent anything", async (t) => {
  const changes: Record<string, [change: (hello: Json) => Json, code: "Unauthorized" | "Unsupported" | "Unreachable"]> =
    {
      "no nonce": [({ ferry }) => ({ ferry }), "Unauthorized"],
      "no version": [({ nonce }) => ({ ferry: [], nonce }), "Unsupported"],
      "another version": [({ nonce }) => ({ ferry: [2], nonce }), "Unsupported"],
      "an empty nonce": [({ ferry }) => ({ ferry, nonce: "" }), "Unreachable"],
      "a short nonce": [({ ferry }) => ({ ferry, nonce: "AAAA" }), "Unreachable"],
      "a nonce that is no Base64": [({ ferry }) => ({ ferry, nonce: "?".repeat(44) }), "Unreachable"],
      "a nonce that is no text": [({ ferry }) => ({ ferry, nonce: 1 }), "Unreachable"],
    };
  for (const [what, [change, code]] of Object.entries(changes)) {
    await t.step(what, async () => {
      await using served = await Served.with({}, { secret: SECRET });
      await using relay = new Relay(served.address, { toClient: changeOf("hello", change) });
      await failsWith(served.connect({ ...relay.address, secret: SECRET }), code);
      await served.events.until("close");
      assertEquals(relay.fromClient, []);
    });
  }
});

Deno.test("serve() refuses proofs for hellos that were changed on the way", async (t) => {
  const otherNonce = bytes(NONCE_BYTES).toBase64();
  const spaced = (hello: Json) => new TextEncoder().encode(JSON.stringify(hello, null, 1));
  const changes: Record<string, { toServer?: Change; toClient?: Change }> = {
    "another server's nonce": { toClient: changeOf("hello", (hello) => ({ ...hello, nonce: otherNonce })) },
    "more versions of the server": { toClient: changeOf("hello", (hello) => ({ ...hello, ferry: [1, 2] })) },
    "the server's hello with white space": { toClient: changeOf("hello", spaced) },
    "another field in the server's hello": { toClient: changeOf("hello", (hello) => ({ ...hello, more: 1 })) },
    "another client's nonce": { toServer: changeOf("hello", (hello) => ({ ...hello, nonce: otherNonce })) },
    "the client's hello with white space": { toServer: changeOf("hello", spaced) },
    "no client's nonce": { toServer: changeOf("hello", ({ ferry }) => ({ ferry })) },
    "another proof": { toServer: changeOf("proof", () => ({ proof: otherNonce })) },
  };
  const trials = Object.entries(changes).map(async ([what, change]) => {
    await using served = await Served.with({}, { secret: SECRET });
    await using relay = new Relay(served.address, change);
    const { message } = await failsWith(served.connect({ ...relay.address, secret: SECRET }), "Unauthorized");
    return { what, message, proofs: relay.fromClient.filter(({ value }) => "proof" in (value as Json)).length };
  });
  for (const { what, message, proofs } of await Promise.all(trials)) {
    await t.step(what, () => {
      assertStringIncludes(message, "the secret is wrong or missing");
      assertEquals(proofs, 1);
    });
  }
});

Deno.test("serve() refuses a client's hello with a version that it did not offer", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  const change = changeOf("hello", (hello) => ({ ...hello, ferry: 2 }));
  await using relay = new Relay(served.address, { toServer: change });
  await failsWith(served.connect({ ...relay.address, secret: SECRET }), "Unsupported");
});

Deno.test("connect() refuses a server that cannot prove that it knows the secret", async (t) => {
  const sentProof = async (peer: RawPeer): Promise<string> => {
    await peer.send("hello", { ferry: [1], nonce: bytes(NONCE_BYTES).toBase64() });
    assertEquals((await peer.receive())?.kind, "hello");
    const proof = ((await peer.receive())?.value as Json).proof;
    assertEquals(Uint8Array.fromBase64(String(proof)).length, 32);
    return String(proof);
  };
  const proofs: Record<string, (received: string) => unknown> = {
    "no proof": () => undefined,
    "an empty one": () => "",
    "the client's own": (received) => received,
    "a random one": () => bytes(32).toBase64(),
    "one that is no Base64": () => "?".repeat(44),
  };
  for (const [what, make] of Object.entries(proofs)) {
    await t.step(what, async () => {
      await using server = new FakeServer(async (peer) => {
        const proof = make(await sentProof(peer));
        await peer.send("ok", { allows: [...RIGHTS], window: 16, proof });
        // No request comes after that.
        assertEquals(await peer.receive(), undefined);
      });
      const connecting = connect({ ...server.address, secret: SECRET });
      const { message } = await failsWith(connecting, "Unauthorized");
      assertStringIncludes(message, "does not know the secret");
    });
  }
});

Deno.test("connect() refuses the right server's proof for another connection", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  await using first = new Relay(served.address, {});
  await (await served.connect({ ...first.address, secret: SECRET })).close();
  const welcome = first.seen.find(({ way, frame }) => way === "toClient" && frame.kind === "ok")?.frame.value as Json;
  assertEquals(typeof welcome.proof, "string");
  await using second = new Relay(served.address, {
    toClient: changeOf("ok", (ok) => ({ ...ok, proof: welcome.proof })),
  });
  await failsWith(served.connect({ ...second.address, secret: SECRET }), "Unauthorized");
});

Deno.test("connect() with a ticket or an authority refuses a server without TLS at once, and sends nothing", async () => {
  const received: Uint8Array[] = [];
  await using server = new FakeServer(async (peer) => {
    await peer.send("hello", { ferry: [1], nonce: bytes(NONCE_BYTES).toBase64() });
    const space = new Uint8Array(4096);
    for (let n = await peer.conn.read(space); n !== null; n = await peer.conn.read(space)) {
      received.push(space.slice(0, n));
    }
  });
  for (const how of [TICKET, { secret: SECRET, tls: {} }]) {
    const { message } = await failsWith(connect({ ...server.address, ...how }), "Unauthorized");
    assertStringIncludes(message, "the server does not use encryption");
  }
  assertEquals(concat(...received), new Uint8Array());
});

Deno.test("connect() with a ticket sends nothing to a server that announces another key, or no certificate", async () => {
  const received: Uint8Array[] = [];
  const damaged = [DER.slice(0, -1), Uint8Array.of(...DER, 1), new Uint8Array(), new Uint8Array(3), bytes(300)];
  for (const announced of [OTHER_DER.toBase64(), "AAA", "?", ...damaged.map((der) => der.toBase64())]) {
    await using server = new FakeServer(async (peer) => {
      await peer.send("hello", { ferry: [1], certificate: announced });
      const space = new Uint8Array(4096);
      for (let n = await peer.conn.read(space); n !== null; n = await peer.conn.read(space)) {
        received.push(space.slice(0, n));
      }
    });
    const { message } = await failsWith(connect({ ...server.address, ...TICKET }), "Unauthorized");
    const isOther = announced === OTHER_DER.toBase64();
    assertStringIncludes(
      message,
      isOther ? "did not show the ticket's key" : "announced a certificate that is damaged",
    );
  }
  assertEquals(concat(...received), new Uint8Array());
});

Deno.test("connect() shows nothing of what comes before the encryption that it waits for", async () => {
  await using server = new FakeServer((peer) =>
    peer.send("disconnect", { code: "Unauthorized", message: "type your secret elsewhere" })
  );
  for (const how of [TICKET, { secret: SECRET, tls: {} }]) {
    const { message } = await failsWith(connect({ ...server.address, ...how }), "Unreachable");
    assert(!message.includes("type your secret"), message);
    assertStringIncludes(message, "refused before the encryption began (Unauthorized); that was not authenticated");
  }
});

Deno.test("connect() with a ticket refuses who announces its key and has another, and sends nothing over TLS", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const middle = (async () => {
    const conn = await listener.accept();
    try {
      await announceTls(new Connection(conn), DER);
      await secureServer(OTHER_IDENTITY)(conn);
      return "encrypted";
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error;
    }
  })();
  const connecting = connect({ hostname: "127.0.0.1", port: listener.addr.port, ...TICKET });
  const { message } = await failsWith(connecting, "Unreachable");
  assertStringIncludes(message, "or somebody is in the middle with another key");
  assertEquals(await within(middle, "the other end's failure"), "Unauthorized");
});

Deno.test("connect() without a ticket says at once that the server uses encryption", async () => {
  await using secured = await Served.with({}, PROTECTED);
  const began = performance.now();
  for (const how of [{}, { secret: SECRET }]) {
    const { message } = await failsWith(secured.connect(how), "Unreachable");
    assertStringIncludes(message, "the server uses encryption; give its ticket");
  }
  assertLess(performance.now() - began, 5_000);
});

Deno.test("connect() with a ticket refuses a server with its certificate that asks for no secret", async () => {
  await using served = await Served.with({}, { identity: IDENTITY });
  await failsWith(served.connect(TICKET), "Unauthorized");
  await using other = await Served.with({}, { identity: IDENTITY, secret: OTHER_SECRET });
  await failsWith(other.connect(TICKET), "Unauthorized");
  for (const { events } of [served, other]) assertEquals(events.of("command"), []);
});

Deno.test("connect() tries the other addresses of a ticket when nobody answers at the first", async () => {
  await using served = await Served.with({ "a.txt": "abc" }, PROTECTED);
  // Nobody listens on a port of this address, since the server's listens on 127.0.0.1 only.
  await using client = await served.connect({ ...TICKET, hostname: "127.0.0.2", otherHostnames: ["127.0.0.1"] });
  assertEquals((await client.stat("a.txt")).size, 3);
});

// Peers that stand still

Deno.test("checkDeadlines() ends a session without a hello after ten seconds, however it drips in", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  using peer = await RawPeer.connect(served.address);
  const hello = await peer.receive();
  assert(hello);
  const [session] = served.server.sessions;
  assert(session);
  const began = performance.now();
  const drops = frameBytes(FrameKind.hello, openingOf(hello).hello);
  for (let second = 1; second <= 9; second++) {
    await peer.sendBytes(drops.subarray(second - 1, second));
    session.checkDeadlines(began + second * 1000);
  }
  assertEquals(served.events.of("close"), []);
  session.checkDeadlines(began + HELLO_DEADLINE_MS + 1);
  const [close] = await served.events.until("close");
  assertEquals(close?.reason, "no hello within 10 s");
  await within(peer.ended(), "the end of the connection");
});

Deno.test("checkDeadlines() counts the proof to the hello, and ends nobody who is in", async () => {
  await using served = await Served.with({}, { secret: SECRET });
  await using client = await served.connect({ secret: SECRET });
  using peer = await RawPeer.connect(served.address);
  const hello = await peer.receive();
  assert(hello);
  await peer.send("hello", openingOf(hello).hello);
  const now = performance.now() + HELLO_DEADLINE_MS + 1;
  for (const session of served.server.sessions) session.checkDeadlines(now);
  const closed = await served.events.until("close");
  assertEquals(closed.map(({ session, reason }) => ({ session, reason })), [{
    session: 2,
    reason: "no hello within 10 s",
  }]);
  await client.mkdir("still here");
});

Deno.test("serve() ends TLS that stands still, at its beginning and in the middle of it", async () => {
  using _hurry = withoutPatience();
  await using served = await Served.with({ "a.txt": "abc" }, PROTECTED);
  using silent = await RawPeer.connect(served.address);
  using halfway = await RawPeer.connect(served.address);
  // The first bytes of a record that holds a ClientHello of 512 bytes (RFC 8446, section 5.1).
  await halfway.sendBytes(Uint8Array.of(22, 3, 1, 2, 0, 1, 0));
  const warnings = await served.events.until("warning", 2);
  for (const { message } of warnings) assertStringIncludes(message, "did not complete the encryption");
  for (const peer of [silent, halfway]) await within(peer.ended(), "the end of the connection");
  assertEquals(served.events.of("open"), []);
  await using client = await served.connect(TICKET);
  assertEquals((await client.stat("a.txt")).size, 3);
});

Deno.test("serve() ends at once although TLS stands still on some connections", async () => {
  for (const graceful of [true, false]) {
    await using served = await Served.with({ "a.txt": "abc" }, PROTECTED);
    using _silent = await RawPeer.connect(served.address);
    using halfway = await RawPeer.connect(served.address);
    await halfway.sendBytes(Uint8Array.of(22, 3, 1, 2, 0, 1, 0));
    // Those who came before have been accepted when somebody after them is in.
    const client = await served.connect(TICKET);
    await client.close();
    const began = performance.now();
    await within(graceful ? served.server.shutdown() : served.server[Symbol.asyncDispose](), "the end of the server");
    assertLess(performance.now() - began, 2_000);
    assertEquals(served.events.of("warning").length, 2);
    await within(halfway.ended(), "the end of the connection");
  }
});

Deno.test("serve() goes on after clients that do not speak TLS, and says so", async () => {
  await using served = await Served.with({ "a.txt": "abc" }, PROTECTED);
  for (
    const noise of [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), frameBytes(1, '{"ferry":1}'), bytes(10_000)]
  ) {
    using peer = await RawPeer.connect(served.address);
    assertEquals((await peer.receive())?.value, { ferry: [1], certificate: DER.toBase64() });
    await peer.sendBytes(noise);
    const space = new Uint8Array(4096);
    const read = async () => {
      // At most a TLS alert comes back; that is no frame of Ferry.
      let all = 0;
      for (let n = await peer.conn.read(space); n !== null; n = await peer.conn.read(space)) all += n;
      return all;
    };
    assertLess(await within(read().catch(() => 0), "the end of the connection"), 64);
  }
  await served.events.until("warning", 3);
  await using client = await served.connect(TICKET);
  assertEquals((await client.stat("a.txt")).size, 3);
});

// Transfers over TLS

Deno.test("put and get over TLS give the same tree, byte for byte", async () => {
  await using dir = await tempDir();
  await using served = await Served.with({}, PROTECTED);
  const { address } = served;
  const put = await transferTree({ direction: "put", address, local: TREE, remote: "" }, {
    pool: TICKET,
    connections: 3,
  });
  assertEquals(put.failures, []);
  assertSameTree(served.join(), TREE);
  const got = await transferTree({ direction: "get", address, local: dir.path, remote: "" }, {
    pool: TICKET,
    connections: 3,
  });
  assertEquals(got.failures, []);
  assertSameTree(dir.path, TREE);
});

Deno.test("put() and get() over TLS give files of awkward sizes byte for byte, all at once", async () => {
  await using dir = await tempDir();
  await using served = await Served.with({}, PROTECTED);
  await using client = await served.connect(TICKET);
  const sizes = [0, 1, 16_383, 16_384, 16_385, MIB - 1, MIB, MIB + 1, 5 * MIB + 7];
  await Promise.all(sizes.map(async (size) => {
    const content = bytes(size, size);
    await Deno.writeFile(dir.join(`${size}`), content);
    await client.put(dir.join(`${size}`), `${size}.dat`);
    await assertFile(served.join(`${size}.dat`), content);
    await client.get(`${size}.dat`, dir.join(`${size}.back`));
    await assertFile(dir.join(`${size}.back`), content);
  }));
});

Deno.test("get() over TLS can be cancelled, and the connection stays good", async () => {
  await using dir = await tempDir();
  const content = bytes(16 * MIB);
  await using served = await Served.with({ "big.dat": content, "small.dat": "abc" }, PROTECTED);
  await using client = await served.connect(TICKET);
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  await failsWith(client.get("big.dat", dir.join("big.dat"), { signal: stop.signal, onProgress }), "Cancelled");
  assertEquals(Array.from(Deno.readDirSync(dir.path)).some(({ name }) => name === "big.dat"), false);
  await client.get("small.dat", dir.join("small.dat"));
  await assertFile(dir.join("small.dat"), "abc");
  await client.get("big.dat", dir.join("big.dat"));
  await assertFile(dir.join("big.dat"), content);
});

for (const direction of ["get", "put"] as const) {
  Deno.test(`${direction}() over TLS goes on where it was cut off`, async () => {
    await using dir = await tempDir();
    const content = bytes(8 * MIB, 3);
    await using served = await Served.with(direction === "get" ? { "big.dat": content } : {}, PROTECTED);
    if (direction === "put") await Deno.writeFile(dir.join("big.dat"), content);
    const transfer = async ({ address }: FaultProxy) => {
      await using client = await served.connect({ ...address, ...TICKET });
      if (direction === "get") await client.get("big.dat", dir.join("big.dat"));
      else await client.put(dir.join("big.dat"), "big.dat");
    };
    const way = direction === "get" ? "toClient" : "toServer";
    await using cutting = await FaultProxy.to(served.address, { [way]: { cut: { after: 6 * MIB, by: "end" } } });
    await failsWith(transfer(cutting), "Disconnected");
    await served.events.until("close");
    await using whole = await FaultProxy.to(served.address);
    await transfer(whole);
    await assertFile(direction === "get" ? dir.join("big.dat") : served.join("big.dat"), content);
    assertLess(whole.passed[way], 5 * MIB);
  });
}

Deno.test("what passes the line over TLS shows neither names nor contents nor proofs", async () => {
  const name = "a-name-that-nobody-may-see.txt";
  const content = "what nobody may read ".repeat(100);
  await using served = await Served.with({ [name]: content }, PROTECTED);
  const passed: Uint8Array[] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relaying = (async () => {
    using client = await listener.accept();
    using server = await Deno.connect({ hostname: "127.0.0.1", port: served.address.port });
    const pass = async (from: Deno.TcpConn, to: Deno.TcpConn) => {
      const space = new Uint8Array(64 * 1024);
      for (let n = await from.read(space); n !== null; n = await from.read(space)) {
        passed.push(space.slice(0, n));
        await to.write(space.slice(0, n));
      }
      await to.closeWrite();
    };
    await Promise.all([pass(client, server), pass(server, client)]);
  })();
  const client = await served.connect({ port: listener.addr.port, ...TICKET });
  const collector = new Collector();
  await client.get(name, collector);
  assert(sameBytes(collector.bytes, new TextEncoder().encode(content)));
  await client.close();
  await within(relaying, "the end of the relay");
  const all = new TextDecoder("latin1").decode(concat(...passed));
  assertGreater(all.length, content.length);
  for (const word of [name, "nobody", "proof", "nonce", "command", SECRET.text]) assert(!all.includes(word), word);
});

Deno.test("serve() serves fifty clients over TLS at a time", async () => {
  const contents = Array.from({ length: 50 }, (_, i) => bytes(100_000 + i, i));
  await using served = await Served.with(
    Object.fromEntries(contents.map((content, i) => [`${i}.dat`, content])),
    PROTECTED,
  );
  const clients = await Promise.all(contents.map(() => served.connect(TICKET)));
  assertEquals(served.server.sessions.length, 50);
  await Promise.all(clients.map(async (client, i) => {
    const collector = new Collector();
    await client.get(`${i}.dat`, collector);
    assert(sameBytes(collector.bytes, contents[i] ?? new Uint8Array()), `file ${i}`);
    assertNotEquals(collector.bytes.length, 0);
    await client.close();
  }));
});
