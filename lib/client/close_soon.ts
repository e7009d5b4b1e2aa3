import { FerryError } from "../core/errors.ts";

/** How long what is under way may take when a client is disposed of, in ms. */
const DISPOSE_TIMEOUT_MS = 2_000;

/**
 * Closes something in order, but gives up what is under way for 2 s more. Never throws.
 *
 * @param fail Ends all that is under way at once.
 */
export async function closeSoon(close: () => Promise<void>, fail: (late: FerryError) => void): Promise<void> {
  const late = new FerryError("Disconnected", "the client was disposed of");
  const deadline = setTimeout(() => fail(late), DISPOSE_TIMEOUT_MS);
  try {
    await close();
  } catch {
    // It has ended already.
  } finally {
    clearTimeout(deadline);
  }
}
