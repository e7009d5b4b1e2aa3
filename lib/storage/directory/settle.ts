import { setTimeout } from "node:timers/promises";
import { mtimeMs } from "./system_metadata.ts";

/**
 * Two writes within one tick of the file system's clock give the same time of change. The tick is at most 10 ms on
 * Linux (CONFIG_HZ=100), so a file is relied on only when its last change is longer ago than this.
 */
const CLOCK_TICK_MS = 20;

/**
 * Waits until a change of a file from now on will be seen in its time of change.
 *
 * @param info What the file is now.
 * @param look Looks again; called only when it was necessary to wait.
 */
export async function settled(info: Deno.FileInfo, look: () => Deno.FileInfo): Promise<Deno.FileInfo> {
  const age = Date.now() - mtimeMs(info);
  if (age <= -CLOCK_TICK_MS || age >= CLOCK_TICK_MS) return info;
  await setTimeout(CLOCK_TICK_MS);
  return look();
}
