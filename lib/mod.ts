/**
 * Ferry as a library: serve a directory, or talk to a server.
 *
 * @module
 */
export { type Client, connect, type ConnectOptions } from "./client/client.ts";
export { Link, type LinkOptions } from "./client/link.ts";
export type { CommandOptions, PutOptions, TransferOptions } from "./client/options.ts";
export { serve, type ServeOptions } from "./server/server.ts";
export { Secret } from "./net/secret.ts";
export type { Policy, Role } from "./server/policy.ts";
export type { FerryServer } from "./server/server.ts";
export type { ServerEvent } from "./server/events.ts";
export { ERROR_CODES, type ErrorCode, FerryError } from "./protocol/errors.ts";
export type { Entry, FileFacts, Receipt, Storage } from "./storage/storage.ts";
