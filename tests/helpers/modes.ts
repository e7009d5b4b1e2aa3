/** Permission bits with which others than the owner may read, write or run a file. */
export const SHARED_MODES = [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777] as const;
