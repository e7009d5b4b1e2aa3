import { Exit } from "./exit.ts";
import type { LineQueue } from "./line_queue.ts";

/** Listens to a signal; of those that are used here Windows has only SIGINT. @returns What ends that. */
export function onSignal(signal: Deno.Signal, act: () => void): () => void {
  if (Deno.build.os === "windows" && signal !== "SIGINT") return () => {};
  Deno.addSignalListener(signal, act);
  return () => Deno.removeSignalListener(signal, act);
}

/** Makes a write beyond `ulimit -f` fail like a write to a full disk. Otherwise the system would kill the process. */
export function surviveFileSizeLimit(): void {
  onSignal("SIGXFSZ", () => {});
}

/** How long writing the last line may take while the debugger is open, in ms. */
const LAST_WORDS_MS = 100;

/** Ends the process on SIGUSR1: Deno then opens a debugger to everyone on this machine, and cannot be told not to. */
export function endBeforeDebugging(log: LineQueue): void {
  onSignal("SIGUSR1", () => {
    log.line("SIGUSR1 would open a debugger to everyone on this machine; the server stops instead.");
    void log.drained(LAST_WORDS_MS).then(() => Deno.exit(Exit.failed));
  });
}

/**
 * Calls `stop` on the first SIGINT or SIGTERM, and exits on the second.
 *
 * @returns What does the same when it is called.
 */
export function onStop(stop: () => void): () => void {
  let seen = false;
  const act = () => {
    if (seen) Deno.exit(Exit.interrupted);
    seen = true;
    stop();
  };
  onSignal("SIGINT", act);
  onSignal("SIGTERM", act);
  return act;
}

/** Calls `reopen` on SIGHUP, and `stop` too if the terminal is gone. */
export function onHangup(reopen: () => void, stop: () => void): void {
  const hadTerminal = Deno.stdin.isTerminal();
  onSignal("SIGHUP", () => {
    reopen();
    if (hadTerminal && !Deno.stdin.isTerminal()) stop();
  });
}
