/**
 * Makes a write beyond the limit on the size of files (`ulimit -f`) fail like one to a full disk. Without it the system
 * ends the program.
 */
export function surviveFileSizeLimit(): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
}
