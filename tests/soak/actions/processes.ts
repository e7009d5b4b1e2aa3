import { setTimeout as delay } from "node:timers/promises";
import { join } from "@std/path";
import { Exit } from "../../../lib/cli/terminal/exit.ts";
import { FerryError } from "../../../lib/mod.ts";
import { startClient } from "../../helpers/process.ts";
import type { Random } from "../../helpers/random.ts";
import { shownBy } from "../contents.ts";
import { Wrong } from "../model.ts";
import type { Worker } from "../worker.ts";
import { type Action, newContent, NothingToDo, target, upload } from "./action.ts";

/** How long a client may run, in ms, before it is killed as one that stands still on a bad line. */
const LIFE_MS = 10_000;

/** Until so many ms after its start, a client is killed or stopped for a moment: also before it has done anything. */
const EARLY_MS = 1500;

/** The exit codes with which a client ends on a bad line. */
const FAILURES: readonly number[] = [Exit.failed, Exit.unreachable, Exit.corrupt];

/** Runs a client process, which may be killed or stopped for a moment. Fails as the client does. */
async function runProcess(worker: Worker, random: Random, words: string[], signal: AbortSignal): Promise<void> {
  const { server, local, tally } = worker.place;
  const fate = random.pick(["let live", "kill", "kill", "stop"]);
  const args = [server.wordAt(worker.line), ...words];
  await using client = startClient(args, { cwd: local });
  const over = new AbortController();
  const kill = AbortSignal.any([signal, over.signal]);
  const disturb = async () => {
    if (fate === "stop") {
      await delay(random.below(EARLY_MS), undefined, { signal: kill });
      client.kill("SIGSTOP");
      tally.blows.add("clients stopped for a moment");
      await delay(random.below(EARLY_MS), undefined, { signal: kill }).finally(() => client.kill("SIGCONT"));
    }
    await delay(fate === "kill" ? random.below(EARLY_MS) : LIFE_MS, undefined, { signal: kill });
  };
  const end = () => {
    if (over.signal.aborted) return;
    client.kill("SIGKILL");
    tally.blows.add("clients killed");
  };
  // A process that has ended meanwhile cannot be killed.
  const disturbing = disturb().catch(() => {}).then(end).catch(() => {});
  const code = await client.ended(2 * LIFE_MS);
  over.abort();
  await disturbing;
  if (code === Exit.done) return;
  const text = client.stderr.text;
  const isFine = code === 137 || FAILURES.includes(code);
  if (!isFine || /Uncaught|unexpected error/.test(text)) {
    throw new Wrong(`client.ts ${words} ended with ${code}: ${text}`);
  }
  throw new FerryError("Disconnected", `the client ended with ${code}`);
}

/** What people do at a command line. */
export const PROCESSES = {
  "put with a client process": {
    weight: 3,
    async run(worker, random, signal) {
      const name = target(worker, random);
      const more = random.below(2) === 0 ? ["--verify"] : [];
      await upload(
        worker,
        name,
        newContent(random),
        (from) => runProcess(worker, random, ["put", ...more, from, name.path], signal),
      );
    },
  },
  "get with a client process": {
    weight: 2,
    async run(worker, random, signal) {
      const name = worker.model.pick(random, ({ allowed }) => !allowed.has(null));
      if (!name) throw new NothingToDo();
      const local = worker.newName("by-process");
      await name.check(async () => {
        await runProcess(worker, random, ["get", name.path, local], signal);
        return await shownBy(join(worker.place.local, local));
      }, "what a client process got");
      await Deno.remove(join(worker.place.local, local));
    },
  },
} satisfies Record<string, Action>;
