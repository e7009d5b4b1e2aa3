import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { auditLine, AuditLog, isChange } from "../../../lib/cli/server/audit.ts";
import { logLine } from "../../../lib/cli/server/event_lines.ts";
import type { ErrorCode } from "../../../lib/core/errors.ts";
import type { CommandEvent } from "../../../lib/access/events.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";
import { tempDir } from "../../helpers/temp.ts";
import { linesOf } from "../../helpers/audit_lines.ts";

const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };

const EVENT: CommandEvent = {
  event: "command",
  session: 1,
  peer: "127.0.0.1:50000",
  role: "upload",
  command: "put",
  path: "天线.dat",
  bytes: 901,
  durationMs: 35.5,
  outcome: "ok",
};

const NOW = new Date(Date.UTC(2026, 10, 20, 8, 51, 0, 7));

/** C0, C1, line separators, bidirectional overrides, zero width, a tag beyond the basic plane, half a character. */
const NASTY = "a\u0000\n\r\t\u001b[2J\u007f\u009b1m\u2028\u202e\u2066\u200b\u{e0041}\ud800b";

Deno.test("AuditLog.write() appends one line with everything that is known of a command", async () => {
  await using dir = await tempDir();
  const path = dir.join("audit");
  const audit = new AuditLog(path);
  assertEquals(audit.write(auditLine(EVENT, NOW)), undefined);
  assertEquals(
    audit.write(auditLine({ ...EVENT, command: "rename", path: "a", to: "b", outcome: "Refused" }, NOW)),
    undefined,
  );
  assertEquals(audit.write(auditLine({ ...EVENT, outcome: "Internal", detail: "EIO" }, NOW)), undefined);
  const line = {
    time: "2026-11-20T08:51:00.007Z",
    event: "command",
    session: 1,
    peer: "127.0.0.1:50000",
    role: "upload",
    command: "put",
    path: "天线.dat",
    bytes: 901,
    outcome: "ok",
    durationMs: 35.5,
  };
  assertEquals(linesOf(path), [
    line,
    { ...line, command: "rename", path: "a", to: "b", outcome: "Refused" },
    { ...line, outcome: "Internal", detail: "EIO" },
  ]);
  // Those who read it with other tools find the names as they are.
  assertStringIncludes(Deno.readTextFileSync(path), '"天线.dat"');
});

Deno.test("AuditLog.write() writes nothing that a terminal would obey, and JSON that means the same", async () => {
  await using dir = await tempDir();
  const path = dir.join("audit");
  new AuditLog(path).write(auditLine({ ...EVENT, path: NASTY, to: NASTY, detail: NASTY, peer: NASTY }, NOW));
  const text = Deno.readTextFileSync(path);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u001f\u007f-\u009f\u200b\u2028\u202e\u2066\u{e0041}]/u.test(text.slice(0, -1)), text);
  const [line] = linesOf(path);
  assertEquals([line?.path, line?.to, line?.detail, line?.peer], [NASTY, NASTY, NASTY, NASTY]);
});

Deno.test("auditLine() says what a set has set", () => {
  const { mtimeMs, mode } = JSON.parse(auditLine({ ...EVENT, command: "set", mtimeMs: 5000, mode: 0o777 }));
  assertEquals([mtimeMs, mode], [5000, 0o777]);
});

Deno.test(
  "AuditLog makes the file for its owner only, and leaves another one's mode alone",
  NOT_ON_WINDOWS,
  async () => {
    await using dir = await tempDir();
    new AuditLog(dir.join("new")).write(auditLine(EVENT));
    assertEquals((Deno.statSync(dir.join("new")).mode ?? 0) & 0o777, 0o600);
    Deno.writeTextFileSync(dir.join("old"), "{}\n");
    Deno.chmodSync(dir.join("old"), 0o640);
    new AuditLog(dir.join("old")).write(auditLine(EVENT));
    assertEquals((Deno.statSync(dir.join("old")).mode ?? 0) & 0o777, 0o640);
    assertEquals(linesOf(dir.join("old")).length, 2);
  },
);

