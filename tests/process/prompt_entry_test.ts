import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { formatAddress } from "../../lib/transport/address.ts";
import { CLIENT_ACCESS, DENO, hasTerminal, inTerminal, Process, PROJECT, startServer } from "../helpers/process.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { Visit } from "../helpers/visit.ts";

const NO_TERMINAL = { ignore: !hasTerminal };

const [CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH] = ["\x03", "\x04", "\x1a", "\x1c"];

/** A client with a terminal, between two looks at the terminal's state; `pid` is the client's. */
async function betweenLooks(args: readonly string[], options: readonly string[] = []) {
  const program = [DENO, "run", ...CLIENT_ACCESS, ...options, join(PROJECT, "client.ts"), ...args];
  const line = 'stty -g; sh -c \'echo "pid $$"; exec "$0" "$@"\' "$0" "$@"; echo "code $?"; stty -g';
  // The shell survives the signals that the terminal sends to both.
  const terminal = inTerminal(["sh", "-c", `trap : INT QUIT TSTP HUP; ${line}`, ...program]);
  const before = await terminal.stdout.until(STATE);
  const pid = Number((await terminal.stdout.until(/pid \d+/)).slice(4));
  return Object.assign(terminal, { before, clientPid: pid });
}

/** The terminal's state as `stty -g` prints it. */
const STATE = /[0-9a-f]+(:[0-9a-f]+){10,}/;

/** Waits for the client's end: with this code, a new line, and the terminal as it was. */
async function assertRestored(terminal: Process & { readonly before: string }, code: number): Promise<void> {
  await terminal.stdout.until(`code ${code}\r\n`);
  assertEquals(await terminal.stdout.until(STATE), terminal.before);
  await terminal.ended();
}

Deno.test("client.ts leaves the terminal as it was, however its prompt ends", NO_TERMINAL, async (t) => {
  await using visit = await Visit.to({});
  type Ending = [name: string, code: number, end: (terminal: { clientPid: number } & Process) => Promise<void>];
  const kill = (signal: Deno.Signal) => (terminal: { clientPid: number }) => {
    Deno.kill(terminal.clientPid, signal);
    return Promise.resolve();
  };
  const endings: Ending[] = [
    ["exit", 0, (terminal) => terminal.type("exit\r")],
    ["Ctrl-D", 0, (terminal) => terminal.type(CTRL_D)],
    ["Ctrl-\\", 131, (terminal) => terminal.type(CTRL_BACKSLASH)],
    ["SIGTERM", 143, kill("SIGTERM")],
    ["SIGHUP", 129, kill("SIGHUP")],
  ];
  for (const [name, code, end] of endings) {
    await t.step(name, async () => {
      await using terminal = await betweenLooks([formatAddress(visit.served.address)]);
      await terminal.stdout.until("ferry:/> ");
      await end(terminal);
      // What comes after it begins a line.
      if (name === "Ctrl-D") assertEquals(await terminal.stdout.until(/.{2}(?=code)/s), "\r\n");
      await assertRestored(terminal, code);
    });
  }
});

Deno.test("client.ts leaves the terminal as it was when it ends amid a question", NO_TERMINAL, async (t) => {
  for (const args of [[], ["0.0.0.0:1"]]) {
    await t.step(`client.ts ${args}`, async () => {
      await using terminal = await betweenLooks(args);
      await terminal.stdout.until(/Host or ticket|Secret/);
      Deno.kill(terminal.clientPid, "SIGTERM");
      await assertRestored(terminal, 143);
    });
  }
});

Deno.test("client.ts leaves the terminal as it was when it is interrupted while it connects", NO_TERMINAL, async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using terminal = await betweenLooks([formatAddress(listener.addr)]);
  // It waits for an answer from now on.
  using _conn = await listener.accept();
  await terminal.type(CTRL_C);
  await assertRestored(terminal, 130);
});

