/** How long a client has to say hello, and before that for the encryption, in ms. */
export const HELLO_TIMEOUT_MS = 10_000;

/** How long a peer may stand still in the middle of something, in ms. */
export const STALL_TIMEOUT_MS = 60_000;

/** How long we wait for a peer to close its side after we have closed ours, in ms. */
export const LINGER_MS = 2_000;
