import { assert, assertEquals, assertFalse, assertLessOrEqual } from "@std/assert";
import { type Fields, object, optional, text } from "../../lib/protocol/checks.ts";
import {
  decodeControl,
  decodeError,
  decodeRequest,
  encodeControl,
  errorMessage,
  MESSAGES,
} from "../../lib/protocol/codec.ts";
import { type CommandName, COMMANDS, isCommandName, type OkOf, type RequestOf } from "../../lib/protocol/commands.ts";
import { cannot, ERROR_CODES, FerryError } from "../../lib/core/errors.ts";
import { MAX_CONTROL_BYTES } from "../../lib/protocol/constants.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { concat } from "../helpers/frames.ts";
import { Random, withRandom } from "../helpers/random.ts";

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(value));
}

/** A request of every command with all its fields. */
const REQUESTS: { readonly [N in CommandName]: RequestOf<N> } = {
  dir: { command: "dir", path: "pictures", recursive: true },
  stat: { command: "stat", path: "天线15.doc" },
  get: { command: "get", path: "a/b.txt", offset: 10, length: 0, ifVersion: "v1" },
  put: {
    command: "put",
    path: "a",
    size: 2 ** 53 - 1,
    mtimeMs: -1,
    mode: 0o777,
    overwrite: false,
    durable: true,
    shared: true,
    offset: 2 ** 53 - 1,
    kept: "state",
  },
  offer: { command: "offer", path: "a", size: 1, overwrite: true },
  part: { command: "part", upload: "u", offset: 0 },
  sum: { command: "sum", path: "a" },
  blocks: { command: "blocks", path: "a", length: 10 },
  mkdir: { command: "mkdir", path: "a/b", parents: false, mode: 0o750 },
  set: { command: "set", path: "a/b", mtimeMs: -1, mode: 0 },
  rename: { command: "rename", path: "a", to: "b" },
  remove: { command: "remove", path: "a", recursive: true },
  df: { command: "df" },
  say: { command: "say", text: "hello" },
  close: { command: "close" },
};

/** An `ok` of every command with all its fields. */
const OKS: { readonly [N in CommandName]: OkOf<N> } = {
  dir: { entries: 3 },
  stat: { kind: "directory", size: 0, mtimeMs: 0, mode: 0o755, version: "v" },
  get: {},
  put: { path: "a", size: 1, mtimeMs: 2, version: "v", durable: false },
  part: { size: 1 },
  sum: { sha256: "00", size: 1, version: "v" },
  offer: { covered: 1, blockSize: 2, hashes: "AAAAAA==", kept: "state" },
  blocks: { covered: 1, blockSize: 2, hashes: "AAAAAA==", size: 1, mtimeMs: 2, version: "v" },
  mkdir: {},
  set: {},
  rename: {},
  remove: {},
  df: { free: 1, total: 2 },
  say: {},
  close: {},
};

const COMMAND_NAMES = Object.keys(COMMANDS).filter(isCommandName);

/** A value of every type that JSON has. */
const VALUES: readonly unknown[] = [null, true, 7, -7, 0.5, 1e300, "text", "", [], {}, [1], { a: 1 }];

/** Where `decode` should accept the value of `field` in `message`, it may; elsewhere it must name the field. */
function assertFieldIsChecked(message: object, field: string, decode: (payload: Uint8Array) => unknown): void {
  let refused = 0;
  for (const value of VALUES) {
    try {
      const decoded = decode(json({ ...message, [field]: value }));
      assertEquals(Reflect.get(Object(decoded), field), value);
    } catch (error) {
      assert(
        error instanceof FerryError && error.code === "BadRequest",
        `${field} = ${JSON.stringify(value)}: ${error}`,
      );
      assert(error.message.startsWith(field), error.message);
      refused++;
    }
  }
  // No field accepts more than two of the types.
  assert(refused >= VALUES.length / 2, `${field}: only ${refused} values were refused`);
}

Deno.test("decodeRequest() gives back every request", () => {
  for (const name of COMMAND_NAMES) assertEquals(decodeRequest(json(REQUESTS[name])), REQUESTS[name]);
});

