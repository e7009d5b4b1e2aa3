import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { ServeOptions } from "../../lib/mod.ts";
import { prove, Secret } from "../../lib/auth/secret.ts";
import { type CommandName, COMMANDS, type Right, RIGHTS } from "../../lib/protocol/commands.ts";
import { authorize, type Policy, rightsOf, type Role, ROLES } from "../../lib/access/policy.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { bytes } from "../helpers/random.ts";
import { type Answer, assertFile, failsWith, namesIn, RawPeer, Served } from "../helpers/raw.ts";

const MIB = 1024 * 1024;

/** What each command needs, as `docs/protocol.md` has it. */
const NEEDS: Record<CommandName, Right | undefined> = {
  dir: "read",
  stat: "read",
  get: "read",
  sum: "read",
  blocks: "read",
  put: "add",
  offer: "add",
  part: "add",
  mkdir: "add",
  set: "overwrite",
  rename: "remove",
  remove: "remove",
  df: "read",
  say: undefined,
  close: undefined,
};

const NAMES = Object.keys(NEEDS) as CommandName[];

const SECRETS = { full: Secret.create(), read: Secret.create(), upload: Secret.create() };

const HAVE: Record<Role, readonly Right[]> = {
  full: ["read", "add", "overwrite", "remove"],
  read: ["read"],
  upload: ["add"],
};

/** What each option of the server leaves. */
const LEAVES: Record<keyof Policy, readonly Right[]> = {
  readOnly: ["read"],
  uploadOnly: ["add"],
  noOverwrite: ["read", "add", "remove"],
  noDelete: ["read", "add", "overwrite"],
};

const OPTIONS = Object.keys(LEAVES) as (keyof Policy)[];

/** All combinations of the options. */
const POLICIES: readonly Policy[] = Array.from(
  { length: 2 ** OPTIONS.length },
  (_, bits) => Object.fromEntries(OPTIONS.map((option, i) => [option, (bits >> i & 1) === 1])),
);

function expected(role: Role, policy: Policy): Right[] {
  const options = OPTIONS.filter((option) => policy[option]);
  return RIGHTS.filter((right) =>
    HAVE[role].includes(right) && options.every((option) => LEAVES[option].includes(right))
  );
}

/** Options to serve with a secret for each role. */
function withRoles(policy: Policy = {}): Partial<ServeOptions> {
  return { ...policy, secret: SECRETS };
}

/** Connects by hand as somebody who knows the secret of a role. */
async function enter({ address }: Served, role: Role): Promise<{ peer: RawPeer; allows: unknown }> {
  const peer = await RawPeer.connect(address);
  const hello = await peer.receive();
  const { nonce } = hello?.value as { nonce: string };
  const serverNonce = Uint8Array.fromBase64(nonce);
  const clientNonce = crypto.getRandomValues(new Uint8Array(32));
  const answer = { ferry: 1, nonce: clientNonce.toBase64() };
  const transcript = {
    serverHello: hello?.payload ?? new Uint8Array(),
    clientHello: new TextEncoder().encode(JSON.stringify(answer)),
    serverNonce,
    clientNonce,
    certificate: undefined,
  };
  const proof = prove(SECRETS[role], "client", transcript).toBase64();
  await peer.sendAll(["hello", answer], ["hello", { proof }]);
  const welcome = await peer.receive();
  assertEquals(welcome?.kind, "ok");
  return { peer, allows: (welcome?.value as { allows: unknown }).allows };
}

/** Sends a request that would succeed if it were allowed, with its body if it has one. */
async function attempt(peer: RawPeer, command: CommandName): Promise<Answer> {
  const fields: Record<CommandName, Record<string, unknown>> = {
    dir: {},
    stat: { path: "a.txt" },
    get: { path: "a.txt" },
    sum: { path: "a.txt" },
    blocks: { path: "a.txt", length: 3 },
    put: { path: "new.txt", size: 1 },
    offer: { path: "newer.txt", size: 1 },
    part: { upload: "unknown", offset: 0 },
    mkdir: { path: "made" },
    set: { path: "a.txt", mtimeMs: 0 },
    rename: { path: "old.txt", to: "renamed.txt" },
    remove: { path: "useless.txt" },
    df: {},
    say: { text: "hi" },
    close: {},
  };
  await peer.send("request", { command, ...fields[command] });
  if ("body" in COMMANDS[command]) await peer.sendAll(["data", new Uint8Array(1)], ["end", { size: 1 }]);
  return await peer.answer();
}

