/** Options that every command has. */
export interface CommandOptions {
  /** Gives the command up when it is aborted, and no other; see `OperationOptions.signal`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `get` and `put`. */
export interface TransferOptions extends CommandOptions {
  /** Told how many bytes the target has and how many there are in all, where that is known. Must not throw. */
  readonly onProgress?: ((moved: number, total: number | undefined) => void) | undefined;
  /** Whether an existing file is replaced (the default) or the command fails with `AlreadyExists`. */
  readonly overwrite?: boolean | undefined;
  /** Whether what an earlier attempt has left is used, after it was compared (the default). */
  readonly resume?: boolean | undefined;
  /** Whether the file is synced to the disk before the command is over. */
  readonly durable?: boolean | undefined;
}

/** Options of `put`. */
export interface PutOptions extends TransferOptions {
  /** The time of last change that the file shall have, in ms since 1970; that of the source file when absent. */
  readonly mtimeMs?: number | undefined;
}