Deno.test("AuditLog refuses a file that others can write, a link, and what is no file", NOT_ON_WINDOWS, async () => {
  await using dir = await tempDir();
  const [good, path] = [dir.join("good"), dir.join("audit")];
  Deno.writeTextFileSync(good, "{}\n", { mode: 0o600 });
  const bad: [what: string, make: () => unknown, code: ErrorCode, reason: string][] = [
    ["group", () => make(path, 0o620), "Refused", "other users may write it; run: chmod go-w"],
    ["others", () => make(path, 0o602), "Refused", "other users may write it; run: chmod go-w"],
    ["link", () => Deno.symlinkSync(good, path), "Refused", "it is a link"],
    ["dangling", () => Deno.symlinkSync(dir.join("nothing"), path), "Refused", "it is a link"],
    ["device", () => Deno.symlinkSync("/dev/null", path), "Refused", "it is a link"],
    ["directory", () => Deno.mkdirSync(path), "NotAFile", "it is not a regular file"],
    ["pipe", () => new Deno.Command("mkfifo", { args: [path] }).outputSync(), "NotAFile", "it is not a regular file"],
  ];
  const audit = new AuditLog(good);
  for (const [what, makeBad, code, reason] of bad) {
    makeBad();
    const before = Deno.lstatSync(path);
    const { message } = assertThrowsCode(code, () => new AuditLog(path), what);
    assertStringIncludes(message, `Cannot write "${path}": ${reason}`);
    assertEquals(Deno.lstatSync(path).size, before.size);
    // The same on SIGHUP: the old file stays in use.
    Deno.renameSync(good, dir.join("old"));
    Deno.renameSync(path, good);
    assertStringIncludes(audit.reopen() ?? "", reason);
    assertEquals(audit.write(auditLine(EVENT)), undefined);
    Deno.removeSync(good, { recursive: true });
    Deno.renameSync(dir.join("old"), good);
  }
  assertEquals(linesOf(good).length, 1 + bad.length);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["good"]);
  const device = assertThrowsCode("NotAFile", () => new AuditLog("/dev/null"));
  assertStringIncludes(device.message, "it is not a regular file");
});

function make(path: string, mode: number): void {
  Deno.writeTextFileSync(path, "{}\n");
  Deno.chmodSync(path, mode);
}

Deno.test("isChange() is true of what has changed something or may have, by those who may", () => {
  const commands = ["put", "mkdir", "rename", "remove"].map((
    command,
  ) => ({ ...EVENT, role: "full", command } as const));
  for (const event of commands) {
    for (const outcome of ["ok", "Disconnected", "Cancelled", "Internal", "Refused", "NoSpace"] as const) {
      assertEquals(isChange({ ...event, outcome }, {}), true, `${event.command} ${outcome}`);
      assertEquals(isChange({ ...event, outcome, role: "read" }, {}), false);
      assertEquals(isChange({ ...event, outcome }, { readOnly: true }), false);
    }
    for (const outcome of ["NotFound", "AlreadyExists", "InvalidPath", "BadRequest"] as const) {
      assertEquals(isChange({ ...event, outcome }, {}), false, `${event.command} ${outcome}`);
    }
  }
  assertEquals(isChange({ ...EVENT, role: "upload", command: "remove", outcome: "Cancelled" }, {}), false);
  assertEquals(isChange({ ...EVENT, role: "upload", command: "put" }, {}), true);
  for (const command of ["get", "dir", "stat", "part", "say", "close", "request", "toString"]) {
    assertEquals(isChange({ ...EVENT, role: "full", command }, {}), false, command);
  }
});

Deno.test("auditLine(), and logLine() in JSON and as text, say the same of an event under the same names", () => {
  const command = { ...EVENT, command: "set", mtimeMs: 5000, mode: 0o600, to: "b", outcome: "Internal", detail: "EIO" };
  const record = { time: NOW.toISOString(), ...command };
  const event = command as CommandEvent;
  assertEquals(JSON.parse(auditLine(event, NOW)), record);
  assertEquals(JSON.parse(logLine(event, true, NOW)), record);
  assertEquals(
    logLine(event, false, NOW),
    '2026-11-20T08:51:00.007Z #1 127.0.0.1:50000 (upload) set "天线.dat" to "b" 901 bytes 36 ms Internal (EIO)',
  );
  const login = {
    event: "login",
    session: 2,
    peer: "[::1]:5",
    durationMs: 1,
    outcome: "Unauthorized",
    detail: "wrong",
  } as const;
  assertEquals(JSON.parse(auditLine(login, NOW)), { time: NOW.toISOString(), ...login });
});

Deno.test("AuditLog says which file it cannot open", async () => {
  await using dir = await tempDir();
  const { message } = assertThrowsCode("NotFound", () => new AuditLog(dir.join("missing", "audit")));
  assertStringIncludes(message, dir.join("missing", "audit"));
});

Deno.test("AuditLog begins a line of its own after one that was cut off", async () => {
  await using dir = await tempDir();
  const path = dir.join("audit");
  Deno.writeTextFileSync(path, '{"time":"2026');
  const audit = new AuditLog(path);
  audit.write(auditLine(EVENT));
  audit.write(auditLine(EVENT));
  const [cut, ...lines] = Deno.readTextFileSync(path).split("\n");
  assertEquals(cut, '{"time":"2026');
  assertEquals(lines.slice(0, -1).map((line) => JSON.parse(line).command), ["put", "put"]);
  assertEquals(lines.at(-1), "");
});

Deno.test("AuditLog.reopen() that fails says so, and the old file stays in use", async () => {
  await using dir = await tempDir();
  Deno.mkdirSync(dir.join("logs"));
  const path = dir.join("logs", "audit");
  const audit = new AuditLog(path);
  Deno.renameSync(dir.join("logs"), dir.join("away"));
  assertStringIncludes(audit.reopen() ?? "", "no such file or directory");
  assertEquals(audit.write(auditLine(EVENT)), undefined);
  assertEquals(linesOf(dir.join("away", "audit")).length, 1);
});
