/** Options of `promptSecret()`. */
export interface PromptSecretOptions {
  /** Shown for each character; an empty string shows nothing. Default: `*`. */
  mask?: string;
  /** Clear the line when the input is complete. Default: false. */
  clear?: boolean;
}

/**
 * Asks for a line on the terminal without showing it.
 *
 * @returns The line, or null if standard input is not a terminal.
 */
export declare function promptSecret(message?: string, options?: PromptSecretOptions): string | null;
