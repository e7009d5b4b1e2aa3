/**
 * A blocking call that took longer than this shows that the disk is cold, busy or remote; from then on the file is
 * used with asynchronous calls, so that other connections are not held up.
 */
const SLOW_CALL_MS = 4;

/**
 * An open file that is read and written with blocking calls while they are fast, since those cost a fraction of
 * asynchronous ones, and with asynchronous calls after the first slow one. Each call moves at most what the caller's
 * buffer holds: pass 1 MiB at most.
 */
export class PacedFile {
  readonly file: Deno.FsFile;
  #slow = false;

  constructor(file: Deno.FsFile) {
    this.file = file;
  }

  /** Reads into `into`; see `Deno.FsFile.read`. */
  read(into: Uint8Array): Promise<number | null> | number | null {
    if (this.#slow) return this.file.read(into);
    const before = performance.now();
    const n = this.file.readSync(into);
    this.#slow = performance.now() - before > SLOW_CALL_MS;
    return n;
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): Promise<void> | void {
    let done = 0;
    while (done < bytes.length && !this.#slow) {
      const before = performance.now();
      done += this.file.writeSync(bytes.subarray(done));
      this.#slow = performance.now() - before > SLOW_CALL_MS;
    }
    if (done < bytes.length) return this.#writeSlowly(bytes.subarray(done));
  }

  async #writeSlowly(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += await this.file.write(bytes.subarray(done));
  }
}
