import { setTimeout as delay } from "node:timers/promises";
import { formatAddress, networkOf } from "../transport/address.ts";
import { certificateDer, type Identity } from "../transport/tls.ts";
import { type ByteConn, closeQuietly, Connection } from "../transport/connection.ts";
import { RateLimit } from "../transport/rate_limit.ts";
import { announceTls } from "../auth/handshake.ts";
import { Secret } from "../auth/secret.ts";
import { type Secure, secureServer } from "../transport/tls_server.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { DEFAULT_PORT } from "../protocol/constants.ts";
import { DirectoryStorage } from "../storage/directory/directory_storage.ts";
import { ROOT } from "../core/remote_path.ts";
import type { Storage } from "../storage/storage.ts";
import { acceptAll, listen, reasonOf } from "./accept.ts";
import { ConnectionLimiter } from "./connection_limiter.ts";
import type { ServerEvent } from "../access/events.ts";
import { DEFAULT_LIMITS, EVICTION_LINGER_MS, type Limits } from "../access/limits.ts";
import { type Policy, type Role, ROLES } from "../access/policy.ts";
import { Session, type SessionOptions } from "./session.ts";
import { type WaitingLogin, WaitingLogins } from "./waiting_logins.ts";

/** How to serve. */
export interface ServeOptions extends Policy {
  /** The directory to serve, or another storage. */
  readonly root: string | Storage;
  /** Called once the port is open, before the directory is, which may be made by it. What it throws ends the server. */
  readonly onListening?: ((port: number) => void) | undefined;
  /** The address to listen on; `127.0.0.1` when absent. */
  readonly hostname?: string | undefined;
  /** The port to listen on; 7878 when absent, any free one for 0. */
  readonly port?: number | undefined;
  /** Whether every upload is synced to the disk, also when the client does not ask for it. */
  readonly durable?: boolean | undefined;
  /** Certificate and key for TLS; plain TCP when absent. */
  readonly identity?: Identity | undefined;
  /** What clients must know to do everything, or a secret for each role; everybody may do everything when absent. */
  readonly secret?: Secret | Partial<Record<Role, Secret>> | undefined;
  /** How much clients may use, where it is not the default. */
  readonly limits?: Partial<Limits> | undefined;
  /** Told of connections, commands and trouble. Must not throw. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
}

/** How long `say` waits for clients that do not read, in ms. */
const SAY_PATIENCE_MS = 2_000;

/** How often deadlines are checked, in ms. */
const DEADLINE_CHECK_MS = 1_000;

/** How often partial files that were given up are looked for, in ms: once a day. */
const SWEEP_INTERVAL_MS = 24 * 3600 * 1000;

/** How long transfers may take to finish after `shutdown` by default, in ms. */
export const SHUTDOWN_GRACE_MS = 10_000;

/** A running server. */
export class FerryServer implements AsyncDisposable {
  /** Where it listens; the port is the real one. */
  readonly address: { readonly hostname: string; readonly port: number };
  readonly #listener: Deno.TcpListener;
  readonly #sessions = new Map<Session, Promise<void>>();
  readonly #options: SessionOptions;
  readonly #accepting: Promise<void>;
  readonly #secure: Secure | undefined;
  /** Aborts the TLS handshakes that are under way. */
  readonly #handshakes = new Map<AbortController, Promise<void>>();
  readonly #waitingLogins: WaitingLogins;
  readonly #rate: RateLimit | undefined;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  #sweeping: Promise<void>;
  #lastId = 0;
  #shutdown: Promise<void> | undefined;
  /** Aborted when the server begins to shut down. */
  readonly #ending = new AbortController();
  readonly #deadline = new AbortController();

