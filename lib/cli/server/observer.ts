import type { CommandEvent, LoginEvent, ServerEvent } from "../../access/events.ts";
import { auditLine, AuditLog, isChange } from "./audit.ts";
import { isTrouble, type LoggedEvent, logLine } from "./event_lines.ts";
import { LineQuota } from "./line_quota.ts";
import type { LineQueue } from "../terminal/line_queue.ts";
import type { ServerArguments } from "./server_arguments.ts";

/** Writes a server's events to the log and the audit log. */
export class Observer implements Disposable {
  readonly #options: Pick<ServerArguments, "json" | "quiet" | "policy">;
  readonly #log: LineQueue;
  readonly #audit: AuditLog | undefined;
  readonly #logQuota: LineQuota;
  readonly #auditQuota: LineQuota;
  /** The open sessions whose beginning is in the log. */
  readonly #begun = new Set<number>();

  /** Opens the audit log, if the options name one. @throws {FerryError} If it cannot be opened. */
  constructor(options: Pick<ServerArguments, "json" | "quiet" | "policy" | "audit">, log: LineQueue) {
    this.#options = options;
    this.#log = log;
    this.#audit = options.audit === undefined ? undefined : new AuditLog(options.audit);
    const leftOut = (network: string, lines: number, json: boolean) =>
      logLine({ event: "leftOut", network, lines }, json);
    this.#logQuota = new LineQuota((network, lines) => log.line(leftOut(network, lines, options.json)));
    this.#auditQuota = new LineQuota((network, lines) => this.#record(leftOut(network, lines, true)));
  }

  /** Handles an event of the server. */
  readonly onEvent = (event: ServerEvent): void => {
    if (event.event === "login" || event.event === "command") this.#auditEvent(event);
    if (event.event === "login") return;
    if (!this.#options.quiet || isTrouble(event)) this.#logEvent(event);
  };

  /** Reopens the audit log after it was moved away. */
  reopen(): void {
    this.#warn(this.#audit?.reopen());
  }

  /** Writes how many lines were dropped recently. */
  [Symbol.dispose](): void {
    this.#auditQuota[Symbol.dispose]();
    this.#logQuota[Symbol.dispose]();
  }

  #logEvent(event: LoggedEvent): void {
    const compose = () => logLine(event, this.#options.json);
    // If the log shows that a session began, it must show its end.
    const mustBeKept = event.event === "close" && this.#begun.delete(event.session);
    // Lines without a peer are rare.
    const line = event.peer === undefined ? compose() : this.#logQuota.take(event.peer, compose, mustBeKept);
    if (line === undefined) return;
    this.#log.line(line);
    if (event.event === "open") this.#begun.add(event.session);
  }

  #auditEvent(event: CommandEvent | LoginEvent): void {
    if (!this.#audit) return;
    const mustBeKept = event.event === "command" && isChange(event, this.#options.policy);
    const line = this.#auditQuota.take(event.peer, () => auditLine(event), mustBeKept);
    if (line !== undefined) this.#record(line);
  }

  #record(line: string): void {
    this.#warn(this.#audit?.write(line));
  }

  #warn(message: string | undefined): void {
    if (message !== undefined) this.#log.line(logLine({ event: "warning", message }, this.#options.json));
  }
}