Deno.test("decodeRequest() gives back every request without its optional fields", () => {
  assertEquals(decodeRequest(json({ command: "dir" })), { command: "dir" });
  assertEquals(decodeRequest(json({ command: "stat" })), { command: "stat" });
  assertEquals(decodeRequest(json({ command: "get", path: "a" })), { command: "get", path: "a" });
  assertEquals(decodeRequest(json({ command: "put", path: "a" })), { command: "put", path: "a" });
  assertEquals(decodeRequest(json({ command: "mkdir", path: "a" })), { command: "mkdir", path: "a" });
  assertEquals(decodeRequest(json({ command: "set", path: "a" })), { command: "set", path: "a" });
});

Deno.test("decodeRequest() refuses a request without a field that it needs", () => {
  const needed: [CommandName, string][] = [
    ["get", "path"],
    ["put", "path"],
    ["sum", "path"],
    ["blocks", "path"],
    ["blocks", "length"],
    ["mkdir", "path"],
    ["set", "path"],
    ["rename", "path"],
    ["rename", "to"],
    ["remove", "path"],
    ["say", "text"],
  ];
  for (const [name, field] of needed) {
    const { message } = assertThrowsCode(
      "BadRequest",
      () => decodeRequest(json({ ...REQUESTS[name], [field]: undefined })),
    );
    assert(message.startsWith(field), message);
  }
});

Deno.test("decodeRequest() checks the type of every field and names it", () => {
  for (const name of COMMAND_NAMES) {
    for (const field of Object.keys(COMMANDS[name].fields)) {
      assertFieldIsChecked(REQUESTS[name], field, decodeRequest);
    }
  }
});

Deno.test("decodeRequest() refuses what is not an object with a command", () => {
  for (const value of [...VALUES, { path: "a" }, { command: null }, { command: 1 }, { command: ["get"] }]) {
    assertThrowsCode("BadRequest", () => decodeRequest(json(value)), JSON.stringify(value));
  }
});

Deno.test("decodeRequest() answers Unsupported for a command that does not exist", () => {
  for (
    const command of ["", "GET", "get ", "gets", "__proto__", "constructor", "toString", "hasOwnProperty", "\u0000"]
  ) {
    assertThrowsCode("Unsupported", () => decodeRequest(json({ command })), command);
  }
  const { message } = assertThrowsCode("Unsupported", () => decodeRequest(json({ command: "\u001b[2J" })));
  assertFalse(message.includes("\u001b"), message);
});

Deno.test("decodeRequest() ignores unknown fields", () => {
  const request = decodeRequest(json({ command: "get", path: "a", later: { deep: [1] }, text: 5, to: null }));
  assertEquals(request, { command: "get", path: "a" });
});

Deno.test("decodeRequest() is not impressed by __proto__ and its like", () => {
  const request = decodeRequest(utf8(`{"command":"stat","__proto__":{"path":"x","polluted":1},"constructor":{}}`));
  assertEquals(request, { command: "stat" });
  assertEquals(Object.getPrototypeOf(request), Object.prototype);
  assertFalse("polluted" in {});
  assertThrowsCode("BadRequest", () => decodeRequest(utf8(`{"command":"get","__proto__":{"path":"x"}}`)));
  assertThrowsCode("BadRequest", () => decodeRequest(utf8(`{"__proto__":{"command":"close"}}`)));
});

Deno.test("decodeRequest() refuses numbers that are not what they should be", () => {
  for (const number of ["-1", "0.5", "1e999", "-1e999", "9007199254740992", "1e300", '"5"']) {
    assertThrowsCode(
      "BadRequest",
      () => decodeRequest(utf8(`{"command":"get","path":"a","offset":${number}}`)),
      number,
    );
  }
  for (const number of ["8640000000000001", "-8640000000000001", "0.5", "1e999"]) {
    assertThrowsCode(
      "BadRequest",
      () => decodeRequest(utf8(`{"command":"put","path":"a","mtimeMs":${number}}`)),
      number,
    );
  }
  for (const mode of ["-1", "0.5", "512", "2048", "36389", "1e999"]) {
    for (const command of ["put", "mkdir", "set"]) {
      assertThrowsCode(
        "BadRequest",
        () => decodeRequest(utf8(`{"command":"${command}","path":"a","mode":${mode}}`)),
        mode,
      );
    }
  }
  const largest = { command: "put", path: "a", size: 9007199254740991, mtimeMs: -8640000000000000 };
  assertEquals<unknown>(decodeRequest(json(largest)), largest);
});

