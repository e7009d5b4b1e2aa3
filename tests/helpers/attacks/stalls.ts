import type { Client } from "../../../lib/mod.ts";
import { type Attack, Hostile, overAndOver } from "./hostile.ts";

/** So many requests of one connection are on their way at a time. */
const AT_ONCE = 16;

/** A path as deep as one may be made. */
const DEEP = Array.from({ length: 128 }, (_, i) => `d${i % 10}`).join("/");

/** Paths that cannot be, each of them long, or wrong only at its end. */
const BAD = [
  "a/".repeat(30_000) + "..",
  "\u0001".repeat(10_000),
  "x/".repeat(127) + "y".repeat(256),
  "天".repeat(20_000),
  `${DEEP}/..`,
];

/** Does the same things over and over on so many connections; each failure of a command is as good as its success. */
function ask(connections: number, acts: readonly ((client: Client) => Promise<unknown>)[]): Attack {
  return (target, strike) =>
    overAndOver(connections, async () => {
      await using client = (await Hostile.client(target)).client();
      const work = async (act: (client: Client) => Promise<unknown>) => {
        while (!client.hasEnded) {
          await act(client).catch(() => {});
          strike();
        }
      };
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) => work(acts[i % acts.length] ?? (() => client.stat()))),
      );
    });
}

/** Attacks by one or two who ask for what takes the server long, though it is small to ask. */
export const STALLS = {
  "deep directories": ask(1, [(client) => client.mkdir(DEEP, { parents: true })]),
  "bad paths": ask(2, BAD.map((path) => (client) => client.mkdir(path, { parents: true }))),
  "deep paths": ask(2, [(client) => client.stat(DEEP), (client) => client.rename(DEEP, `${DEEP}x`)]),
  /** Listings of very many names that are given up at once. */
  "cancelled listings": (target, strike) =>
    overAndOver(1, async () => {
      await using client = (await Hostile.client(target)).client();
      while (!client.hasEnded) {
        const listing = client.dir("many");
        await listing.next();
        await listing.return?.();
        strike();
      }
    }),
  /** The same in a tree, and removals and renames of what is not there. */
  "recursive listings of many": (target, strike) =>
    overAndOver(4, async () => {
      await using client = (await Hostile.client(target)).client();
      while (!client.hasEnded) {
        const listing = client.dir(undefined, { recursive: true });
        for (let i = 0; i < 100; i++) await listing.next();
        await listing.return?.();
        strike();
      }
    }),
} as const satisfies Record<string, Attack>;
