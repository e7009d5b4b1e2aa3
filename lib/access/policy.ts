import { type CommandName, COMMANDS, type Right, RIGHTS } from "../protocol/commands.ts";
import { FerryError } from "../core/errors.ts";

/** What those who know a secret may do: everything, only list and read, or only add what was not there (a drop box). */
export type Role = "full" | "read" | "upload";

/** All roles. */
export const ROLES: readonly Role[] = ["full", "read", "upload"];

const RIGHTS_OF: Record<Role, readonly Right[]> = { full: RIGHTS, read: ["read"], upload: ["add"] };

/** What a server lets nobody do. */
export interface Policy {
  /** Refuse whatever changes the directory. */
  readonly readOnly?: boolean | undefined;
  /** Refuse to list and to read, to replace and to remove. */
  readonly uploadOnly?: boolean | undefined;
  /** Never replace a file. */
  readonly noOverwrite?: boolean | undefined;
  /** Never remove or rename. */
  readonly noDelete?: boolean | undefined;
}

/** What a session of a role may do on a server with such a policy. */
export function rightsOf(role: Role, { readOnly, uploadOnly, noOverwrite, noDelete }: Policy): Right[] {
  return RIGHTS_OF[role].filter((right) =>
    !(readOnly && right !== "read" || uploadOnly && right !== "add" || noOverwrite && right === "overwrite" ||
      noDelete && right === "remove")
  );
}

const REASONS: Record<Right, string> = {
  read: "you may not list or read anything here",
  add: "you may not add anything here",
  overwrite: "you may not replace or change anything here",
  remove: "you may not remove or rename anything here",
};

/** @throws {FerryError} `Refused` when a session with these rights may not use the command. */
export function authorize(command: CommandName, rights: readonly Right[]): void {
  const need = COMMANDS[command].needs;
  if (need === undefined || rights.includes(need)) return;
  const isReader = rights.length === 1 && rights[0] === "read";
  throw new FerryError("Refused", isReader ? "you may only read here" : REASONS[need]);
}
