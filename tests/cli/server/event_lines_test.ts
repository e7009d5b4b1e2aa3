import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isTrouble, type LoggedEvent, logLine } from "../../../lib/cli/server/event_lines.ts";
import { NASTY, UNSAFE } from "../../helpers/nasty.ts";

const CHINESE = "天线 测试 报告.pdf";

const NOW = new Date(Date.UTC(2026, 10, 20, 8, 51, 0, 7));
const WHO = { session: 3, peer: "127.0.0.1:50000" };
const COMMAND = {
  event: "command",
  ...WHO,
  role: "full",
  command: "get",
  path: CHINESE,
  bytes: 901,
  durationMs: 35,
} as const;

Deno.test("logLine() writes a line of text for every event", () => {
  const lines: [LoggedEvent, string][] = [
    [{ event: "open", ...WHO }, "#3 127.0.0.1:50000 connected"],
    [{ ...COMMAND, outcome: "ok" }, `#3 127.0.0.1:50000 get "${CHINESE}" 901 bytes 35 ms ok`],
    [
      { ...COMMAND, path: undefined, bytes: 0, outcome: "Internal", detail: "Error: x" },
      "#3 127.0.0.1:50000 get 35 ms Internal (Error: x)",
    ],
    [{ event: "say", ...WHO, text: "你好" }, '#3 127.0.0.1:50000 says: "你好"'],
    [{ event: "close", ...WHO, durationMs: 2000 }, "#3 127.0.0.1:50000 disconnected after 2.0 s"],
    [
      { event: "close", ...WHO, durationMs: 0, reason: "stalled" },
      "#3 127.0.0.1:50000 disconnected after 0 ms (stalled)",
    ],
    [{ event: "warning", message: "no space" }, "warning: no space"],
    [{ event: "warning", ...WHO, message: "127.0.0.1:50000 is odd" }, "warning: #3 127.0.0.1:50000 is odd"],
  ];
  for (const [event, line] of lines) assertEquals(logLine(event, false, NOW), `2026-11-20T08:51:00.007Z ${line}`);
});

/** Events in which everything that comes from outside is nasty. */
const NASTY_EVENTS: LoggedEvent[] = [
  { ...COMMAND, path: NASTY, outcome: "Internal", detail: NASTY },
  { event: "say", ...WHO, text: NASTY },
  { event: "close", ...WHO, durationMs: 1, reason: NASTY },
  { event: "warning", message: NASTY },
];

Deno.test("isTrouble() is true of warnings and of failures of the system", () => {
  const command = { event: "command", ...WHO, role: "full", command: "put", bytes: 0, durationMs: 1 } as const;
  assertEquals(isTrouble({ event: "warning", message: "m" }), true);
  assertEquals(isTrouble({ ...command, outcome: "NoSpace", detail: "No space left on device" }), true);
  assertEquals(isTrouble({ ...command, outcome: "NotFound" }), false);
  assertEquals(isTrouble({ ...command, outcome: "ok" }), false);
  assertEquals(isTrouble({ event: "open", session: 1, peer: "p" }), false);
});

Deno.test("logLine() writes nothing that a terminal would obey", () => {
  for (const event of NASTY_EVENTS) {
    for (const json of [false, true]) {
      const line = logLine(event, json, NOW);
      assert(!UNSAFE.test(line), line);
    }
    assertStringIncludes(logLine(event, false, NOW), String.raw`\n\r\t\u{1b}[2J`);
  }
});

Deno.test("logLine() writes JSON that parses to the same values", () => {
  for (const event of [...NASTY_EVENTS, { ...COMMAND, path: "📡 天线\ud800", outcome: "ok" } as const]) {
    assertEquals(JSON.parse(logLine(event, true, NOW)), { time: "2026-11-20T08:51:00.007Z", ...event });
  }
});
