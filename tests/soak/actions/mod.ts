import { FILES } from "./files.ts";
import { MEETINGS } from "./meetings.ts";
import { PROCESSES } from "./processes.ts";
import { RUDE } from "./rude.ts";
import { SIEGES } from "./sieges.ts";
import { TREES } from "./trees.ts";

/** All that workers do. */
export const ACTIONS = { ...FILES, ...MEETINGS, ...TREES, ...PROCESSES, ...RUDE, ...SIEGES };
