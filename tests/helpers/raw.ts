import { assert, assertEquals } from "@std/assert";
import { connect, FerryError, serve } from "../../lib/mod.ts";
import type {
  Client,
  ConnectOptions,
  ErrorCode,
  FerryServer,
  ServeOptions,
  ServerEvent,
  Storage,
} from "../../lib/mod.ts";
import { FrameDecoder, FrameKind, frameName } from "../../lib/protocol/frames.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { concat, frameBytes, sameBytes } from "./frames.ts";
import type { Address } from "./proxy.ts";
import { replacing } from "./storage.ts";
import { type TempDir, tempDir } from "./temp.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";

/** The name of a kind of frame. */
export type Kind = keyof typeof FrameKind;

/** A frame as it was received: a copy, with the value of its JSON. */
export interface RawFrame {
  readonly kind: Kind;
  readonly payload: Uint8Array;
  readonly value: unknown;
}

/** The JSON of a frame of the server, as far as tests look into it. */
export interface Fields {
  readonly code?: string;
  readonly message?: string;
  readonly path?: string;
  readonly size?: number;
  readonly text?: string;
}

/** The answer to one request. */
export interface Answer {
  /** `ok`, the code of the error, or `disconnect` and its code. */
  readonly outcome: string;
  readonly fields: Fields;
  /** The frames that came before it. */
  readonly frames: readonly RawFrame[];
  /** The bytes of the data frames among them. */
  readonly data: Uint8Array;
}

/** How long a test waits for something that must happen, in ms. */
const PATIENCE_MS = 5_000;

/** Fails when `promise` takes too long, so that a hang is a failure with a name. */
export async function within<T>(promise: PromiseLike<T>, what = "the answer", ms = PATIENCE_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} did not come in ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Fails unless `promise` rejects in time with a `FerryError` of one of these codes; gives the error. */
export async function failsWith(promise: PromiseLike<unknown>, ...codes: ErrorCode[]): Promise<FerryError> {
  const result = await within(promise.then((value) => ({ value }), (error: unknown) => ({ error })), "the failure");
  assert("error" in result, `expected ${codes.join(" or ")}, got ${"value" in result && Deno.inspect(result.value)}`);
  const { error } = result;
  assert(error instanceof FerryError, `not a FerryError: ${Deno.inspect(error)}`);
  assert(codes.includes(error.code), `expected ${codes.join(" or ")}, got ${error.code}: ${error.message}`);
  return error;
}

