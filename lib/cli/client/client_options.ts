/** The options of the client itself that have no value. */
export const CLIENT_SWITCHES = ["insecure", "no-history", "help", "version"] as const;

/** The options of the client itself that have one. */
export const CLIENT_VALUES = ["secret-file", "ca", "limit-rate"] as const;

/** Whether a word is an option of the client itself, and of no command. */
export function isClientOption(word: string): boolean {
  return [...CLIENT_SWITCHES, ...CLIENT_VALUES].some((name) => word === `--${name}`);
}
