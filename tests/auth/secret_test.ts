import { assert, assertEquals, assertFalse, assertNotEquals } from "@std/assert";
import {
  decodeBase32,
  encodeBase32,
  newNonce,
  NONCE_BYTES,
  ownerOf,
  prove,
  Secret,
  SECRET_BYTES,
  type Transcript,
  verify,
} from "../../lib/auth/secret.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { bytes, withRandom } from "../helpers/random.ts";

const TRANSCRIPT: Transcript = {
  serverHello: new TextEncoder().encode('{"ferry":[1]}'),
  clientHello: new TextEncoder().encode('{"ferry":1}'),
  serverNonce: bytes(NONCE_BYTES, 1),
  clientNonce: bytes(NONCE_BYTES, 2),
  certificate: bytes(300, 3),
};

const SECRET = Secret.fromBytes(bytes(SECRET_BYTES, 4));

/** The original with one bit of one byte turned around. */
function flipped(original: Uint8Array, at = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(original, (byte, i) => i === at ? byte ^ 1 : byte);
}

Deno.test("encodeBase32() gives RFC 4648's test vectors, in lower case and without padding", () => {
  const vectors = {
    "": "",
    f: "my",
    fo: "mzxq",
    foo: "mzxw6",
    foob: "mzxw6yq",
    fooba: "mzxw6ytb",
    foobar: "mzxw6ytboi",
  };
  for (const [plain, text] of Object.entries(vectors)) {
    assertEquals(encodeBase32(new TextEncoder().encode(plain)), text);
    assertEquals(decodeBase32(text.toUpperCase()), new TextEncoder().encode(plain));
  }
});

Deno.test("decodeBase32() gives back what encodeBase32() was given", () =>
  withRandom((random) => {
    for (let i = 0; i < 300; i++) {
      const original = random.bytes(random.below(100));
      assertEquals(decodeBase32(encodeBase32(original)), original);
    }
  }));

Deno.test("decodeBase32() refuses other characters, impossible lengths and a second spelling of the same bytes", () => {
  for (const text of ["m0", "m1", "m8", "m=", "m y", "mü", "mſ", "m", "mzx", "mzxw6y", "mz"]) {
    assertEquals(decodeBase32(text), undefined, text);
  }
});

Deno.test("Secret.create() makes 128 bits that differ every time", () => {
  const texts = Array.from({ length: 50 }, () => Secret.create().text);
  assertEquals(new Set(texts).size, 50);
  for (const text of texts) assert(/^[a-z2-7]{26}$/.test(text), text);
  assertEquals(Secret.create().bytes.length, 16);
});

Deno.test("Secret.parse() reads the text form, also with white space, hyphens and capitals", () => {
  const { text } = SECRET;
  for (
    const form of [
      text,
      `\n  ${text}\r\n`,
      text.toUpperCase(),
      text.replace(/.{5}/g, "$&-"),
      `${text.slice(0, 9)} ${text.slice(9)}`,
    ]
  ) {
    assertEquals(Secret.parse(form).bytes, SECRET.bytes);
  }
});

Deno.test("Secret.parse() says what is wrong, and never repeats what it was given", () => {
  const { text } = SECRET;
  const wrong = {
    "": "26 characters, this has 0",
    [text.slice(1)]: "26 characters, this has 25",
    [`${text}a`]: "26 characters, this has 27",
    [`${text.slice(0, -1)}0`]: "letters a-z",
    [`${text.slice(0, -1)}7`]: "mistyped",
    "correct horse battery staple 1": "letters a-z",
  };
  for (const [given, reason] of Object.entries(wrong)) {
    const { message } = assertThrowsCode("BadRequest", () => Secret.parse(given), given);
    assert(message.includes(reason), message);
    assertFalse(given !== "" && message.includes(given), message);
  }
});

Deno.test("Secret.fromBytes() takes 16 bytes only, and copies them", () => {
  for (const length of [0, 15, 17]) assertThrowsCode("BadRequest", () => Secret.fromBytes(new Uint8Array(length)));
  const own = bytes(SECRET_BYTES, 9);
  const secret = Secret.fromBytes(own);
  own.fill(0);
  secret.bytes.fill(0);
  assertEquals(secret.bytes, bytes(SECRET_BYTES, 9));
});

Deno.test("Secret is shown neither by the console nor in JSON nor in strings", () => {
  const shown = [Deno.inspect({ SECRET }, { showHidden: true, depth: 9 }), JSON.stringify({ SECRET }), String(SECRET)];
  const hex = SECRET.bytes.toHex();
  for (const text of shown) {
    assertFalse(text.includes(SECRET.text), text);
    assertFalse(text.includes(String(SECRET.bytes[0])) && text.includes(String(SECRET.bytes[15])), text);
    assertFalse(text.includes(hex), text);
  }
});

Deno.test("newNonce() is new every time", () => {
  assertEquals(newNonce().length, NONCE_BYTES);
  assertNotEquals(newNonce(), newNonce());
});

