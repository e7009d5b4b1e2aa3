import { assertEquals } from "@std/assert";
import { formatAddress } from "../../lib/transport/address.ts";
import { existsSync } from "node:fs";
import { clientInTerminal, eventually, hasTerminal } from "../helpers/process.ts";
import { Screen } from "../helpers/screen.ts";
import { Visit } from "../helpers/visit.ts";

const COMMANDS = 1000;

/** How many are pasted at once. */
const PASTED = 100;

/** The width that terminals of tests have. */
const COLUMNS = 120;

const [BACKSPACE, LEFT, HOME, END] = ["\x7f", "\x1b[D", "\x1b[H", "\x1b[F"];

/** One command: its keys, the line that they make, and the directory that it makes. */
interface Typed {
  readonly keys: string;
  readonly line: string;
  readonly name: string;
}

/** Commands of every sort: short and wider than the terminal, with wide characters, and edited while they are typed. */
function command(i: number): Typed {
  const plain = `d${String(i).padStart(4, "0")}`;
  const name = [plain, `${plain}-天线测试`, `${plain}-${"long".repeat(45)}`, `${plain} with 'é' 😀`][i % 4] ?? plain;
  const line = name.includes(" ") ? `mkdir "${name}"` : `mkdir ${name}`;
  const first = [...line];
  const [left, last] = first.splice(-2);
  const cases = [
    line,
    `${line}xyz${BACKSPACE.repeat(3)}`,
    `${first.join("")}${last}${LEFT}${left}`,
    `${line.slice(1)}${HOME}${line.slice(0, 1)}${END}`,
  ];
  return { keys: cases[Math.floor(i / 4) % 4] ?? line, line, name };
}

Deno.test("client.ts loses no character of 1,000 commands, typed and pasted, and shows them as they are", {
  ignore: !hasTerminal,
}, async () => {
  await using visit = await Visit.to({});
  await using client = clientInTerminal([formatAddress(visit.served.address)]);
  await client.stdout.until("ferry:/> ");
  const commands = Array.from({ length: COMMANDS }, (_, i) => command(i));
  for (let i = 0; i < COMMANDS; i += PASTED) {
    const some = commands.slice(i, i + PASTED);
    // In turns: key by key as fast as it goes, in one piece, and in pieces that end anywhere.
    const all = some.map(({ keys }) => `${keys}\r`).join("");
    const size = [1, all.length, 7][i / PASTED % 3] ?? 1;
    const bytes = new TextEncoder().encode(all);
    for (let at = 0; at < bytes.length; at += size) await client.type(bytes.slice(at, at + size));
    await eventually("they are done", () => existsSync(visit.served.join(some.at(-1)?.name ?? "")));
  }
  await client.type("sum end\r");
  await client.stdout.until('Cannot sum "end": no such file');
  await client.stdout.until("ferry:/> ");

  const made = Array.from(Deno.readDirSync(visit.served.join()), ({ name }) => name).sort();
  assertEquals(made, commands.map(({ name }) => name).sort());
  const screen = new Screen(COLUMNS);
  screen.write(client.stdout.text);
  const [, ...lines] = screen.lines;
  assertEquals(lines, [
    ...commands.map(({ line }) => `ferry:/> ${line}`),
    "ferry:/> sum end",
    'Cannot sum "end": no such file or directory',
    "ferry:/>",
  ]);
  await client.type("quit\r");
  assertEquals(await client.ended(), 0);
});
