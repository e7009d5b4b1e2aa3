import { assertEquals } from "@std/assert";
import { DENO, PROJECT } from "../../helpers/process.ts";
import { tempDir } from "../../helpers/temp.ts";

/** Where the history is below `state` differs there. */
const LINUX_ONLY = { ignore: Deno.build.os !== "linux" };

const SECRET = "abcdefghijklmnopqrstuvwxyz";

/** Runs `code` with `history`, the history of a user with this environment. @returns What it prints. */
async function run(
  code: string,
  env: Record<string, string>,
  access = ["--allow-read", "--allow-write", "--allow-env=HOME,XDG_STATE_HOME"],
): Promise<string> {
  const module = new URL("../../../lib/cli/client/history.ts", import.meta.url);
  const program = `import { History } from "${module}"; const history = History.ofUser(); ${code}`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, program);
    const args = ["run", "--no-prompt", "--config", `${PROJECT}/deno.json`, ...access, path];
    const { stdout, stderr, success } = await new Deno.Command(DENO, { args, env }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(path);
  }
}

const SHOW = "console.log(JSON.stringify(history.lines()));";

/** Adds these lines, each in a session of its own if `apart`. */
function adding(...lines: string[]): string {
  return lines.map((line) => `history.add(${JSON.stringify(line)});`).join("");
}

Deno.test("History keeps lines for the next session, in a file that is the user's alone", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  const [home, state] = [dir.join("home"), dir.join("state")];
  for (
    const [env, file] of [[{ HOME: home, XDG_STATE_HOME: "" }, `${home}/.local/state`], [{
      HOME: home,
      XDG_STATE_HOME: state,
    }, state]] as const
  ) {
    assertEquals(
      await run(adding("dir", "get 'a b'", "get 'a b'", "dir") + SHOW, env),
      '["dir","get \'a b\'","dir"]\n',
    );
    assertEquals(await run(SHOW, env), '["dir","get \'a b\'","dir"]\n');
    assertEquals((Deno.statSync(`${file}/ferry/history`).mode ?? 0) & 0o777, 0o600);
    assertEquals((Deno.statSync(`${file}/ferry`).mode ?? 0) & 0o777, 0o700);
    Deno.chmodSync(`${file}/ferry/history`, 0o644);
    await run(SHOW, env);
    assertEquals((Deno.statSync(`${file}/ferry/history`).mode ?? 0) & 0o777, 0o600);
  }
});

Deno.test("History never keeps a secret, a ticket, or what a terminal would obey", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  const env = { XDG_STATE_HOME: dir.path };
  const unkept = [
    "open ferry:abc",
    'open "FERRY:abc"',
    SECRET,
    SECRET.toUpperCase(),
    `open ${SECRET.slice(1)}`,
    "abcd-efgh-ijkl-mnop-qrst-uvwx-yz",
    "say ABCDEFGH ijklmnop\u00a0qrstuvwx yz",
    "say f e r r y : aipm mryu",
    'say f"er"ry:abc',
    "open 'abcdefghijklm'\\ nopqrstuvwxyz",
    "dir \u001b[2J",
    "dir \u202e",
    "  ",
    "x".repeat(5000),
  ];
  assertEquals(await run(adding("dir", ...unkept, "pwd") + SHOW, env), '["dir","pwd"]\n');
  // Nor does it show what somebody else has put there.
  Deno.writeTextFileSync(dir.join("ferry", "history"), `${unkept.join("\n")}\nls\n`);
  assertEquals(await run(SHOW, env), '["ls"]\n');
});

Deno.test("History keeps ordinary lines of several words", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  const lines = [
    "put -r photos backup",
    "get -r 'reports/of last year' copy",
    "dir a-b-c d-e-f",
    "get measurements-2026.csv .",
  ];
  assertEquals(await run(adding(...lines) + SHOW, { XDG_STATE_HOME: dir.path }), `${JSON.stringify(lines)}\n`);
});

Deno.test("History keeps 1,000 lines, and those of clients at the same time", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  const env = { XDG_STATE_HOME: dir.path };
  const add = (name: string) => run(`for (let i = 0; i < 1100; i++) history.add("get ${name}" + i);`, env);
  await Promise.all([add("a"), add("b")]);
  const lines: string[] = JSON.parse(await run(SHOW, env));
  assertEquals(lines.length, 1000);
  const written = Deno.readTextFileSync(dir.join("ferry", "history")).split("\n");
  assertEquals(written, [...lines, ""]);
  // The last lines of each are there, in their order.
  for (const name of ["a", "b"]) {
    const own = lines.filter((line) => line.startsWith(`get ${name}`)).map((line) => Number(line.slice(5)));
    if (own.length > 0) assertEquals(own, Array.from(own, (_, i) => 1100 - own.length + i));
  }
  assertEquals(Array.from(Deno.readDirSync(dir.join("ferry")), ({ name }) => name), ["history"]);
});

Deno.test("History is empty and asks nothing where it may not be kept", LINUX_ONLY, async () => {
  await using dir = await tempDir();
  const env = { HOME: dir.path, XDG_STATE_HOME: dir.join("state") };
  for (const access of [[], ["--allow-read", "--allow-env"], ["--allow-read", "--allow-write"]]) {
    assertEquals(await run(adding("dir") + SHOW, env, access), "[]\n");
  }
  // A directory is in the way, then a pipe.
  await Deno.mkdir(dir.join("state", "ferry", "history"), { recursive: true });
  assertEquals(await run(adding("dir") + SHOW, env), "[]\n");
  await Deno.remove(dir.join("state", "ferry", "history"));
  await new Deno.Command("mkfifo", { args: [dir.join("state", "ferry", "history")] }).output();
  assertEquals(await run(SHOW + adding("dir"), env), "[]\n");
  // A link, which may appear at any time: what it leads to is not the history.
  const [file, other] = [dir.join("state", "ferry", "history"), dir.join("other")];
  await Deno.remove(file);
  await Deno.writeTextFile(other, "other\n", { mode: 0o644 });
  await Deno.symlink(other, file);
  assertEquals(await run(SHOW + adding("dir"), env), "[]\n");
  assertEquals(await run(adding("dir"), env), "");
  assertEquals(await Deno.readTextFile(other), "other\n");
  assertEquals((Deno.statSync(other).mode ?? 0) & 0o777, 0o644);
});