Deno.test("client.ts leaves the terminal as it was after an uncaught exception", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  const preloaded = visit.write(
    "throw.ts",
    'Deno.addSignalListener("SIGUSR2", () => { throw new Error("from the test"); });',
  );
  await using terminal = await betweenLooks([formatAddress(visit.served.address)], ["--preload", preloaded]);
  await terminal.stdout.until("ferry:/> ");
  Deno.kill(terminal.clientPid, "SIGUSR2");
  await terminal.stdout.until("from the test");
  await assertRestored(terminal, 1);
});

Deno.test("client.ts gives the terminal back for what is typed after its question", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  await using terminal = await betweenLooks([`0.0.0.0:${visit.served.address.port}`, "put", "-", "typed"]);
  await terminal.stdout.until("Secret (Enter for none");
  await terminal.type("\r");
  // It connects after the question. Only a terminal that is as it was ends the input for Ctrl-D.
  await visit.served.events.until("open");
  await terminal.type(`line\r${CTRL_D}`);
  await assertRestored(terminal, 0);
  assertEquals(Deno.readTextFileSync(join(visit.served.join(), "typed")), "line\n");
});

Deno.test("client.ts asks for a secret before it reads what is typed for put -", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  const file = visit.here.join("secret");
  const access = ["--allow-net", "--allow-read", "--allow-write"];
  await using server = await startServer(visit.served.join(), ["--secret-file", file], access);
  await using terminal = await betweenLooks([server.at, "put", "-", "typed"]);
  await terminal.stdout.until("Secret: ");
  await terminal.type(`${Deno.readTextFileSync(file).trim()}\r`);
  // It connects again after the question.
  await server.stderr.until(/#2 .*(?=\n)/);
  await terminal.type(`line\r${CTRL_D}`);
  await assertRestored(terminal, 0);
  assertEquals(Deno.readTextFileSync(join(visit.served.join(), "typed")), "line\n");
});

function namesIn(visit: Visit): string[] {
  return Array.from(Deno.readDirSync(visit.served.join()), ({ name }) => name).sort();
}

/** A shell with jobs in a terminal, that has started a client; its prompt is `shell> `. */
async function jobs(...args: string[]): Promise<Process> {
  const terminal = inTerminal(["bash", "--norc", "-i"], { env: { PS1: "shell> ", HISTFILE: "" } });
  const client = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), ...args];
  await terminal.stdout.until("shell> ");
  await terminal.type(`stty -g; ${client.join(" ")}\r`);
  await terminal.stdout.until(STATE);
  return terminal;
}

Deno.test("client.ts is stopped by Ctrl-Z at the prompt, and goes on with what was typed", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  await using terminal = await jobs(formatAddress(visit.served.address));
  const { stdout } = terminal;
  await stdout.until("ferry:/> ");
  for (let i = 0; i < 3; i++) {
    await terminal.type("pw");
    await stdout.until("pw");
    await terminal.type(CTRL_Z);
    await stdout.until("Stopped");
    await stdout.until("shell> ");
    // The shell has its own mode, in which it shows what is typed.
    await terminal.type("echo $((6 * 7))\r");
    await stdout.until("42\r\n");
    await stdout.until("shell> ");
    await terminal.type("fg\r");
    await stdout.until("ferry:/> pw");
    await terminal.type("d\r");
    await stdout.until("\n/\r\n");
    await stdout.until("ferry:/> ");
  }
  await terminal.type("quit\r");
  await stdout.until("shell> ");
});

Deno.test("client.ts asks again when it goes on amid a question", NO_TERMINAL, async () => {
  for (const [args, question] of [[[], "Host or ticket"], [["0.0.0.0:1"], "Secret (Enter for none"]] as const) {
    await using terminal = await jobs(...args);
    const { stdout } = terminal;
    await stdout.until(question);
    await terminal.type(CTRL_Z);
    await stdout.until("Stopped");
    await stdout.until("shell> ");
    await terminal.type("fg\r");
    await stdout.until(question);
    await terminal.type(CTRL_D);
    await stdout.until("shell> ");
  }
});

