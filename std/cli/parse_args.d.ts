type Aliases = Record<string, string | readonly string[]>;

/** The other names of the option `K`; none if they are not known when the program is compiled. */
type AliasesOf<K, TAliases> = K extends keyof TAliases ? Literal<
    TAliases[K] extends readonly (infer Name)[] ? Name : TAliases[K]
  >
  : never;

/** `T` if it is a string literal or a union of them. */
type Literal<T> = T extends string ? string extends T ? never : T : never;

/** What one option holds, before its default is considered; `undefined` where it may be missing. */
type Value<K, TBoolean, TString, TCollect, TNegatable> =
  | (K extends TCollect ? (K extends TString ? string : K extends TBoolean ? boolean : unknown)[]
    : K extends TString ? string | undefined
    : boolean)
  | (K extends TBoolean ? never : K extends TNegatable ? false : never);

/** The same with its default: the option is never missing then. */
type WithDefault<T, K, TDefault> = K extends keyof TDefault ? NonNullable<T> | TDefault[K] : T;

/**
 * The options by name: those declared as boolean, string or collect with their type, those that have only a default and
 * all others as `unknown`. Dotted names (`a.b`) are not declared: they are `unknown` too.
 */
export type Args<
  TBoolean extends string = never,
  TString extends string = never,
  TCollect extends string = never,
  TNegatable extends string = never,
  TDefault = Record<never, never>,
  TAliases = Record<never, never>,
  TDoubleDash = false,
> =
  & Record<string, unknown>
  & {
    [K in TBoolean | TString | TCollect as K | AliasesOf<K, TAliases>]: WithDefault<
      Value<K, TBoolean, TString, TCollect, TNegatable>,
      K,
      TDefault
    >;
  }
  & {
    /** The arguments that belong to no option. */
    _: (string | number)[];
  }
  & (TDoubleDash extends true ? {
      /** The arguments after `--`. */
      "--": string[];
    }
    : unknown);

/** Options of `parseArgs()`. */
export interface ParseOptions<
  TBoolean extends string = string,
  TString extends string = string,
  TCollect extends string = string,
  TNegatable extends string = string,
  TDefault extends Record<string, unknown> = Record<string, unknown>,
  TAliases extends Aliases = Aliases,
  TDoubleDash extends boolean = boolean,
> {
  /** Put everything after `--` into `args["--"]` instead of `args._`. Default: false. */
  "--"?: TDoubleDash;
  /** Other names of an option: `{ help: "h" }`. */
  alias?: TAliases;
  /** Options without a value; `true` makes every `--name` without `=` one. They are false unless given. */
  boolean?: boolean | TBoolean | readonly TBoolean[];
  /** Values of options that are not given. */
  default?: TDefault;
  /** Put everything from the first argument that is no option into `args._`. Default: false. */
  stopEarly?: boolean;
  /** Options whose value stays a string. Without a value they are an empty string. */
  string?: TString | readonly TString[];
  /** Options that may be repeated; their values are collected into an array. */
  collect?: TCollect | readonly TCollect[];
  /** Options that `--no-name` sets to false. */
  negatable?: TNegatable | readonly TNegatable[];
  /** Called with every argument that no option declares; if it returns false, the argument is dropped. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/**
 * Parses command line arguments.
 *
 * @param args The arguments, such as `Deno.args`.
 * @param options What the arguments mean.
 * @returns The options by name, and in `_` everything else.
 */
export declare function parseArgs<
  TBoolean extends string = never,
  TString extends string = never,
  TCollect extends string = never,
  TNegatable extends string = never,
  TDefault extends Record<string, unknown> = Record<never, never>,
  const TAliases extends Aliases = Record<never, never>,
  TDoubleDash extends boolean = false,
>(
  args: string[],
  options?: ParseOptions<TBoolean, TString, TCollect, TNegatable, TDefault, TAliases, TDoubleDash>,
): Args<TBoolean, TString, TCollect, TNegatable, TDefault, TAliases, TDoubleDash>;
