/** A line of `/proc/PID/status`. */
type Field = "VmRSS" | "VmHWM";

/**
 * Memory of a process, in KB (1,024 bytes): what it has now (`VmRSS`), or had at most so far (`VmHWM`).
 *
 * @throws {Error} Where there is no `/proc`.
 */
export function memoryOf(pid: number, field: Field): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const [, kilobytes] = new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status does not say ${field}`);
  return Number(kilobytes);
}
