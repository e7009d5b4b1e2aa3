import { Exit } from "./exit.ts";
import type { LineQueue } from "./line_queue.ts";

/**
 * Makes a write beyond the file size limit (`ulimit -f`) fail like a write to a full disk. Otherwise the system would
 * kill the process.
 */
export function surviveFileSizeLimit(): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
}

/** How long writing the last line may take while the debugger is open, in ms. */
const LAST_WORDS_MS = 100;

/**
 * Ends the process on SIGUSR1. On that signal Deno opens a debugger to everyone on this machine, and cannot be told not
 * to.
 *
 * @param log Where to say so.
 */
export function endBeforeDebugging(log: LineQueue): void {
  if (Deno.build.os === "windows") return;
  Deno.addSignalListener("SIGUSR1", () => {
    log.line("SIGUSR1 would open a debugger to everyone on this machine; the server stops instead.");
    void log.drained(LAST_WORDS_MS).then(() => Deno.exit(Exit.failed));
  });
}

/** Calls `stop` on the first SIGINT or SIGTERM, and exits on the second. */
export function onStop(stop: () => void): void {
  let seen = false;
  for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (seen) Deno.exit(Exit.interrupted);
      seen = true;
      stop();
    });
  }
}

/** Calls `reopen` on SIGHUP, and `stop` too if the terminal is gone. */
export function onHangup(reopen: () => void, stop: () => void): void {
  if (Deno.build.os === "windows") return;
  const hadTerminal = Deno.stdin.isTerminal();
  Deno.addSignalListener("SIGHUP", () => {
    reopen();
    if (hadTerminal && !Deno.stdin.isTerminal()) stop();
  });
}