Deno.test("decodeRequest() refuses lone surrogates and accepts pairs", () => {
  for (const escape of ["\\ud800", "a\\udfffb", "\\udc00\\ud800"]) {
    assertThrowsCode("BadRequest", () => decodeRequest(utf8(`{"command":"get","path":"${escape}"}`)), escape);
    assertThrowsCode("BadRequest", () => decodeRequest(utf8(`{"command":"${escape}"}`)), escape);
  }
  const request = decodeRequest(utf8(`{"command":"get","path":"\\ud83d\\udce1"}`));
  assertEquals(request, { command: "get", path: "📡" });
});

Deno.test("object() looks only at fields that an object has itself", () => {
  const check = object({ constructor: optional(text), toString: optional(text) } as Fields);
  assertEquals(check({}, "object"), {});
  assertEquals(check({ toString: "x" }, "object"), { toString: "x" } as object);
});

Deno.test("isCommandName() knows only the commands", () => {
  for (const name of COMMAND_NAMES) assert(isCommandName(name));
  for (const name of ["toString", "constructor", "__proto__", "", "GET"]) assertFalse(isCommandName(name), name);
});

Deno.test("decodeControl() refuses what is not UTF-8", () => {
  const wrong = [[0xff], [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe5, 0xa4]];
  for (const bytes of wrong) {
    const payload = concat(utf8('{"text":"'), new Uint8Array(bytes), utf8('"}'));
    assertThrowsCode("BadRequest", () => decodeControl(payload), bytes.join());
  }
});

Deno.test("decodeControl() refuses what is not JSON", () => {
  for (const text of ["", " ", "{", "{}x", "{a:1}", "'a'", "undefined", "NaN", "[1,]", '"\n"', "\ufeff{}", "{}\0"]) {
    assertThrowsCode("BadRequest", () => decodeControl(utf8(text)), JSON.stringify(text));
  }
});

Deno.test("decodeControl() says nothing of the payload in its error", () => {
  const { message } = assertThrowsCode("BadRequest", () => decodeControl(utf8('{"password":"secret')));
  assertFalse(message.includes("secret"), message);
});

Deno.test("decodeRequest() survives the deepest nesting that fits", () => {
  const depth = MAX_CONTROL_BYTES / 2 - 50;
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const times = Math.floor(depth / open.length);
    const nested = open.repeat(times) + "1" + close.repeat(times);
    assertEquals(decodeRequest(utf8(`{"command":"close","later":${nested}}`)), { command: "close" });
    assertThrowsCode("BadRequest", () => decodeRequest(utf8(`{"command":"get","path":${nested}}`)));
    assertThrowsCode("BadRequest", () => MESSAGES.entries(decodeControl(utf8(nested)), "entries"));
    assertThrowsCode("BadRequest", () => decodeControl(utf8(open.repeat(times))));
  }
});

Deno.test("decodeRequest() and the message checks throw nothing but FerryError for damaged messages", () => {
  withRandom((random) => {
    const samples: Uint8Array[] = [...Object.values(REQUESTS), ...Object.values(OKS)].map(json);
    samples.push(json([{ path: "a", kind: "file", size: 1, mtimeMs: 2, mode: 0o644 }]), json({ ferry: [1, 2] }));
    const words = ["null", "[]", "{}", '"__proto__"', "\\ud800", "1e999", "-", '"', "\\u0000", "}", "]", ","] as const;
    let refused = 0;
    for (let i = 0; i < 500; i++) {
      const sample = samples[random.below(samples.length)] ?? new Uint8Array();
      const payload = random.below(2) ? random.damage(sample) : splice(sample, random.pick(words), random);
      if (decodeEveryWay(payload)) refused++;
    }
    assert(refused > 0);
  });
});

