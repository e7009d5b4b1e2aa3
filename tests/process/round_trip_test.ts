import { unprivileged } from "../helpers/confined.ts";
import { roundTrip } from "../helpers/round_trip.ts";

const under = await unprivileged();

Deno.test({
  name:
    "a tree of every kind of entry goes up and comes back, what is different is what was printed, and a second run sends nothing",
  // Other systems have other kinds.
  ignore: Deno.build.os !== "linux",
  fn: () => roundTrip({ under, many: 500, sparseBytes: 100_000_000, deadlineMs: 60_000 }),
});
