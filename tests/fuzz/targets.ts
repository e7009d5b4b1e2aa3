import { CODEC } from "./codec.ts";
import { CONVERSATION } from "./conversation.ts";
import { DEPTH } from "./depth.ts";
import { GREETING } from "./greeting.ts";
import { FRAMES } from "./frames.ts";
import { IMPOSTOR } from "./impostor.ts";
import { LEFTOVERS } from "./leftovers.ts";
import { NAMES } from "./names.ts";
import { STRUCTURE } from "./structure.ts";
import { UNREAD } from "./unread.ts";
import type { Target } from "./target.ts";

/** Everything that is fuzzed; the shares add up to 100. */
export const TARGETS: readonly Target[] = [
  FRAMES,
  CODEC,
  NAMES,
  CONVERSATION,
  GREETING,
  STRUCTURE,
  DEPTH,
  UNREAD,
  LEFTOVERS,
  IMPOSTOR,
];