  /** Use {@linkcode serve}. */
  constructor(listener: Deno.TcpListener, storage: Storage, options: ServeOptions, secure: Secure | undefined) {
    const { hostname, port } = listener.addr;
    this.address = { hostname, port };
    this.#listener = listener;
    this.#secure = secure;
    const { durable = false, identity, onEvent = () => {} } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const secrets = secretsOf(options.secret);
    const certificate = identity && certificateDer(identity.certificate);
    this.#rate = rateLimit(limits.bytesPerSecond);
    this.#waitingLogins = new WaitingLogins(limits.unauthenticated);
    this.#options = {
      storage,
      policy: options,
      limits,
      connections: new ConnectionLimiter(limits),
      durable,
      onEvent,
      credentials: { secrets: secrets.map(({ secret }) => secret), certificate },
      roles: secrets.map(({ role }) => role),
      shared: new Map(),
    };
    const checkDeadlines = () => this.sessions.forEach((session) => session.checkDeadlines(performance.now()));
    this.#sweeping = this.#sweep();
    this.#timers = [
      setInterval(checkDeadlines, DEADLINE_CHECK_MS),
      setInterval(() => this.#sweeping = this.#sweep(), SWEEP_INTERVAL_MS),
    ];
    const warn = (message: string) => onEvent({ event: "warning", message });
    this.#accepting = acceptAll(listener, (conn) => this.#open(conn), warn);
  }

  /**
   * The sessions that are open now.
   *
   * @ignore
   */
  get sessions(): readonly Session[] {
    return [...this.#sessions.keys()];
  }

  /**
   * Sends a line to every client.
   *
   * @returns How many have taken it, and how many had not read anything two seconds later; they may yet.
   */
  async say(text: string): Promise<{ taken: number; missed: number }> {
    const began = performance.now();
    const late = new AbortController();
    const deadline = delay(SAY_PATIENCE_MS, undefined, { signal: late.signal }).catch(() => {});
    const sessions = this.sessions.filter(({ role }) => role !== undefined);
    // A client that is reading an answer gets to the line in time.
    const isTaken = (session: Session) =>
      Promise.race([session.notify(text), deadline.then(() => session.progressAt > began)]);
    const answers = await Promise.all(sessions.map(isTaken));
    late.abort();
    const taken = answers.filter((answer) => answer).length;
    return { taken, missed: answers.length - taken };
  }

  /**
   * Ends a session because the operator wants it to; its client is told so, and does not go on by itself.
   *
   * @param session Its number.
   * @param why What the person at the other end is told besides.
   * @returns Whether there was one.
   */
  kick(session: number, why?: string): boolean {
    const found = this.sessions.find(({ id }) => id === session);
    const message = "the server's operator has ended the session";
    found?.refuse(new FerryError("Kicked", why ? `${message}: ${why}` : message));
    return found !== undefined;
  }

  /**
   * Stops accepting, tells the clients, lets commands that are under way finish, and ends all sessions.
   *
   * @param graceMs How long they may take, in ms, before their connections are closed.
   */
  shutdown(graceMs = SHUTDOWN_GRACE_MS): Promise<void> {
    return this.#shutdown ??= this.#stop(graceMs);
  }

  /** Ends everything at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.shutdown(0);
    this.#deadline.abort();
    await stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#ending.abort();
    this.#listener.close();
    await this.#accepting;
    const stopping = new FerryError("ShuttingDown", "the server is shutting down");
    for (const ending of this.#handshakes.keys()) ending.abort(stopping);
    await Promise.all(this.#handshakes.values());
    for (const session of this.sessions) {
      // Not awaited: a client that does not read must not hold up the others; the deadline below ends it.
      void session.notify("the server is shutting down", "shutdown").then(() => session.shutdown());
    }
    const late = delay(graceMs, "late", { signal: this.#deadline.signal }).catch(() => "stopped");
    await Promise.race([late, Promise.all(this.#sessions.values())]);
    this.#deadline.abort();
    for (const session of this.sessions) session.close("the server was stopped");
    await Promise.all(this.#sessions.values());
    this.#timers.forEach(clearInterval);
    await this.#sweeping;
  }

  #open(conn: Deno.TcpConn): void {
    try {
      conn.setNoDelay(true);
      conn.setKeepAlive(true);
    } catch {
      // The peer is gone already; the session will find out.
    }
    const id = ++this.#lastId;
    const ending = new AbortController();
    const login = { network: networkOf(conn.remoteAddr.hostname), end: (reason: FerryError) => ending.abort(reason) };
    this.#waitingLogins.add(login);
    if (this.#secure) this.#handshakes.set(ending, this.#encrypt(id, conn, this.#secure, login, ending));
    else this.#begin(id, conn, login);
  }

  async #encrypt(
    id: number,
    conn: Deno.TcpConn,
    secure: Secure,
    login: WaitingLogin,
    ending: AbortController,
  ): Promise<void> {
    const { limits: { helloMs }, credentials: { certificate } } = this.#options;
    const late = new FerryError("Timeout", `not within ${helloMs / 1000} s`);
    const deadline = setTimeout(() => ending.abort(late), helloMs);
    try {
      if (certificate) await announceTls(new Connection(conn), certificate);
      this.#begin(id, await secure(conn, ending.signal), login);
    } catch (error) {
      closeQuietly(conn);
      this.#waitingLogins.delete(login);
      const peer = formatAddress(conn.remoteAddr);
      const message = `${peer} did not complete the encryption: ${toFerryError(error).message}`;
      this.#options.onEvent({ event: "warning", session: id, peer, message });
    } finally {
      clearTimeout(deadline);
      this.#handshakes.delete(ending);
    }
  }

  #begin(id: number, conn: ByteConn, login: WaitingLogin): void {
    const own = rateLimit(this.#options.limits.connectionBytesPerSecond);
    const rates = [this.#rate, own].filter((limit) => limit !== undefined);
    const session = new Session(id, new Connection(conn, rates), this.#options);
    login.end = (reason) => session.refuse(reason, EVICTION_LINGER_MS);
    const onGreeted = () => this.#waitingLogins.delete(login);
    const running = session.run(onGreeted).finally(() => {
      onGreeted();
      this.#sessions.delete(session);
    });
    this.#sessions.set(session, running);
  }

  /** Removes what clients have left that never came back. */
  async #sweep(): Promise<void> {
    try {
      await this.#options.storage.sweep?.(ROOT, { recursive: true, signal: this.#ending.signal });
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#options.onEvent({ event: "warning", message: `Cannot clean up: ${reasonOf(error)}` });
    }
  }
}