const FILES = { "a.txt": "abc", "old.txt": "old", "useless.txt": "x" };

Deno.test("COMMANDS says what docs/protocol.md says for every command", () => {
  assertEquals(Object.keys(COMMANDS).sort(), [...NAMES].sort());
  for (const name of NAMES) assertEquals(COMMANDS[name].needs, NEEDS[name], name);
});

Deno.test("rightsOf() is what the role has and every option of the server leaves", () => {
  assertEquals(POLICIES.length, 16);
  for (const role of ROLES) {
    for (const policy of POLICIES) assertEquals(rightsOf(role, policy), expected(role, policy), Deno.inspect(policy));
  }
});

Deno.test("authorize() refuses exactly what a session has no right to", () => {
  for (const role of ROLES) {
    for (const policy of POLICIES) {
      const rights = rightsOf(role, policy);
      for (const name of NAMES) {
        const need = NEEDS[name];
        if (need === undefined || rights.includes(need)) authorize(name, rights);
        else assertThrowsCode("Refused", () => authorize(name, rights), `${role} ${name} ${Deno.inspect(policy)}`);
      }
    }
  }
});

Deno.test("serve() answers every command of every role under every policy, or refuses it and changes nothing", async () => {
  for (const policy of POLICIES) {
    for (const role of ROLES) {
      await using served = await Served.with(FILES, withRoles(policy));
      const { peer, allows } = await enter(served, role);
      using _peer = peer;
      const rights = expected(role, policy);
      assertEquals(allows, rights);
      for (const name of NAMES) {
        const { outcome, fields } = await attempt(peer, name);
        const need = NEEDS[name];
        const isAllowed = need === undefined || rights.includes(need);
        // Nobody can know the name of a shared upload that does not exist.
        const wanted = !isAllowed ? "Refused" : name === "part" ? "NotFound" : "ok";
        assertEquals(outcome, wanted, `${role} ${name} ${Deno.inspect(policy)}: ${fields.message}`);
      }
      const names = new Set(Object.keys(FILES));
      if (rights.includes("add")) names.add("new.txt").add("made");
      if (rights.includes("remove")) {
        for (const gone of ["old.txt", "useless.txt"]) names.delete(gone);
        names.add("renamed.txt");
      }
      assertEquals(await namesIn(served.join()), [...names].sort());
      const roles = new Set(served.events.of("command").map((event) => event.role));
      assertEquals([...roles], [role]);
    }
  }
});

Deno.test("serve() replaces a file only for who may, and keeps the old one otherwise", async () => {
  for (const policy of POLICIES) {
    for (const role of ROLES) {
      const rights = expected(role, policy);
      if (!rights.includes("add")) continue;
      const mayReplace = rights.includes("overwrite");
      await using served = await Served.with(FILES, withRoles(policy));
      await using client = await served.connect({ secret: SECRETS[role] });
      for (const size of [2, 2 * MIB]) {
        const content = bytes(size, size);
        const put = client.put(new Blob([content]).stream(), "a.txt");
        if (mayReplace) assertEquals((await put).size, size);
        else assertStringIncludes((await failsWith(put, "AlreadyExists")).message, "may not replace files here");
        await assertFile(served.join("a.txt"), mayReplace ? content : FILES["a.txt"]);
      }
      assertEquals(client.may("overwrite"), mayReplace);
    }
  }
});

