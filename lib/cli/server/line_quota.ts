import { networkOf } from "../../transport/address.ts";

/** Bytes of lines that one network may cause at once: about 30,000 files, or 8,000 with long names. */
export const BURST_BYTES = 8 * 1024 * 1024;

/** How fast the allowance refills, in bytes per second. */
export const BYTES_PER_SECOND = 64 * 1024;

/** Networks with an allowance of their own. All others share one. */
const MAX_NETWORKS = 1024;

/** Time from the first dropped line to the report of their number, in ms. */
const REPORT_MS = 10_000;

/** The name for networks beyond the limit. */
const OTHERS = "others";

interface Account {
  bytes: number;
  at: number;
  leftOut: number;
}

const encoder = new TextEncoder();

/** The network of a peer, `host:port`. */
function networkOfPeer(peer: string): string {
  return networkOf(peer.slice(0, peer.lastIndexOf(":")).replace(/^\[|\]$/g, ""));
}

/**
 * Bounds the lines that each peer's network may cause, so that none can fill the disk. Counts the lines that it drops,
 * and reports their number some seconds later.
 */
export class LineQuota implements Disposable {
  readonly #report: (network: string, lines: number) => void;
  readonly #accounts = new Map<string, Account>();
  #reporting: ReturnType<typeof setTimeout> | undefined;

  /** @param report Writes how many lines of a network were dropped. */
  constructor(report: (network: string, lines: number) => void) {
    this.#report = report;
  }

  /**
   * The line, or undefined if the peer's network has caused too many.
   *
   * @param peer `host:port`.
   * @param compose Makes the line; not called if it is dropped.
   * @param mustBeKept The line counts, but is never dropped.
   */
  take(peer: string, compose: () => string, mustBeKept = false, now = performance.now()): string | undefined {
    const account = this.#accountOf(networkOfPeer(peer), now);
    refill(account, now);
    if (account.bytes <= 0 && !mustBeKept) {
      account.leftOut++;
      this.#reporting ??= setTimeout(() => this.#reportAll(), REPORT_MS);
      return undefined;
    }
    const line = compose();
    const rest = account.bytes - encoder.encode(line).length;
    // Such a line may use up the allowance, but leaves no debt that would silence the network for long.
    account.bytes = mustBeKept ? Math.max(rest, Math.min(account.bytes, 0)) : rest;
    return line;
  }

  /** Reports what is still unreported. */
  [Symbol.dispose](): void {
    this.#reportAll();
  }

  #accountOf(network: string, now: number): Account {
    const known = this.#accounts.get(network);
    if (known) return known;
    if (this.#accounts.size >= MAX_NETWORKS) this.#forgetIdle(now);
    if (this.#accounts.size >= MAX_NETWORKS && network !== OTHERS) return this.#accountOf(OTHERS, now);
    const account = { bytes: BURST_BYTES, at: now, leftOut: 0 };
    this.#accounts.set(network, account);
    return account;
  }

  /** Forgets networks with a full allowance: they are as good as new. */
  #forgetIdle(now: number): void {
    for (const [network, account] of this.#accounts) {
      refill(account, now);
      if (account.bytes === BURST_BYTES && account.leftOut === 0) this.#accounts.delete(network);
    }
  }

  #reportAll(): void {
    clearTimeout(this.#reporting);
    this.#reporting = undefined;
    for (const [network, account] of this.#accounts) {
      const lines = account.leftOut;
      account.leftOut = 0;
      if (lines > 0) this.#report(network, lines);
    }
  }
}

function refill(account: Account, now: number): void {
  account.bytes = Math.min(BURST_BYTES, account.bytes + (now - account.at) / 1000 * BYTES_PER_SECOND);
  account.at = now;
}