/** One end of a connection that is spoken by hand. */
export class RawPeer implements Disposable {
  readonly conn: Deno.TcpConn;
  readonly #decoder = new FrameDecoder();

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
    conn.setNoDelay(true);
  }

  /** Connects, and says nothing. */
  static async connect({ hostname, port }: Address): Promise<RawPeer> {
    return new RawPeer(await Deno.connect({ hostname, port }));
  }

  /** Connects as a client that has been welcomed. */
  static async greeted(address: Address): Promise<RawPeer> {
    const peer = await RawPeer.connect(address);
    assertEquals((await peer.receive())?.value, { ferry: [1] });
    await peer.send("hello", { ferry: 1 });
    assertEquals((await peer.receive())?.kind, "ok");
    return peer;
  }

  /** Sends any bytes. */
  async sendBytes(...parts: Uint8Array[]): Promise<void> {
    const bytes = concat(...parts);
    for (let done = 0; done < bytes.length;) done += await this.conn.write(bytes.subarray(done));
  }

  /** Sends a frame: bytes as they are, any other value as JSON, nothing for an empty payload. */
  async send(kind: Kind, value?: unknown): Promise<void> {
    await this.sendBytes(encode(kind, value));
  }

  /** Sends several frames in one write. */
  async sendAll(...frames: [kind: Kind, value?: unknown][]): Promise<void> {
    await this.sendBytes(...frames.map(([kind, value]) => encode(kind, value)));
  }

  /** The next frame, or undefined when the other end has closed in order. */
  async receive(ms = PATIENCE_MS): Promise<RawFrame | undefined> {
    return await within(this.#receive(), "a frame", ms);
  }

  async #receive(): Promise<RawFrame | undefined> {
    for (;;) {
      const frame = this.#decoder.next();
      if (frame) {
        const kind = frameName(frame.kind) as Kind;
        const payload = frame.payload.slice();
        const json = kind !== "data" && payload.length > 0;
        return { kind, payload, value: json ? JSON.parse(new TextDecoder().decode(payload)) : undefined };
      }
      const n = await this.conn.read(this.#decoder.space());
      if (n === null) return undefined;
      this.#decoder.filled(n);
    }
  }

  /** Receives up to the next `ok`, `error` or `disconnect`. Notices are passed over. */
  async answer(): Promise<Answer> {
    return await within(this.#answer());
  }

  async #answer(): Promise<Answer> {
    const frames: RawFrame[] = [];
    for (;;) {
      const frame = await this.#receive();
      if (!frame) throw new Error(`the connection ended after ${frames.map((each) => each.kind)}`);
      const fields = (frame.value ?? {}) as Fields;
      if (["ok", "error", "disconnect"].includes(frame.kind)) {
        const data = concat(...frames.filter(({ kind }) => kind === "data").map(({ payload }) => payload));
        const failed = frame.kind === "error" ? fields.code : `${frame.kind} ${fields.code}`;
        return { outcome: frame.kind === "ok" ? "ok" : failed ?? "error without code", fields, frames, data };
      }
      if (frame.kind !== "notice") frames.push(frame);
    }
  }

  /** Sends a request and receives its answer. */
  async ask(request: Record<string, unknown>): Promise<Answer> {
    await this.send("request", request);
    return await this.answer();
  }

  /**
   * Reads and ignores what comes until the connection ends.
   *
   * @returns How: in order, or with a reset.
   */
  async ended(): Promise<"closed" | "reset"> {
    try {
      while (await this.receive());
      return "closed";
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return "reset";
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#decoder.release();
    try {
      this.conn.close();
    } catch {
      // It was closed by the test.
    }
  }
}

function encode(kind: Kind, value: unknown): Uint8Array {
  if (value === undefined) return frameBytes(FrameKind[kind]);
  return frameBytes(FrameKind[kind], value instanceof Uint8Array ? value : JSON.stringify(value));
}

/** Failures of a connection that the other end may cause whenever it likes. */
function isGone(error: unknown): boolean {
  const { ConnectionReset, BrokenPipe, BadResource, Interrupted, NotConnected } = Deno.errors;
  return [ConnectionReset, BrokenPipe, BadResource, Interrupted, NotConnected].some((type) => error instanceof type);
}

/** A server that does with every connection what the test says. */
export class FakeServer implements AsyncDisposable {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  readonly #peers: RawPeer[] = [];
  readonly #scripts: Promise<void>[] = [];
  readonly #failures: unknown[] = [];
  readonly #accepting: Promise<void>;

  /** @param script What to do with a connection, which is closed in order afterwards; may fail when the client leaves. */
  constructor(script: (peer: RawPeer) => Promise<unknown>) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = { hostname: "127.0.0.1", port: this.#listener.addr.port };
    this.#accepting = this.#acceptAll(script);
  }

  /** A server that welcomes clients and then runs the script. */
  static welcoming(script: (peer: RawPeer) => Promise<unknown>, welcome: object = {}): FakeServer {
    return new FakeServer(async (peer) => {
      await peer.send("hello", { ferry: [1] });
      const hello = await peer.receive();
      if (!hello) return;
      assertEquals(hello.value, { ferry: 1 });
      await peer.send("ok", { allows: [...RIGHTS], window: 16, ...welcome });
      await script(peer);
    });
  }

  /** Closes everything; throws what a script has thrown. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const peer of this.#peers) peer[Symbol.dispose]();
    await Promise.all(this.#scripts);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #acceptAll(script: (peer: RawPeer) => Promise<unknown>): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        const peer = new RawPeer(conn);
        this.#peers.push(peer);
        this.#scripts.push(this.#run(peer, script));
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async #run(peer: RawPeer, script: (peer: RawPeer) => Promise<unknown>): Promise<void> {
    try {
      await script(peer);
      await peer.conn.closeWrite();
      await peer.ended();
    } catch (error) {
      if (!isGone(error)) this.#failures.push(error);
    } finally {
      peer[Symbol.dispose]();
    }
  }
}

/** What a server has told its operator. */
export class EventLog {
  readonly all: ServerEvent[] = [];
  #changed = Promise.withResolvers<void>();

  readonly push = (event: ServerEvent): void => {
    this.all.push(event);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  /** The events of one kind so far. */
  of<K extends ServerEvent["event"]>(kind: K): Extract<ServerEvent, { event: K }>[] {
    return this.all.filter((event): event is Extract<ServerEvent, { event: K }> => event.event === kind);
  }

  /** Waits until there are `count` events of a kind; gives them. */
  async until<K extends ServerEvent["event"]>(kind: K, count = 1): Promise<Extract<ServerEvent, { event: K }>[]> {
    while (this.of(kind).length < count) await within(this.#changed.promise, `${kind} event ${count}`);
    return this.of(kind);
  }
}

/** A real server of a temporary directory. */
export class Served implements AsyncDisposable {
  readonly events = new EventLog();
  readonly server: FerryServer;
  /** The directory that holds the served one, `root`, so that a test can see what is written beside it. */
  readonly outer: TempDir;

  private constructor(outer: TempDir, options: Partial<ServeOptions>) {
    this.outer = outer;
    this.server = serve({ root: this.join(), port: 0, onEvent: this.events.push, ...options });
  }

  /**
   * Serves a directory with these files; their names may have directories in them.
   *
   * @param operations What replaces operations of the directory's storage, given that storage.
   */
  static async with(
    files: Record<string, string | Uint8Array> = {},
    options: Partial<ServeOptions> = {},
    operations?: (storage: Storage) => Partial<Storage>,
  ): Promise<Served> {
    const outer = await tempDir();
    await Deno.mkdir(outer.join("root"));
    for (const [name, content] of Object.entries(files)) {
      await Deno.mkdir(outer.join("root", name, ".."), { recursive: true });
      if (typeof content === "string") await Deno.writeTextFile(outer.join("root", name), content);
      else await Deno.writeFile(outer.join("root", name), content);
    }
    if (!operations) return new Served(outer, options);
    const storage = DirectoryStorage.open(outer.join("root"));
    return new Served(outer, { root: replacing(storage, operations(storage)), ...options });
  }

  get address(): Address {
    return this.server.address;
  }

  /** The local path of something in the served directory. */
  join(...names: string[]): string {
    return this.outer.join("root", ...names);
  }

  /** Connects a client. */
  connect(options: Partial<ConnectOptions> = {}): Promise<Client> {
    return connect({ ...this.address, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.outer[Symbol.asyncDispose]();
  }
}

/** The names in a local directory, sorted, hidden ones too, but not those that Ferry reserves for partial files. */
export async function namesIn(directory: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  return names.filter((name) => !name.startsWith(".ferry-")).sort();
}

/** Fails unless a local file has exactly this content. */
export async function assertFile(path: string, content: Uint8Array | string): Promise<void> {
  const wanted = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const found = await Deno.readFile(path);
  assert(sameBytes(found, wanted), `${path} has ${found.length} bytes that are not the ${wanted.length} wanted ones`);
}

/** A stream that keeps what is written to it. */
export class Collector extends WritableStream<Uint8Array> {
  readonly #parts: Uint8Array[];

  constructor() {
    const parts: Uint8Array[] = [];
    super({ write: (part) => void parts.push(part) });
    this.#parts = parts;
  }

  get bytes(): Uint8Array {
    return concat(...this.#parts);
  }
}
