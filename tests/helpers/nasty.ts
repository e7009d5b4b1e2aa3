/** A name with what is invisible, moves a cursor or turns text around: C0, C1, line separator, bidi, zero width, tag. */
export const NASTY = "a\u0000\n\r\t\u001b[2J\u007f\u009b1m\u2028\u202e\u2066\u200b\u{e0041}b";

/** What of it must never reach a terminal. */
// deno-lint-ignore no-control-regex
export const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u{e0041}]/u;
