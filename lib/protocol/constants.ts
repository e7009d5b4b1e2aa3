/** The version of the protocol that this code speaks. */
export const PROTOCOL_VERSION = 1;

/** The port that server and client use when none is named. */
export const DEFAULT_PORT = 7878;

/** Bytes before the payload of a frame: CRC-32 (u32), length (u32), kind (u8). */
export const HEADER_BYTES = 9;

/** The largest payload of a data frame, in bytes. */
export const MAX_DATA_BYTES = 1024 * 1024;

/** The largest payload of any other frame, in bytes. */
export const MAX_CONTROL_BYTES = 64 * 1024;

/** The largest frame, header included, in bytes. */
export const MAX_FRAME_BYTES = HEADER_BYTES + MAX_DATA_BYTES;

/** How often a side that is held up, or busy for long, shows that it is alive, in ms. */
export const ALIVE_INTERVAL_MS = 10_000;

/** How many requests a client may have unanswered on one connection. */
export const REQUEST_WINDOW = 1024;
