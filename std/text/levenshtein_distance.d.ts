/** How many characters have to be put in, left out or replaced to make `str2` of `str1`. */
export declare function levenshteinDistance(str1: string, str2: string): number;
