import { setImmediate } from "node:timers/promises";

/** Whether a promise is still unsettled when everything has gone on that could at once. */
export async function isPending(promise: PromiseLike<unknown>): Promise<boolean> {
  const settled = promise.then(() => false, () => false);
  return await Promise.race([settled, setImmediate(true)]);
}
