import { Buffer } from "node:buffer";

/** Random numbers that are the same for the same seed (Mulberry32). Not for secrets. */
export class Random {
  #state: number;

  /** @param seed A whole number; its lowest 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32 - 1. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.u32() / 2 ** 32 * limit);
  }

  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    const words = new Uint32Array(bytes.buffer, 0, length >>> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.u32();
    for (let i = words.byteLength; i < length; i++) bytes[i] = this.u32();
    return bytes;
  }

  /** A copy of `original` with up to four places changed, removed, inserted or repeated. */
  damage(original: Uint8Array): Uint8Array<ArrayBuffer> {
    let result = Buffer.from(original);
    for (let i = this.below(4); i >= 0; i--) {
      const start = this.below(result.length);
      const length = 1 + this.below(this.pick([1, 8, 100]));
      const [before, after] = [result.subarray(0, start), result.subarray(start)];
      const change = this.below(4);
      if (change === 0) result[start] = this.u32();
      else if (change === 1) result = Buffer.concat([before, after.subarray(length)]);
      else if (change === 2) result = Buffer.concat([before, this.bytes(length), after]);
      else result = Buffer.concat([before, after.subarray(0, length), after]);
    }
    return new Uint8Array(result);
  }
}

/** `length` bytes that do not compress and are the same for the same seed. */
export function bytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return new Random(seed).bytes(length);
}

/**
 * Runs `test` with random numbers that are new in every run. When it fails, the error says how to repeat it:
 * the environment variable `FERRY_TEST_SEED` sets the seed.
 */
export function withRandom(test: (random: Random) => void): void {
  const seed = Number(Deno.env.get("FERRY_TEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  try {
    test(new Random(seed));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`failed with FERRY_TEST_SEED=${seed}: ${reason}`, { cause });
  }
}
