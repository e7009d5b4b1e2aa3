import { assertEquals, assertStringIncludes } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { progressLine } from "../../../lib/cli/client/progress.ts";

const FIGURES = [
  { text: "45%", weight: 4 },
  { text: "165.3 MB of 367.3 MB", weight: 1 },
  { text: "12.3 MB/s", weight: 2 },
  { text: "0:17 left", weight: 3 },
];

Deno.test("progressLine() shortens the name first, and then leaves out what matters least", () => {
  const name = "a-rather-long-name-of-a-film-in-colour.mkv";
  const lines = [100, 79, 60, 39, 30, 20, 8].map((columns) => progressLine(name, FIGURES, columns));
  assertEquals(lines, [
    "a-rather-long-name-of-a-film-…  45%  165.3 MB of 367.3 MB  12.3 MB/s  0:17 left",
    "a-rather-long-name-of-a-film-…  45%  165.3 MB of 367.3 MB  12.3 MB/s  0:17 left",
    "a-rather-l…  45%  165.3 MB of 367.3 MB  12.3 MB/s  0:17 left",
    "a-rather-lo…  45%  12.3 MB/s  0:17 left",
    "a-rather-long…  45%  0:17 left",
    "a-rather-long-…  45%",
    "a-…  45%",
  ]);
});

Deno.test("progressLine() fits whatever the name is", () => {
  for (const name of ["", "a", "天线天线天线天线天线天线天线天线天线天线.doc", "a\x1b[2Jb\n".repeat(10)]) {
    for (let columns = 20; columns < 120; columns++) {
      const line = progressLine(name, FIGURES, columns);
      assertEquals(unicodeWidth(line) <= columns, true, `${columns}: ${line}`);
      assertEquals(/\p{Cc}/v.test(line), false, line);
      assertStringIncludes(line, "  45%");
    }
  }
});
