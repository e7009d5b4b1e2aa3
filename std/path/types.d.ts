/** Options of `globToRegExp()`. */
export interface GlobToRegExpOptions {
  /** Extended syntax such as `@(a|b)`. Default: true. */
  extended?: boolean;
  /** `**` matches any number of segments. Default: true. */
  globstar?: boolean;
  /** Letters match in both cases. Default: false. */
  caseInsensitive?: boolean;
}

/** The separator of this system: `/`, or `\` on Windows. */
export declare const SEPARATOR: "/" | "\\";

/** The last segment of `path`, without `suffix` where it ends with that. */
export declare function basename(path: string | URL, suffix?: string): string;

/** `path` without its last segment. */
export declare function dirname(path: string | URL): string;

/** Converts a file URL to a path. */
export declare function fromFileUrl(url: string | URL): string;

/** Converts a glob to an anchored regular expression. */
export declare function globToRegExp(glob: string, options?: GlobToRegExpOptions): RegExp;

/** Says whether `str` holds glob syntax. */
export declare function isGlob(str: string): boolean;

/** Joins paths and normalizes the result. */
export declare function join(path: string | URL, ...paths: string[]): string;

/** Resolves `.`, `..` and repeated separators. */
export declare function normalize(path: string | URL): string;

/** The way from `from` to `to`, both relative to the current directory. */
export declare function relative(from: string, to: string): string;

/** The absolute path that the segments, read from right to left, make. */
export declare function resolve(...pathSegments: string[]): string;

/** Converts an absolute path to a file URL. */
export declare function toFileUrl(path: string): URL;
