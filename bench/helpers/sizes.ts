const MB = 1_000_000;
const GB = 1_000 * MB;

/** How much work is done. Sizes are in bytes. */
export interface Sizes {
  readonly bigBytes: number;
  readonly smallFiles: number;
  readonly delayedFiles: number;
  readonly smallBytes: number;
  readonly clients: number;
  readonly clientBytes: number;
  readonly listed: number;
  readonly idle: number;
  readonly readers: number;
  readonly readerBytes: number;
  /** How many listings a second client makes while another downloads, at least. */
  readonly neighbourSamples: number;
}

/** The sizes that the bars are about. */
export const FULL: Sizes = {
  bigBytes: 2 * GB,
  smallFiles: 10_000,
  delayedFiles: 1_000,
  smallBytes: 4096,
  clients: 50,
  clientBytes: 100 * MB,
  listed: 100_000,
  idle: 1_000,
  readers: 50,
  readerBytes: GB,
  neighbourSamples: 300,
};

/** Sizes that only show whether everything works. */
export const QUICK: Sizes = {
  bigBytes: 64 * MB,
  smallFiles: 200,
  delayedFiles: 50,
  smallBytes: 4096,
  clients: 5,
  clientBytes: 2 * MB,
  listed: 2_000,
  idle: 100,
  readers: 5,
  readerBytes: 64 * MB,
  neighbourSamples: 20,
};
