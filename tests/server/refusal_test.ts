import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { newNonce, prove, Secret } from "../../lib/auth/secret.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { frameBytes } from "../helpers/frames.ts";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { type Answer, failsWith, RawPeer, Served, within } from "../helpers/raw.ts";

/** The answer comes after 1 s; timers may be a little early against the clock. */
const AT_LEAST_MS = 990;

/** More than an address could fail when there was a lock-out, and more than may wait before their hello. */
const MANY = 300;

/** How long one of those who know the secret may need to come in, while many others fail, in ms. */
const COME_IN_MS = 3_000;

const IDENTITY = await createIdentity();

const GOOD = newNonce().toBase64();

/** Two frames that a client may answer the server's hello with; the second one when the first is not enough. */
const WRONG: Record<string, readonly Uint8Array[]> = {
  "another proof": [hello({ ferry: 1, nonce: GOOD }), hello({ proof: GOOD })],
  "no nonce": [hello({ ferry: 1 }), hello({ proof: GOOD })],
  "a nonce that is a number": [hello({ ferry: 1, nonce: 5 }), hello({ proof: GOOD })],
  "a nonce that is null": [hello({ ferry: 1, nonce: null }), hello({ proof: GOOD })],
  "a nonce that is a list": [hello({ ferry: 1, nonce: [GOOD] }), hello({ proof: GOOD })],
  "a nonce that is short": [hello({ ferry: 1, nonce: "AA==" }), hello({ proof: GOOD })],
  "a nonce without padding": [hello({ ferry: 1, nonce: GOOD.replace("=", "") }), hello({ proof: GOOD })],
  "a proof that is a number": [hello({ ferry: 1, nonce: GOOD }), hello({ proof: 5 })],
  "a proof that is no Base64": [hello({ ferry: 1, nonce: GOOD }), hello({ proof: "*".repeat(44) })],
  "no proof in the frame": [hello({ ferry: 1, nonce: GOOD }), hello({})],
  "a list in place of the proof": [hello({ ferry: 1, nonce: GOOD }), hello([])],
  "no JSON in place of the proof": [hello({ ferry: 1, nonce: GOOD }), frameBytes(FrameKind.hello, "{")],
  "no UTF-8 in place of the proof": [hello({ ferry: 1, nonce: GOOD }), frameBytes(FrameKind.hello, Uint8Array.of(255))],
  "nothing in place of the proof": [hello({ ferry: 1, nonce: GOOD }), frameBytes(FrameKind.hello)],
  "a request in place of the proof": [
    hello({ ferry: 1, nonce: GOOD }),
    frameBytes(FrameKind.request, '{"command":"stat"}'),
  ],
};

function hello(value: unknown): Uint8Array {
  return frameBytes(FrameKind.hello, JSON.stringify(value));
}

/** The last character of a proof has 2 bits that mean nothing; another one with the same first 4. */
function nextCharacter(character = ""): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return alphabet.charAt(alphabet.indexOf(character) + 1);
}

/** What a server answers to these frames, and after how long, in ms. */
async function answerTo(served: Served, frames: readonly Uint8Array[]): Promise<[Answer, number]> {
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  const began = performance.now();
  await peer.sendBytes(...frames);
  const answer = await peer.answer();
  const ms = performance.now() - began;
  assertEquals(await peer.receive(), undefined);
  return [answer, ms];
}

Deno.test("serve() tells of each failed login once, and of nobody who gets in or is turned away because of a limit", async () => {
  const secret = Secret.create();
  const limits = { connections: 1 };
  await using served = await Served.with({}, { secret, limits });
  const names = Object.keys(WRONG);
  await Promise.all(Object.values(WRONG).map((frames) => answerTo(served, frames)));
  await failsWith(served.connect({ secret: Secret.create() }), "Unauthorized");
  await using client = await served.connect({ secret });
  await failsWith(served.connect({ secret }), "Unreachable");
  using rude = await RawPeer.connect(served.address);
  await rude.send("request", { command: "stat" });
  await rude.ended();
  (await RawPeer.connect(served.address)).conn.close();
  await client.stat();
  const logins = await served.events.until("login", names.length + 3);
  const outcomes = logins.map(({ outcome, detail }) => `${outcome}: ${detail}`);
  const wrong = Array.from({ length: names.length + 1 }, () => "Unauthorized: the secret is wrong or missing");
  assertEquals(outcomes.slice(0, wrong.length), wrong);
  assertEquals(outcomes[wrong.length], "BadRequest: this message was not expected here");
  assertMatch(outcomes[wrong.length + 1] ?? "", /^Disconnected: /);
  const opened = new Map(served.events.of("open").map(({ session, peer }) => [session, peer]));
  for (const { session, peer, durationMs } of logins) {
    assertEquals(peer, opened.get(session));
    // It is told at once, and not when the client hears of it.
    assert(durationMs < 1000, `${durationMs}`);
  }
});

/** What clients do that do not come as far as a proof, and what is told of them. */
const NO_PROOF: readonly [what: string, outcome: string, act: (peer: RawPeer) => Promise<void>][] = [
  ["nothing", "Timeout: no hello within 60 s", async () => {}],
  [
    "a hello, and no proof",
    "Timeout: no hello within 60 s",
    (peer) => peer.sendBytes(hello({ ferry: 1, nonce: GOOD })),
  ],
  ["a wrong version", "Unsupported: this server speaks version 1", (peer) => peer.sendBytes(hello({ ferry: 2 }))],
  ["no JSON", "BadRequest: ", (peer) => peer.sendBytes(frameBytes(FrameKind.hello, "{"))],
  ["no frame", "BadRequest: ", (peer) => peer.sendBytes(new Uint8Array(100))],
  ["a hello, and goes", "Disconnected: ", async (peer) => {
    await peer.sendBytes(hello({ ferry: 1, nonce: GOOD }));
    await peer.conn.closeWrite();
  }],
];

