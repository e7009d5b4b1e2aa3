/** Notices when somebody holds up receiving for so long that nobody else should have to wait for that. */
export class StallWatch {
  readonly #stallMs: number;
  readonly #onStall: () => void;
  /** Since when receiving is held up, on the clock of `performance.now()`. */
  #since: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What is being received has stood still before, and may do so again. */
  #isSlow = false;

  /**
   * @param stallMs How long it may be held up.
   * @param onStall Told, while it is watched, when it was held up for so long.
   */
  constructor(stallMs: number, onStall: () => void) {
    this.#stallMs = stallMs;
    this.#onStall = onStall;
  }

  /** Whether receiving is held up. */
  get isHeld(): boolean {
    return this.#since !== undefined;
  }

  /** Whether what is being received stands still, or has done so before. */
  get isSlow(): boolean {
    return this.#isSlow || this.#isStalled;
  }

  /** Says that receiving is held up. */
  hold(): void {
    this.#since = performance.now();
  }

  /** Says that receiving goes on. */
  release(): void {
    this.#isSlow ||= this.#isStalled;
    this.#since = undefined;
  }

  /** Says that something else will be received next. @returns Whether that before was slow. */
  reset(): boolean {
    const wasSlow = this.#isSlow;
    this.#isSlow = false;
    return wasSlow;
  }

  /** Looks, if it is held up, whether it still is when the time has passed. */
  watch(): void {
    if (this.#since === undefined || this.#timer !== undefined) return;
    const left = this.#since + this.#stallMs - performance.now();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isStalled) this.#onStall();
      else this.watch();
    }, Math.max(0, left));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  get #isStalled(): boolean {
    return this.#since !== undefined && performance.now() - this.#since >= this.#stallMs;
  }
}
