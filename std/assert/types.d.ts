/** Any constructor of a `T`, also an abstract one. */
type Constructor<T> = abstract new (...args: never[]) => T;

/** A value that is false in a condition. */
type Falsy = false | 0 | 0n | "" | null | undefined;

/** Asserts that `expr` is truthy. */
export declare function assert(expr: unknown, msg?: string): asserts expr;

/** Asserts that `expr` is falsy. */
export declare function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;

/** Asserts that two values are deeply equal. */
export declare function assertEquals<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that two values are not deeply equal. */
export declare function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that two values are the same, as `Object.is()` sees it. */
export declare function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;

/** Asserts that `actual` is an instance of `expectedType`. */
export declare function assertInstanceOf<T extends Constructor<unknown>>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T>;

/** Asserts that the string `actual` contains `expected`. */
export declare function assertStringIncludes(actual: string, expected: string, msg?: string): void;

/** Asserts that the string `actual` matches `expected`. */
export declare function assertMatch(actual: string, expected: RegExp, msg?: string): void;

/** Asserts that `actual > expected`. */
export declare function assertGreater<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that `actual < expected`. */
export declare function assertLess<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that `actual <= expected`. */
export declare function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that `fn` throws; returns what it threw. */
export declare function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an `ErrorClass` whose message contains `msgIncludes`; returns the error. */
export declare function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;

/** Asserts that the promise `fn` returns is rejected; resolves to the reason. */
export declare function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise `fn` returns is rejected with an `ErrorClass` whose message contains `msgIncludes`. */
export declare function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
