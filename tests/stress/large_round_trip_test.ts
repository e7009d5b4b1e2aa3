import { statfsSync } from "node:fs";
import { unprivileged } from "../helpers/confined.ts";
import { roundTrip } from "../helpers/round_trip.ts";
import { tempDir } from "../helpers/temp.ts";

const GIB = 2 ** 30;

/** The file is sparse where it is made only: the one that goes up and the one that comes back take room. */
const NEEDED_BYTES = 12 * GIB;

const under = await unprivileged();

async function hasSpace(): Promise<boolean> {
  await using directory = await tempDir();
  const { bavail, bsize } = statfsSync(directory.path);
  if (bavail * bsize > NEEDED_BYTES) return true;
  console.log("skipped: less than 12 GiB are free");
  return false;
}

Deno.test({
  name: "a tree with 10,000 files in one directory and a sparse file of 5 GiB goes up and comes back",
  ignore: Deno.build.os !== "linux",
  async fn() {
    if (await hasSpace()) await roundTrip({ under, many: 10_000, sparseBytes: 5 * GIB, deadlineMs: 600_000 });
  },
});