Deno.test("client.ts does not stop alone under deno task, where nobody could go on with it", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  const access = [...CLIENT_ACCESS, "--allow-env=INIT_CWD"];
  const program = [DENO, "run", ...access, join(PROJECT, "client.ts"), formatAddress(visit.served.address)];
  await using terminal = inTerminal(program, { env: { INIT_CWD: "/" } });
  await terminal.stdout.until("ferry:/> ");
  await terminal.type(`pw${CTRL_Z}d\r`);
  await terminal.stdout.until("Ctrl-Z does not work");
  await terminal.stdout.until("\n/\r\n");
  await terminal.stdout.until("ferry:/> ");
  await terminal.type("frob");
  await terminal.stdout.until("frob");
  await terminal.type(CTRL_C);
  await terminal.stdout.until("ferry:/> ");
  await terminal.type("pwd\r");
  await terminal.stdout.until("\n/\r\n");
  await terminal.type("quit\r");
  assertEquals(await terminal.ended(), 0);
});

Deno.test(
  "client.ts keeps what is typed during a transfer for the prompt, and drops it for Ctrl-C",
  NO_TERMINAL,
  async () => {
    await using visit = await Visit.to({}, { "big.bin": "x".repeat(4_000_000) });
    await using proxy = await FaultProxy.to(visit.served.address, { toClient: { stallAfter: 1_000_000 } });
    const program = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), formatAddress(proxy.address)];
    await using terminal = inTerminal(program, { cwd: visit.here.path });
    const { stdout } = terminal;
    await stdout.until("ferry:/> ");
    await terminal.type("get big.bin\r");
    await proxy.stalled;
    // The client has read most of it by then: it is more than the terminal keeps.
    await terminal.type(`mkdir dropped\r${"pwd\r".repeat(16_000)}`);
    await terminal.type(CTRL_C);
    await stdout.until('Cannot get "big.bin": cancelled');
    await stdout.until("ferry:/> ");
    await terminal.type("pwd\r");
    await stdout.until("\n/\r\n");
    assertEquals(namesIn(visit), ["big.bin"]);
    assert(!stdout.text.includes("mkdir"), "nothing of it was shown");

    await terminal.type("get big.bin\r");
    await stdout.until("big.bin");
    await terminal.type("mkdir made\rpwd\rpw");
    proxy.release();
    await stdout.until('Got "big.bin"');
    await stdout.until("\r\n");
    for (const shown of ["mkdir made\r", "pwd\r", "\r\n/\r\n", "pw"]) {
      // Each line after the prompt that it answers.
      if (shown !== "\r\n/\r\n") await stdout.until("ferry:/> ");
      await stdout.until(shown);
    }
    assertEquals(namesIn(visit), ["big.bin", "made"]);
    await terminal.type("d\r");
    await stdout.until("\n/\r\n");
    await terminal.type("quit\r");
    assertEquals(await terminal.ended(), 0);
  },
);

Deno.test("client.ts does not ask for the port of an address that says it", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  await using terminal = inTerminal([DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts")]);
  await terminal.stdout.until("Host or ticket");
  await terminal.type("[::1\r");
  await terminal.stdout.until("is not an address");
  await terminal.stdout.until("Host or ticket");
  await terminal.type(`${formatAddress(visit.served.address)}\r`);
  await terminal.stdout.until("ferry:/> ");
  assert(!terminal.stdout.text.includes("Port ["), terminal.stdout.text);
  await terminal.type(CTRL_D);
  assertEquals(await terminal.ended(), 0);
});

Deno.test(
  "client.ts shows a notice above a line that is wider than the terminal, and breaks nothing",
  NO_TERMINAL,
  async () => {
    await using visit = await Visit.to({});
    const program = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), formatAddress(visit.served.address)];
    await using terminal = inTerminal(program);
    await terminal.stdout.until("ferry:/> ");
    const line = `say ${"long ".repeat(60)}`;
    await terminal.type(line);
    await terminal.stdout.until(/long $/);
    await visit.served.server.say("back in five");
    // Two rows up to the beginning of the prompt, and as many down again, which drawing it anew goes up.
    await terminal.stdout.until("\x1b[2A\r\x1b[JServer: back in five\r\n\r\n\r\n");
    await terminal.stdout.until(/ferry:\/> say long /);
    await terminal.type(CTRL_C);
    await terminal.stdout.until("ferry:/> \x1b[10G");
    await terminal.type(CTRL_C);
    await terminal.stdout.until('Type "quit" to leave.');
    await terminal.type("quit\r");
    assertEquals(await terminal.ended(), 0);
  },
);

