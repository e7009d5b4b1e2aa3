import { CLIENTS } from "./clients.ts";
import { delayWork } from "./delay.ts";
import { FIRST_BYTE } from "./first_byte.ts";
import { LISTING } from "./listing.ts";
import { IDLE, PEAK } from "./memory.ts";
import { NEIGHBOUR } from "./neighbour.ts";
import { fileWork, treeWork } from "./transfer.ts";
import type { Work } from "./work.ts";

/** All works, in the order in which they are done. */
export const WORKS: readonly Work[] = [
  fileWork("down"),
  fileWork("up"),
  treeWork("down"),
  treeWork("up"),
  delayWork("down"),
  delayWork("up"),
  CLIENTS,
  FIRST_BYTE,
  LISTING,
  NEIGHBOUR,
  IDLE,
  PEAK,
];
