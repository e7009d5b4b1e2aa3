import { REQUEST_WINDOW } from "../protocol/constants.ts";
import { MAX_PATH_DEPTH } from "../core/remote_path.ts";

/** How much a server lets its clients use. */
export interface Limits {
  /** Sessions in all. */
  readonly connections: number;
  /** Sessions of one address; of one /64 network with IPv6. */
  readonly connectionsPerAddress: number;
  /** Connections that were not let in yet; for a new one, the oldest of the address that has most makes room. */
  readonly unauthenticated: number;
  /** How long a client has for the encryption, and then to say hello, in ms. */
  readonly helloMs: number;
  /** How long a client may ask for nothing, in ms. */
  readonly idleMs: number;
  /** How long a peer may stall in the middle of something, in ms; `idleMs` if it shows signs of life. */
  readonly stallMs: number;
  /** Requests that a client may have unanswered. */
  readonly requests: number;
  /** The size of an uploaded file, in bytes. */
  readonly fileBytes: number;
  /** Free space of the disk that uploads do not touch, in bytes. */
  readonly keepFreeBytes: number;
  /** The names in a path that is made. */
  readonly depth: number;
  /** Bandwidth of all connections together, both directions, in bytes per second. */
  readonly bytesPerSecond: number;
  /** Bandwidth of one connection, both directions, in bytes per second. */
  readonly connectionBytesPerSecond: number;
}

/**
 * The limits of a server that is told nothing else. Together they allow ordinary use by many, and bound what it costs.
 *
 * A client that takes 8 KiB a second all the time must not seem stalled. Linux says that more can be written when a
 * third of the send buffer is free, which has up to 4 MiB, and an encrypted write of 1 MiB and 64 KiB is done when all of
 * it is written: 2.4 MiB at 8 KiB/s are 307 s. A paused client of Ferry shows every 10 s that it is there.
 */
export const DEFAULT_LIMITS: Limits = {
  connections: 4096,
  connectionsPerAddress: 1024,
  unauthenticated: 256,
  helloMs: 10_000,
  idleMs: 3600_000,
  stallMs: 360_000,
  requests: REQUEST_WINDOW,
  fileBytes: Infinity,
  keepFreeBytes: 0,
  depth: MAX_PATH_DEPTH,
  bytesPerSecond: Infinity,
  connectionBytesPerSecond: Infinity,
};

/** How long we wait for a peer to close its side after we have closed ours, in ms. */
export const LINGER_MS = 2_000;

/** How long a client waits for the answer to a wrong proof, whatever was wrong, in ms. */
export const REFUSAL_DELAY_MS = 1_000;

/** How long a client that has not logged in and has to make room may take to hear why, in ms. */
export const EVICTION_LINGER_MS = 20;
