import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { valueOf } from "./environment.ts";
import { onSignal } from "./signals.ts";

/** How much may be typed or pasted ahead, in UTF-16 code units. The rest waits in the terminal. */
const MAX_AHEAD = 1024 * 1024;

/** How much is read at once while what is typed ahead is read, too, in bytes. */
const READ_BYTES = 64 * 1024;

/**
 * How long what was read waits for a Ctrl-C that was typed before it, in ms. The terminal sends both on different ways;
 * a command that was given up must not get more words, and an end.
 */
const SIGNAL_MS = 5;

/** The keys of signals, where the terminal does not send them itself. */
const [CTRL_C, CTRL_Z] = ["\x03", "\x1a"];

/** The keys after which a reader may hold back what follows: Tab and the ends of a line. */
const MAY_HOLD = /\r\n|[\t\n\r]/;

/** No keyboard has them. Pasted, they could command the terminal, to which `node:readline` would write them. */
// deno-lint-ignore no-control-regex
const UNTYPABLE = /[\x1c-\x1e\x80-\x9f]/g;

/** The signals that end the process, with their numbers. */
const ENDING = { SIGHUP: 1, SIGQUIT: 3, SIGTERM: 15 } as const;

/** What a reader does apart from reading. */
export interface KeyHandlers {
  /** Called for Ctrl-C, after what was typed ahead was dropped. */
  interrupted(): void;
  /** Called when the process goes on after it was stopped. */
  resumed?(): void;
  /** Called when Ctrl-Z cannot stop the process. */
  unstoppable?(): void;
  /** Called when there is no terminal any more. */
  ended(): void;
}

/** What one reader gets from the keyboard: the input of an interface of `node:readline`. */
export class Keys extends Readable {
  readonly handlers: KeyHandlers;
  /** Whether what is typed while the reader holds is read, too. Otherwise it stays in the terminal, for others. */
  readonly readsAhead: boolean;
  #ahead = "";
  #holds = true;

  constructor(handlers: KeyHandlers, { readsAhead = false } = {}) {
    super();
    this.handlers = handlers;
    this.readsAhead = readsAhead;
  }

  override _read(): void {}

  /** Whether more can be read for it. */
  get wantsMore(): boolean {
    return !this.#holds || (this.readsAhead && this.#ahead.length < MAX_AHEAD);
  }

  /** Lets through what was typed, until `hold` is called. */
  listen(): void {
    this.#holds = false;
    this.add("");
    keyboard.read();
  }

  /** Keeps what is typed from now on. May be called while the reader gets a key. */
  hold(): void {
    this.#holds = true;
  }

  /** Adds what was typed. */
  add(text: string): void {
    this.#ahead += text;
    while (!this.#holds && this.#ahead !== "") {
      const found = MAY_HOLD.exec(this.#ahead);
      const piece = found ? this.#ahead.slice(0, found.index + found[0].length) : this.#ahead;
      this.#ahead = this.#ahead.slice(piece.length);
      // Not `push`, after which the reader could get the next piece before it has seen this one.
      this.emit("data", new TextEncoder().encode(piece));
    }
  }

  /** Takes away what was typed ahead. */
  takeAhead(): string {
    const ahead = this.#ahead;
    this.#ahead = "";
    return ahead;
  }
}

/** The keyboard of the terminal, read key by key and without echo. The last of its readers gets the keys. */
class Keyboard {
  readonly #readers: Keys[] = [];
  readonly #decoder = new TextDecoder();
  #isReading = false;
  #interrupts = 0;
  #removeListeners: (() => void)[] = [];

  /**
   * Gives the keyboard to a reader, until it is released. What was typed ahead for the reader before stays for that one: no
   * question is answered by what was typed before it was asked.
   */
  take(keys: Keys): void {
    this.#readers.push(keys);
    if (this.#readers.length === 1) this.#open();
  }

  /** Gives the keyboard back to the reader before, if there is one; otherwise the terminal is as it was. */
  release(keys: Keys): void {
    if (!this.#readers.includes(keys)) return;
    this.#readers.splice(this.#readers.indexOf(keys), 1);
    this.#readers.at(-1)?.add(keys.takeAhead());
    if (this.#readers.length === 0) this.#close();
  }

  /** Reads for as long as there is a reader who wants more. */
  read(): void {
    if (!this.#isReading) void this.#read();
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    this.#isReading = true;
    const buffer = new Uint8Array(READ_BYTES);
    for (let keys = this.#readers.at(-1); keys?.wantsMore; keys = this.#readers.at(-1)) {
      // The terminal may be gone.
      const length = await Deno.stdin.read(keys.readsAhead ? buffer : buffer.subarray(0, 1)).catch(() => null);
      if (length === null) {
        for (const { handlers } of [...this.#readers]) handlers.ended();
        break;
      }
      const text = this.#decoder.decode(buffer.subarray(0, length), { stream: true });
      const interrupts = this.#interrupts;
      if (keys.readsAhead) await delay(SIGNAL_MS);
      if (interrupts === this.#interrupts) this.#type(text);
    }
    this.#isReading = false;
  }

  #type(text: string): void {
    const afterInterrupt = text.lastIndexOf(CTRL_C) + 1;
    if (afterInterrupt > 0) this.#interrupt();
    const keys = this.#readers.at(-1);
    if (text.includes(CTRL_Z)) keys?.handlers.unstoppable?.();
    keys?.add(text.slice(afterInterrupt).replaceAll(CTRL_Z, "").replace(UNTYPABLE, ""));
  }

  #interrupt(): void {
    this.#interrupts++;
    for (const keys of this.#readers) keys.takeAhead();
    this.#readers.at(-1)?.handlers.interrupted();
  }

  #open(): void {
    this.#setRaw(true);
    // As an uncaught signal ends it, but Deno leaves the terminal as it was.
    const ending = Object.entries(ENDING).map(([signal, number]) =>
      onSignal(signal as keyof typeof ENDING, () => Deno.exit(128 + number))
    );
    const resume = () => {
      // The shell has set its own mode meanwhile.
      this.#setRaw(true);
      this.#readers.at(-1)?.handlers.resumed?.();
    };
    this.#removeListeners = [...ending, onSignal("SIGINT", () => this.#interrupt()), onSignal("SIGCONT", resume)];
  }

  #close(): void {
    for (const remove of this.#removeListeners) remove();
    this.#setRaw(false);
  }

  /**
   * Lets the terminal send its signals, so that Ctrl-Z works, unless Deno cannot have that (on Windows) or runs under
   * `deno task`, which INIT_CWD tells. There Ctrl-Z would stop this process, but not the one that the user's shell waits
   * for, and nobody could use the terminal any more.
   */
  #setRaw(isRaw: boolean): void {
    const cbreak = Deno.build.os !== "windows" && valueOf("INIT_CWD") === undefined;
    try {
      Deno.stdin.setRaw(isRaw, { cbreak });
    } catch {
      // The terminal is gone.
    }
  }
}

/** The keyboard of this process. */
export const keyboard: Keyboard = new Keyboard();
