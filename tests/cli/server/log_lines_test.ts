import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { auditLine } from "../../../lib/cli/server/audit.ts";
import { type LoggedEvent, logLine } from "../../../lib/cli/server/event_lines.ts";
import { COMMAND, LONG, PEER, sizeOf } from "../../helpers/log_events.ts";

/** The longest line, as docs/security.md says it. */
const MAX_LINE_BYTES = 13 * 1024;

/** The longest record of a change in the audit log, as docs/security.md says it. */
const MAX_CHANGE_BYTES = 65 * 1024;

Deno.test("logLine() and auditLine() are bounded, and valid JSON, whatever is in them", () => {
  for (const text of LONG) {
    const events: LoggedEvent[] = [
      { ...COMMAND, command: "rename", path: text, to: text, detail: text },
      { event: "say", session: 1, peer: PEER, text },
      { event: "close", session: 1, peer: PEER, durationMs: 1, reason: text },
      { event: "warning", peer: PEER, message: text },
    ];
    for (const event of events) {
      assert(sizeOf(logLine(event, false)) <= MAX_LINE_BYTES);
      const json = logLine(event, true);
      assert(sizeOf(json) <= MAX_LINE_BYTES, `${sizeOf(json)}`);
      assertEquals(JSON.parse(json).event, event.event);
    }
    const refused = auditLine({ ...COMMAND, path: text, to: text, detail: text });
    assert(sizeOf(refused) <= MAX_LINE_BYTES);
    assertStringIncludes(JSON.parse(refused).path, "more characters");
    const done = auditLine({ ...COMMAND, command: "rename", path: text, to: text, outcome: "ok" });
    assert(sizeOf(done) <= MAX_CHANGE_BYTES, `${sizeOf(done)}`);
  }
});

Deno.test("auditLine() has the paths of a change whole, whatever the system lets them be", () => {
  for (const path of ["\u0001".repeat(4096), "\u202e".repeat(1365), '"'.repeat(4096)]) {
    const { path: from, to } = JSON.parse(auditLine({ ...COMMAND, command: "rename", path, to: path, outcome: "ok" }));
    assertEquals([from, to], [path, path]);
  }
});