function rateLimit(bytesPerSecond: number): RateLimit | undefined {
  return bytesPerSecond === Infinity ? undefined : new RateLimit(bytesPerSecond);
}

function secretsOf(given: ServeOptions["secret"]): { role: Role; secret: Secret }[] {
  const secrets = given instanceof Secret ? { full: given } : given ?? {};
  return ROLES.flatMap((role) => secrets[role] ? [{ role, secret: secrets[role] }] : []);
}

/**
 * Serves a directory until `shutdown` is called.
 *
 * @throws {FerryError} `NotFound`, `NotADirectory` or `Refused` for the directory; `Unreachable` when the address
 * cannot be listened on; `BadRequest` when certificate and key are damaged or do not belong together.
 *
 * @example
 * ```ts
 * import { connect, serve } from "../mod.ts";
 *
 * const root = await Deno.makeTempDir();
 * await using server = serve({ root, port: 0 });
 * await using client = await connect(server.address);
 * await client.mkdir("reports");
 * ```
 */
export function serve(options: ServeOptions): FerryServer {
  const { hostname = "127.0.0.1", port = DEFAULT_PORT } = options;
  const secure = options.identity && secureServer(options.identity);
  const listener = listen(hostname, port);
  try {
    options.onListening?.(listener.addr.port);
    const { root } = options;
    const storage = typeof root === "string" ? DirectoryStorage.open(root) : root;
    return new FerryServer(listener, storage, options, secure);
  } catch (error) {
    listener.close();
    throw error;
  }
}
