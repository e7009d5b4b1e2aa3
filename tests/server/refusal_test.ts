import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { newNonce, prove, Secret } from "../../lib/auth/secret.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { frameBytes } from "../helpers/frames.ts";
import { type Answer, failsWith, RawPeer, Served, within } from "../helpers/raw.ts";

/** The answer comes after 1 s; timers may be a little early against the clock. */
const AT_LEAST_MS = 990;

/** More than an address could fail when there was a lock-out, and more than may wait before their hello. */
const MANY = 300;

/** How long one of those who know the secret may need to come in, while many others fail, in ms. */
const COME_IN_MS = 3_000;

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

Deno.test("serve() tells of each failed login once, and of nobody who gets in or does not try", async () => {
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
  const logins = served.events.of("login");
  assertEquals(logins.length, names.length + 1);
  const opened = new Map(served.events.of("open").map(({ session, peer }) => [session, peer]));
  for (const { session, peer, outcome, durationMs } of logins) {
    assertEquals([peer, outcome], [opened.get(session), "Unauthorized"]);
    // It is told at once, and not when the client hears of it.
    assert(durationMs < 1000, `${durationMs}`);
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