Deno.test("MESSAGES check every field and name it", () => {
  const samples = {
    serverHello: { ferry: [1, 2] },
    clientHello: { ferry: 1 },
    welcome: { allows: ["read"], window: 8 },
    readyToSend: { size: 1, mtimeMs: -2, mode: 0o644, version: "v" },
    readyToReceive: { upload: "name" },
    end: { size: 0 },
    error: { code: "NotFound", message: "m", path: "p" },
    notice: { text: "t", reason: "shutdown" },
  } as const;
  for (const [name, sample] of Object.entries(samples)) {
    const check = MESSAGES[name as keyof typeof samples];
    const decode = (payload: Uint8Array) => check(decodeControl(payload), name);
    assertEquals<unknown>(decode(json(sample)), sample);
    assertEquals<unknown>(decode(json({ ...sample, later: 1 })), sample);
    for (const field of Object.keys(sample)) {
      assertFieldIsChecked(sample, field, decode);
      if (field !== "path" && field !== "mode") {
        assertThrowsCode("BadRequest", () => decode(json({ ...sample, [field]: undefined })), field);
      }
    }
    for (const value of [null, [], 1, "text", true]) {
      assertThrowsCode("BadRequest", () => decode(json(value)), `${name} ${JSON.stringify(value)}`);
    }
  }
});

Deno.test("MESSAGES.entries() checks every item of a list", () => {
  const entry = { path: "a", kind: "file", size: 1, mtimeMs: 2, mode: 0o640 } as const;
  const directory = { path: "d", kind: "directory", size: 0, mtimeMs: -2, unreadable: true } as const;
  const other = { path: "p", kind: "other", size: 0, mtimeMs: 0, reason: "a pipe", link: true } as const;
  const entries = [entry, directory, other];
  assertEquals(MESSAGES.entries([], "entries"), []);
  assertEquals(MESSAGES.entries([entry, { ...directory, later: 1 }, other], "entries"), entries);
  const bad = [{ kind: "link" }, { mode: 0o1000 }, { reason: 1 }, { unreadable: "yes" }, { link: 1 }];
  const wrongEntries = bad.map((field) => [entry, { ...entry, ...field }]);
  for (const wrong of [null, {}, "a", [null], [[entry]], [entry, {}], ...wrongEntries]) {
    assertThrowsCode("BadRequest", () => MESSAGES.entries(wrong, "entries"), JSON.stringify(wrong));
  }
});

Deno.test("COMMANDS accepts the ok of every command, ignores unknown fields and checks the others", () => {
  for (const name of COMMAND_NAMES) {
    const check = COMMANDS[name].ok;
    assertEquals(check({ ...OKS[name], later: 1 }, name), OKS[name]);
    for (const field of Object.keys(OKS[name])) {
      assertFieldIsChecked(OKS[name], field, (payload) => check(decodeControl(payload), name));
      if (field === "mode") continue;
      assertThrowsCode("BadRequest", () => check({ ...OKS[name], [field]: undefined }, name), `${name}.${field}`);
    }
  }
});

Deno.test("COMMANDS says of each command what it needs and whether a body follows", () => {
  const needing = (right: string | undefined) => COMMAND_NAMES.filter((name) => COMMANDS[name].needs === right);
  assertEquals(needing("read"), ["dir", "stat", "get", "sum", "blocks", "df"]);
  assertEquals(needing("add"), ["put", "offer", "part", "mkdir"]);
  assertEquals(needing("overwrite"), ["set"]);
  assertEquals(needing("remove"), ["rename", "remove"]);
  assertEquals(needing(undefined), ["say", "close"]);
  assertEquals(COMMAND_NAMES.filter((name) => "body" in COMMANDS[name]), ["put", "part"]);
});

Deno.test("encodeControl() writes compact JSON and says how many bytes", () => {
  const space = new Uint8Array(100).fill(0xaa);
  const value = { path: "天线 📡", n: 1 };
  const written = encodeControl(value, space);
  assertEquals(space.subarray(0, written), json(value));
  assertEquals(space[written ?? 0], 0xaa);
});

Deno.test("encodeControl() gives undefined when the space is too small, and fills it to the last byte", () => {
  const value = { text: "天线" };
  const length = json(value).length;
  for (let size = 0; size < length; size++) assertEquals(encodeControl(value, new Uint8Array(size)), undefined);
  assertEquals(encodeControl(value, new Uint8Array(length)), length);
});