Deno.test("serve() never replaces what has got the name while an upload was synced", async () => {
  await using served = await Served.with({}, { noOverwrite: true });
  const original = Deno.FsFile.prototype.sync;
  Deno.FsFile.prototype.sync = async function () {
    await original.call(this);
    Deno.writeTextFileSync(served.join("a.txt"), "somebody else's");
  };
  try {
    await using client = await served.connect();
    const put = client.put(new Blob(["mine"]).stream(), "a.txt", { durable: true });
    await failsWith(put, "AlreadyExists");
  } finally {
    Deno.FsFile.prototype.sync = original;
  }
  await assertFile(served.join("a.txt"), "somebody else's");
});

// A drop box

Deno.test("serve() tells who may only add nothing of what is there, not even whether there is anything", async () => {
  await using served = await Served.with({ ...FILES, "dir/b.txt": "b" }, withRoles());
  const { peer } = await enter(served, "upload");
  using _peer = peer;
  const requests: [CommandName, (path: string) => Record<string, unknown>][] = [
    ["dir", (path) => ({ path })],
    ["stat", (path) => ({ path })],
    ["get", (path) => ({ path })],
    ["sum", (path) => ({ path })],
    ["blocks", (path) => ({ path, length: 3 })],
    ["rename", (path) => ({ path, to: "elsewhere" })],
    ["rename", (path) => ({ path, to: "a.txt" })],
    ["remove", (path) => ({ path })],
  ];
  for (const [command, fields] of requests) {
    const answers = new Set<string>();
    for (const path of ["a.txt", "missing", "dir", "dir/b.txt", "dir/missing", "../x"]) {
      const { outcome, fields: { message = "" }, frames } = await peer.ask({ command, ...fields(path) });
      assertEquals([outcome, frames], ["Refused", []]);
      answers.add(message.replace(`"${path}"`, "NAME"));
    }
    assertEquals(answers.size, 1, `${command}: ${[...answers].join(" / ")}`);
  }
  assertEquals(await namesIn(served.join()), ["a.txt", "dir", "old.txt", "useless.txt"]);
});

Deno.test("serve() refuses a large upload onto an existing file before its body", async () => {
  await using served = await Served.with(FILES, withRoles());
  const { peer } = await enter(served, "upload");
  using _peer = peer;
  for (const command of ["offer", "put"]) {
    const { outcome, frames } = await peer.ask({ command, path: "a.txt", size: 2 * MIB });
    assertEquals([outcome, frames], ["AlreadyExists", []]);
  }
  await peer.send("error", { code: "Cancelled", message: "" });
  assertEquals((await peer.ask({ command: "mkdir", path: "d" })).outcome, "ok");
});

Deno.test("serve() takes parts of a shared upload from its owner who knows its name, and from nobody else", async () => {
  await using served = await Served.with({}, withRoles());
  const { peer: owner } = await enter(served, "full");
  using _owner = owner;
  await owner.send("request", { command: "put", path: "f", size: 4, shared: true });
  const { upload } = (await owner.receive())?.value as { upload: string };
  assert(/^[0-9a-f-]{36}$/.test(upload), upload);
  const send = async (role: Role, name: string) => {
    const { peer } = await enter(served, role);
    using _peer = peer;
    await peer.sendAll(["request", { command: "part", upload: name, offset: 0 }], ["data", new Uint8Array(4)], [
      "end",
      { size: 4 },
    ]);
    return await peer.answer();
  };
  assertEquals((await send("read", upload)).outcome, "Refused");
  const other = crypto.randomUUID();
  assertNotEquals(other, upload);
  for (const name of [other, upload]) assertEquals((await send("upload", name)).outcome, "NotFound");
  assertEquals((await send("full", other)).outcome, "NotFound");
  assertEquals((await send("full", upload)).outcome, "ok");
  await owner.send("end", { size: 0 });
  assertEquals((await owner.answer()).outcome, "ok");
  await assertFile(served.join("f"), new Uint8Array(4));
});

Deno.test("serve() with secrets for some roles lets nobody in without one of them", async () => {
  const { read, upload, full } = SECRETS;
  await using served = await Served.with(FILES, { secret: { read, upload } });
  for (const secret of [full, undefined]) await failsWith(served.connect({ secret }), "Unauthorized");
  await using reader = await served.connect({ secret: read });
  assertEquals(reader.welcome.allows, ["read"]);
});
