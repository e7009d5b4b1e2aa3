import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** The most characters that may be wrong. */
const MAX_DISTANCE = 2;

/** No name is longer; what is typed may be. */
const MAX_LENGTH = 20;

/** `, did you mean "get"?` when one of `names` is much like `typed`, which is none of them; otherwise nothing. */
export function didYouMean(typed: string, names: readonly string[]): string {
  if (typed.length > MAX_LENGTH) return "";
  // Of names that are equally close, one with the same first letter is more likely.
  const rated = names.map((name) => ({
    name,
    distance: levenshteinDistance(typed, name) + (name[0] === typed[0] ? 0 : 0.5),
  })).filter(({ name, distance }) => distance <= MAX_DISTANCE && distance < name.length);
  const [best] = rated.sort((a, b) => a.distance - b.distance);
  return best ? `; did you mean "${best.name}"?` : "";
}