Deno.test("encodeControl() throws TooLarge for more than a control frame holds", () => {
  const space = new Uint8Array(MAX_CONTROL_BYTES);
  assertEquals(encodeControl("x".repeat(MAX_CONTROL_BYTES - 2), space), MAX_CONTROL_BYTES);
  assertThrowsCode("TooLarge", () => encodeControl("x".repeat(MAX_CONTROL_BYTES - 1), space));
  assertThrowsCode("TooLarge", () => encodeControl("天".repeat(MAX_CONTROL_BYTES / 3), space));
});

Deno.test("encodeControl() throws TooLarge also when the space could hold it", () => {
  const space = new Uint8Array(MAX_CONTROL_BYTES * 2);
  assertThrowsCode("TooLarge", () => encodeControl("x".repeat(MAX_CONTROL_BYTES - 1), space));
});

Deno.test("decodeError() gives back the error of errorMessage()", () => {
  for (const code of ERROR_CODES) {
    for (const path of [undefined, "天线/a.txt"]) {
      const decoded = decodeError(json(errorMessage(new FerryError(code, "what happened", { path, cause: "secret" }))));
      const local = code === "Unreachable" || code === "Disconnected";
      assertEquals(decoded.code, local ? "Internal" : code);
      assertEquals(decoded.message, "what happened");
      assertEquals(decoded.path, path);
      assertEquals(decoded.cause, undefined);
    }
  }
});

Deno.test("errorMessage() sends nothing but code, message and path", () => {
  const cause = new Deno.errors.NotFound("/srv/secret");
  assertEquals(errorMessage(new FerryError("NotFound", "m", { path: "p", cause })), {
    code: "NotFound",
    message: "m",
    path: "p",
  });
  assertEquals(Object.keys(errorMessage(new FerryError("Busy", "m"))), ["code", "message"]);
});

Deno.test("decodeError() refuses an unknown code", () => {
  for (const code of ["", "notfound", "__proto__", 5, null]) {
    assertThrowsCode("BadRequest", () => decodeError(json({ code, message: "m" })), String(code));
  }
});

Deno.test("errorMessage() of any request's failure fits a control frame", () => {
  const space = new Uint8Array(MAX_CONTROL_BYTES);
  for (const character of ["x", "天", "\u0001", '"', "📡", "\u202e"]) {
    const largest = `{"command":"get","path":""}`.length;
    const path = character.repeat((MAX_CONTROL_BYTES - largest) / JSON.stringify(character).length);
    // The request itself is one that a client may send.
    const request = decodeRequest(json({ command: "get", path }));
    assert("path" in request);
    const written = encodeControl(errorMessage(cannot("get", request.path, new FerryError("InvalidPath", "r"))), space);
    assertLessOrEqual(written ?? Infinity, MAX_CONTROL_BYTES);
  }
});

Deno.test("errorMessage() for an unknown command of any length fits a control frame", () => {
  const command = "x".repeat(MAX_CONTROL_BYTES - '{"command":""}'.length);
  const error = assertThrowsCode("Unsupported", () => decodeRequest(json({ command })));
  const written = encodeControl(errorMessage(cannot("request", undefined, error)), new Uint8Array(MAX_CONTROL_BYTES));
  assertLessOrEqual(written ?? Infinity, MAX_CONTROL_BYTES);
});

/** Puts `word` in place of a few bytes. */
function splice(sample: Uint8Array, word: string, random: Random): Uint8Array<ArrayBuffer> {
  const at = random.below(sample.length);
  return concat(sample.subarray(0, at), utf8(word), sample.subarray(at + random.below(8)));
}

/** Decodes `payload` as everything it might be; gives whether all refused it. */
function decodeEveryWay(payload: Uint8Array): boolean {
  const checks = [...Object.values(MESSAGES), ...COMMAND_NAMES.map((name) => COMMANDS[name].ok)];
  const attempts = checks.map((check) => {
    return () => check(decodeControl(payload), "message");
  });
  const accepted = [() => decodeRequest(payload), () => decodeError(payload), ...attempts].filter(isAccepted);
  return accepted.length === 0;
}

function isAccepted(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    assert(error instanceof FerryError, `threw ${Deno.inspect(error)}`);
    assert(error.code === "BadRequest" || error.code === "Unsupported", `threw ${error.code}`);
    return false;
  }
}