Deno.test("prove() is HMAC-SHA-256 over the length and the bytes of every part", async () => {
  const { serverNonce, clientNonce, serverHello, clientHello, certificate } = TRANSCRIPT;
  const fingerprint = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(certificate ?? [])));
  for (const role of ["client", "server"] as const) {
    const label = new TextEncoder().encode(`ferry/1 ${role} proof`);
    const parts = [label, serverNonce, clientNonce, serverHello, clientHello, fingerprint];
    const message = parts.flatMap((part) => [0, 0, 0, part.length, ...part]);
    const key = await crypto.subtle.importKey("raw", SECRET.bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const wanted = new Uint8Array(await crypto.subtle.sign("HMAC", key, Uint8Array.from(message)));
    assertEquals(prove(SECRET, role, TRANSCRIPT), wanted);
  }
});

Deno.test("verify() accepts the proof of the same secret, role and transcript", () => {
  for (const certificate of [TRANSCRIPT.certificate, undefined]) {
    const transcript = { ...TRANSCRIPT, certificate };
    for (const role of ["client", "server"] as const) {
      assertEquals(verify([SECRET], role, transcript, prove(SECRET, role, transcript)), 0);
    }
  }
});

Deno.test("verify() refuses a proof when any part of the transcript was changed", () => {
  const proof = prove(SECRET, "client", TRANSCRIPT);
  const { serverNonce, clientNonce, serverHello, clientHello } = TRANSCRIPT;
  const changed: Record<string, Partial<Transcript>> = {
    "server hello": { serverHello: flipped(serverHello) },
    "client hello": { clientHello: flipped(clientHello) },
    "empty hello": { clientHello: new Uint8Array() },
    "server nonce": { serverNonce: flipped(serverNonce, NONCE_BYTES - 1) },
    "client nonce": { clientNonce: flipped(clientNonce) },
    "swapped nonces": { serverNonce: clientNonce, clientNonce: serverNonce },
    "swapped hellos": { serverHello: clientHello, clientHello: serverHello },
    "certificate": { certificate: bytes(300, 8) },
    "no certificate": { certificate: undefined },
    "moved boundary": {
      serverHello: serverHello.slice(0, -1),
      clientHello: Uint8Array.of(serverHello.at(-1) ?? 0, ...clientHello),
    },
  };
  for (const [what, part] of Object.entries(changed)) {
    assertEquals(verify([SECRET], "client", { ...TRANSCRIPT, ...part }, proof), undefined, what);
  }
});

Deno.test("verify() refuses a proof that was sent back to its maker", () => {
  assertEquals(verify([SECRET], "server", TRANSCRIPT, prove(SECRET, "client", TRANSCRIPT)), undefined);
  assertEquals(verify([SECRET], "client", TRANSCRIPT, prove(SECRET, "server", TRANSCRIPT)), undefined);
});

Deno.test("verify() refuses damaged, short, long and empty proofs", () => {
  const proof = prove(SECRET, "client", TRANSCRIPT);
  const wrong = [
    ...Array.from(proof.keys(), (i) => flipped(proof, i)),
    proof.slice(1),
    proof.slice(0, -1),
    Uint8Array.of(...proof, 0),
    new Uint8Array(),
    new Uint8Array(proof.length),
  ];
  for (const each of wrong) assertEquals(verify([SECRET], "client", TRANSCRIPT, each), undefined);
});

Deno.test("verify() says which of several secrets it was", () => {
  const secrets = [Secret.create(), Secret.create(), Secret.create()];
  for (const [i, secret] of secrets.entries()) {
    assertEquals(verify(secrets, "client", TRANSCRIPT, prove(secret, "client", TRANSCRIPT)), i);
  }
  assertEquals(verify(secrets, "client", TRANSCRIPT, prove(SECRET, "client", TRANSCRIPT)), undefined);
  assertEquals(verify([], "client", TRANSCRIPT, prove(SECRET, "client", TRANSCRIPT)), undefined);
});

Deno.test("verify() does the same work whichever secret matches", () => {
  const secrets = [Secret.create(), Secret.create(), Secret.create()];
  let reads = 0;
  const counted = secrets.map((secret) =>
    new Proxy(secret, {
      get(target, key) {
        if (key === "bytes") reads++;
        return Reflect.get(target, key, target);
      },
    })
  );
  for (const secret of [...secrets, SECRET]) {
    reads = 0;
    verify(counted, "client", TRANSCRIPT, prove(secret, "client", TRANSCRIPT));
    assertEquals(reads, secrets.length);
  }
  reads = 0;
  verify(counted, "client", TRANSCRIPT, new Uint8Array());
  assertEquals(reads, secrets.length);
});

Deno.test("prove() and verify() refuse nonces of another length", () => {
  for (const nonce of [new Uint8Array(), bytes(NONCE_BYTES - 1), bytes(NONCE_BYTES + 1)]) {
    for (const part of [{ serverNonce: nonce }, { clientNonce: nonce }]) {
      assertThrowsCode("BadRequest", () => prove(SECRET, "client", { ...TRANSCRIPT, ...part }));
      assertThrowsCode("BadRequest", () => verify([SECRET], "client", { ...TRANSCRIPT, ...part }, new Uint8Array(32)));
    }
  }
});

Deno.test("ownerOf() is the same for the same secret, another for another, and no part of it", () => {
  const secret = Secret.create();
  assertEquals(ownerOf(secret), ownerOf(Secret.fromBytes(secret.bytes)));
  assertNotEquals(ownerOf(secret), ownerOf(Secret.create()));
  assert(!ownerOf(secret).includes(secret.bytes.toHex()) && !ownerOf(secret).includes(secret.text));
});
