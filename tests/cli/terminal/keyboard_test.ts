import { assert, assertEquals } from "@std/assert";
import { Keys } from "../../../lib/cli/terminal/keyboard.ts";

const NOTHING = { interrupted() {}, ended() {} };

Deno.test("Keys gives a reader no more than a line or a Tab at once, and keeps the rest while it holds", () => {
  const keys = new Keys(NOTHING, { readsAhead: true });
  const got: string[] = [];
  keys.on("data", (bytes: Uint8Array) => {
    got.push(new TextDecoder().decode(bytes));
    if (got.at(-1)?.startsWith("two")) keys.hold();
  });
  keys.add("o");
  assertEquals(got, []);
  keys.listen();
  keys.add("ne\ttab\rtwo\r\nthree");
  assertEquals(got, ["o", "ne\t", "tab\r", "two\r\n"]);
  keys.add("\rfour");
  assertEquals(keys.takeAhead(), "three\rfour");
  keys.listen();
  keys.add("five");
  assertEquals(got.slice(4), ["five"]);
});

Deno.test("Keys keeps 1 MiB of what is typed ahead, and then wants no more until it is taken", () => {
  const [ahead, held] = [new Keys(NOTHING, { readsAhead: true }), new Keys(NOTHING)];
  assert(!held.wantsMore, "what is typed stays in the terminal, for others");
  ahead.add("x".repeat(1024 * 1024 - 1));
  assert(ahead.wantsMore);
  ahead.add("x");
  assert(!ahead.wantsMore);
  ahead.takeAhead();
  assert(ahead.wantsMore);
});
