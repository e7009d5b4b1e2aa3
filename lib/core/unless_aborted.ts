import { FerryError } from "./errors.ts";

/** What a signal was aborted with, if that says more than that it was. */
function reasonOf({ reason }: AbortSignal): FerryError {
  return reason instanceof FerryError ? reason : new FerryError("Cancelled", "cancelled");
}

/** @throws {FerryError} `Cancelled`, or what the signal was aborted with, when it is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** Is aborted when one of the two is. */
export function eitherSignal(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, other]) : other;
}

/** What `promise` gives, or as soon as the signal is aborted what `throwIfAborted` throws. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(reasonOf(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
