/** Puts bytes into `space` and says how many, or null at the end. */
export type Fill = (space: Uint8Array<ArrayBuffer>) => Promise<number | null> | number | null;
