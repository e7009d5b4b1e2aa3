/** Where servers listen. */
export const HOST = "127.0.0.1";

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "0.0.0.0", port }).close();
    return true;
  } catch {
    return false;
  }
}

/** A port that is free now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Ports for ranges are looked for here, below those that systems usually give to clients. */
const FIRST_RANGE = 20_000;
const LAST_RANGE = 32_000;

/** The first of `count` ports in a row that are free now. */
export function freeRange(count: number): number {
  for (let first = FIRST_RANGE; first < LAST_RANGE; first += count) {
    if (Array.from({ length: count }, (_, i) => first + i).every(isFree)) return first;
  }
  throw new Error(`There are no ${count} free ports in a row`);
}