Deno.test("client.ts shows names at the second Tab, and asks before it shows many", NO_TERMINAL, async () => {
  const names = Array.from({ length: 734 }, (_, i) => `file-${String(i).padStart(4, "0")}`);
  await using visit = await Visit.to({}, Object.fromEntries([...names, "few-1", "few-2"].map((name) => [name, ""])));
  const program = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), formatAddress(visit.served.address)];
  await using terminal = inTerminal(program, { cwd: visit.here.path });
  const { stdout } = terminal;
  await stdout.until("ferry:/> ");
  await terminal.type("stat f\t");
  await stdout.until("stat f");
  // No name is shown before the second Tab; what is typed with it waits for the answer and comes after it.
  await terminal.type("ew\t\t");
  await stdout.until("few-1  few-2\r\n");
  await stdout.until("ferry:/> stat few-");
  await terminal.type("\x15stat fil\t\t");
  await stdout.until("Show all 734? (y or n) ");
  await terminal.type("n");
  await stdout.until("ferry:/> stat file-0");
  assert(!stdout.text.includes("file-0001"), "nothing was shown");
  await terminal.type("\t");
  await stdout.until("Show all 734? (y or n) ");
  await terminal.type("y");
  await stdout.until("\r\nfile-0000  ");
  await stdout.until("file-0733\r\n");
  await stdout.until("ferry:/> stat file-0");
  await terminal.type("000\r");
  await stdout.until("name: file-0000");
  await stdout.until("ferry:/> ");
  await terminal.type("quit\r");
  assertEquals(await terminal.ended(), 0);
});

Deno.test("client.ts recalls the lines of earlier sessions, unless it is told not to", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  const options = { env: { XDG_STATE_HOME: visit.here.join("state") } };
  const access = [...CLIENT_ACCESS, "--allow-env=HOME,XDG_STATE_HOME,LOCALAPPDATA"];
  const session = async (args: string[], keys: string, shown: string) => {
    const program = [DENO, "run", ...access, join(PROJECT, "client.ts"), ...args, formatAddress(visit.served.address)];
    await using terminal = inTerminal(program, options);
    await terminal.stdout.until("ferry:/> ");
    await terminal.type(keys);
    await terminal.stdout.until(shown);
    await terminal.type("\x15quit\r");
    assertEquals(await terminal.ended(), 0);
  };
  const [up, twiceUp] = ["\x1b[A", "\x1b[A\x1b[A"];
  await session([], "mkdir one\r", "ferry:/> ");
  await session([], twiceUp, "mkdir one");
  await session(["--no-history"], "mkdir two\r", "ferry:/> ");
  await session(["--no-history"], `pw${up}d\r`, "\n/\r\n");
  // "quit" was the last of each session that kept its lines.
  await session([], twiceUp, "mkdir one");
});

Deno.test("client.ts shows nothing that a terminal would obey of what is pasted", NO_TERMINAL, async () => {
  await using visit = await Visit.to({});
  const program = [DENO, "run", ...CLIENT_ACCESS, join(PROJECT, "client.ts"), formatAddress(visit.served.address)];
  await using terminal = inTerminal(program);
  await terminal.stdout.until("ferry:/> ");
  await terminal.type("say \u009b2J\u0090\x1dx");
  await terminal.stdout.until("say ");
  await terminal.stdout.until("2J");
  await terminal.stdout.until("x");
  // deno-lint-ignore no-control-regex
  assert(!/[\x1c-\x1e\x80-\x9f]/.test(terminal.stdout.text), JSON.stringify(terminal.stdout.text));
  await terminal.type("\x15quit\r");
  assertEquals(await terminal.ended(), 0);
});