for (const secret of [Secret.create(), undefined]) {
  Deno.test(`serve() tells of who sends no proof ${secret ? "as of failed logins" : "nothing without secrets"}`, async (t) => {
    await using served = await Served.with({}, { secret, limits: { helloMs: 60_000 } });
    for (const [what, outcome, act] of NO_PROOF) {
      await t.step(what, async () => {
        const before = served.events.of("close").length;
        using peer = await RawPeer.connect(served.address);
        await peer.receive();
        await act(peer);
        if (outcome.startsWith("Timeout")) {
          for (const each of served.server.sessions) each.checkDeadlines(performance.now() + 61_000);
        }
        await peer.conn.closeWrite().catch(() => {});
        await served.events.until("close", before + 1);
        const logins = served.events.of("login");
        assertEquals(logins.length, secret ? before + 1 : 0);
        if (secret) {
          assertEquals(`${logins.at(-1)?.outcome}: ${logins.at(-1)?.detail}`.slice(0, outcome.length), outcome);
        }
      });
    }
  });
}

Deno.test("serve() tells of TLS that fails as of a failed login, where a secret is needed", async () => {
  for (const secret of [Secret.create(), undefined]) {
    await using served = await Served.with({}, { secret, identity: IDENTITY, limits: { helloMs: 200 } });
    using silent = await RawPeer.connect(served.address);
    using wrong = await RawPeer.connect(served.address);
    await wrong.receive();
    await wrong.sendBytes(hello({ ferry: 1 }));
    (await RawPeer.connect(served.address)).conn.close();
    const warnings = await served.events.until("warning", 3);
    await silent.ended();
    const told = served.events.of("login").map(({ session, peer, outcome }) => `${session} ${peer} ${outcome}`);
    const outcomes = ["Timeout", "BadRequest", "Disconnected"];
    const wanted = warnings.map(({ session = 0, peer }) => `${session} ${peer} ${outcomes[session - 1]}`);
    assertEquals(told, secret ? wanted : []);
  }
});

Deno.test("serve() gives one answer, after a second, to whatever is wrong with a nonce or a proof", async () => {
  await using served = await Served.with({}, { secret: Secret.create() });
  const names = Object.keys(WRONG);
  const answers = await Promise.all(Object.values(WRONG).map((frames) => answerTo(served, frames)));
  for (const [i, [{ outcome, fields }, ms]] of answers.entries()) {
    assertEquals([outcome, fields], [
      "disconnect Unauthorized",
      { code: "Unauthorized", message: "the secret is wrong or missing" },
    ], names[i]);
    assertGreater(ms, AT_LEAST_MS, names[i]);
  }
});

Deno.test("serve() takes the right proof in one spelling only", async () => {
  const secret = Secret.create();
  await using served = await Served.with({}, { secret });
  const spellings: [string, (proof: string) => string][] = [
    ["ok", (proof) => proof],
    ["disconnect Unauthorized", (proof) => proof.replace("=", "")],
    ["disconnect Unauthorized", (proof) => ` ${proof}`],
    ["disconnect Unauthorized", (proof) => `${proof}AAAA`],
    ["disconnect Unauthorized", (proof) => proof.replace(/.=$/, (end) => `${nextCharacter(end[0])}=`)],
  ];
  await Promise.all(spellings.map(async ([wanted, spell]) => {
    using peer = await RawPeer.connect(served.address);
    const frame = await peer.receive();
    assert(frame);
    const clientNonce = newNonce();
    const clientHello = new TextEncoder().encode(JSON.stringify({ ferry: 1, nonce: clientNonce.toBase64() }));
    const serverNonce = Uint8Array.fromBase64((frame.value as { nonce: string }).nonce);
    const transcript = { serverHello: frame.payload, clientHello, serverNonce, clientNonce, certificate: undefined };
    const proof = spell(prove(secret, "client", transcript).toBase64());
    await peer.sendBytes(frameBytes(FrameKind.hello, clientHello), hello({ proof }));
    assertEquals((await peer.answer()).outcome, wanted);
  }));
});

Deno.test("serve() lets the right secret in while hundreds of wrong ones from the same address are answered", async () => {
  const secret = Secret.create();
  await using served = await Served.with({ "a.txt": "a" }, { secret });
  const wrong = Secret.create();
  const failing = Array.from(
    { length: MANY },
    () => served.connect({ secret: wrong }).then(() => "in", () => "refused"),
  );
  // Some of them wait for their answer by now.
  await served.events.until("open", MANY);
  const began = performance.now();
  await using client = await within(served.connect({ secret }), "the session");
  assertLess(performance.now() - began, COME_IN_MS);
  assertEquals((await client.stat("a.txt")).size, 1);
  assertEquals(new Set(await within(Promise.all(failing), "the refusals")), new Set(["refused"]));
  await using late = await within(served.connect({ secret }), "another session");
  assertEquals((await late.stat("a.txt")).size, 1);
  assertEquals((await client.stat("a.txt")).size, 1);
});

Deno.test("serve() ends at once while wrong secrets are being answered", async () => {
  await using served = await Served.with({}, { secret: Secret.create() });
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  await peer.sendBytes(hello({ ferry: 1 }));
  using other = await RawPeer.connect(served.address);
  // What was sent before it has come.
  await other.receive();
  const began = performance.now();
  await served.server[Symbol.asyncDispose]();
  assertLess(performance.now() - began, AT_LEAST_MS / 2);
  assert(["closed", "reset"].includes(await peer.ended()));
});
