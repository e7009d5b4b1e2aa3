import { Exit } from "./exit.ts";

/**
 * Makes a write beyond the limit on the size of files (`ulimit -f`) fail like one to a full disk. Without it the system
 * ends the program.
 */
export function surviveFileSizeLimit(): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
}

/** Ends the process on SIGUSR1: Deno opens a debugger for it, to everybody on this machine, and cannot be told not to. */
export function endBeforeDebugging(): void {
  if (Deno.build.os === "windows") return;
  Deno.addSignalListener("SIGUSR1", () => {
    console.error("SIGUSR1 opens a debugger to everybody on this machine; the server ends instead.");
    Deno.exit(Exit.failed);
  });
}

/** Calls `stop` on the first signal and exits at once on the second. */
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

/** Calls `stop` when the terminal is gone; for a server that takes SIGHUP for something else, too. */
export function onHangup(stop: () => void): void {
  if (Deno.build.os === "windows" || !Deno.stdin.isTerminal()) return;
  Deno.addSignalListener("SIGHUP", () => {
    if (!Deno.stdin.isTerminal()) stop();
  });
}
