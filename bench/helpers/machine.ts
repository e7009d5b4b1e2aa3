import { cpus, totalmem } from "node:os";

/** When and on what it ran. */
export interface Machine {
  /** In UTC, `YYYY-MM-DD HH:MM`. */
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly system: string;
  readonly deno: string;
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    processor: first?.model ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    memoryGB: Math.round(totalmem() / 1e9),
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
  };
}
