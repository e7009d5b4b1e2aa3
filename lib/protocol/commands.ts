import { BLOCK_FIELDS } from "./block_fields.ts";
import type { FileMetadata, Receipt, Space } from "../core/metadata.ts";
import { count, type Fields, type FieldsOf, flag, object, oneOf, optional, permissions, text, time } from "./checks.ts";

const METADATA = {
  kind: oneOf("file", "directory"),
  size: count,
  mtimeMs: time,
  mode: optional(permissions),
  link: optional(flag),
  version: text,
} satisfies FieldsOf<FileMetadata>;

const RECEIPT = { path: text, size: count, mtimeMs: time, version: text, durable: flag } satisfies FieldsOf<Receipt>;

const SPACE = { free: count, total: count } satisfies FieldsOf<Space>;

/**
 * What a session can be allowed to do: list and read, add files and directories, replace files, remove and rename.
 */
export const RIGHTS = ["read", "add", "overwrite", "remove"] as const;

/** One of {@linkcode RIGHTS}. */
export type Right = typeof RIGHTS[number];

interface Definition<Request extends Fields, Ok extends Fields> {
  /** The fields of the request besides `command`. */
  readonly fields: Request;
  /** The fields of the `ok` reply. */
  readonly ok: Ok;
  /** What the session must be allowed to do; nothing in particular when absent. */
  readonly needs?: Right;
  /** Whether a body of data frames follows the request. */
  readonly body?: true;
  /** Whether it changes what the server holds, so that it matters whether it was carried out. */
  readonly changes?: true;
  /** One line for people. */
  readonly summary: string;
  /** What could not be done when it fails: `Cannot VERB "name"`; the command's name when absent. */
  readonly verb?: string;
}

/** @returns The definition, with the checks of the fields of a request, and of the payload of its `ok`. */
function command<R extends Fields, O extends Fields>(definition: Definition<R, O>) {
  return { ...definition, request: object(definition.fields), ok: object(definition.ok) };
}

/** The commands of the protocol. Dispatch, policy, help, completion and documentation derive from this table. */
export const COMMANDS = {
  dir: command({
    fields: { path: optional(text), recursive: optional(flag) },
    ok: { entries: count },
    needs: "read",
    summary: "list a directory",
    verb: "list",
  }),
  stat: command({
    fields: { path: optional(text) },
    ok: METADATA,
    needs: "read",
    summary: "show kind, size, time and permission bits of a file or directory",
  }),
  get: command({
    fields: { path: text, offset: optional(count), length: optional(count), ifVersion: optional(text) },
    ok: {},
    needs: "read",
    summary: "download a file",
  }),
  put: command({
    fields: {
      path: text,
      size: optional(count),
      mtimeMs: optional(time),
      mode: optional(permissions),
      overwrite: optional(flag),
      durable: optional(flag),
      shared: optional(flag),
      offset: optional(count),
      kept: optional(text),
    },
    ok: RECEIPT,
    needs: "add",
    body: true,
    changes: true,
    summary: "upload a file",
  }),
  offer: command({
    fields: { path: text, size: optional(count), overwrite: optional(flag) },
    ok: { ...BLOCK_FIELDS, kept: text },
    needs: "add",
    summary: "ask whether a file may be uploaded, and what is kept of an earlier attempt",
    verb: "put",
  }),
  part: command({
    fields: { upload: text, offset: count },
    ok: { size: count },
    needs: "add",
    body: true,
    changes: true,
    summary: "send a part of a file whose upload another connection has begun",
    verb: "put",
  }),
  sum: command({
    fields: { path: text },
    ok: { sha256: text, size: count, version: text },
    needs: "read",
    summary: "show the SHA-256 of a file's content",
  }),
  blocks: command({
    fields: { path: text, length: count, blockSize: optional(count) },
    ok: { ...BLOCK_FIELDS, size: count, mtimeMs: time, version: text },
    needs: "read",
    summary: "give the SHA-256 of each block of the beginning of a file",
    verb: "get",
  }),
  mkdir: command({
    fields: { path: text, parents: optional(flag), mode: optional(permissions) },
    ok: {},
    needs: "add",
    changes: true,
    summary: "make a directory",
  }),
  set: command({
    fields: { path: text, mtimeMs: optional(time), mode: optional(permissions) },
    ok: {},
    needs: "overwrite",
    changes: true,
    summary: "set the time and the permission bits of a file or directory",
    verb: "change",
  }),
  rename: command({
    fields: { path: text, to: text },
    ok: {},
    needs: "remove",
    changes: true,
    summary: "rename or move a file or directory",
  }),
  remove: command({
    fields: { path: text, recursive: optional(flag) },
    ok: {},
    needs: "remove",
    changes: true,
    summary: "remove a file or an empty directory",
  }),
  df: command({
    fields: {},
    ok: SPACE,
    needs: "read",
    summary: "show how much space is left on the server",
    verb: "tell the free space",
  }),
  say: command({
    fields: { text },
    ok: {},
    summary: "send a line to the operator of the server",
  }),
  close: command({
    fields: {},
    ok: {},
    summary: "end the session",
  }),
};

/** The name of a command. */
export type CommandName = keyof typeof COMMANDS;

/** The request of command `N`, as it travels. */
export type RequestOf<N extends CommandName> = { command: N } & ReturnType<typeof COMMANDS[N]["request"]>;

/** Any request. */
export type Request = { [N in CommandName]: RequestOf<N> }[CommandName];

/** The payload of the `ok` frame that answers command `N`. */
export type OkOf<N extends CommandName> = ReturnType<typeof COMMANDS[N]["ok"]>;

/** Whether `name` is a command of this version. */
export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

/** What could not be done when command `name` fails. */
export function verbOf(name: CommandName): string {
  return COMMANDS[name].verb ?? name;
}
