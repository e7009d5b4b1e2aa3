/**
 * Ferry as a library: serve a directory, or talk to a server.
 *
 * @module
 */
export { type Client, connect, type ConnectOptions } from "./client/client.ts";
export { ConnectionPool, type PoolOptions } from "./client/connection_pool.ts";
export { RemoteStorage } from "./client/remote_storage.ts";
export type { CommandOptions, PutOptions, TransferOptions } from "./client/command_options.ts";
export { serve, type ServeOptions } from "./server/server.ts";
export { Secret } from "./auth/secret.ts";
export type { Policy, Role } from "./access/policy.ts";
export type { FerryServer } from "./server/server.ts";
export type { ServerEvent } from "./access/events.ts";
export { ERROR_CODES, type ErrorCode, FerryError } from "./core/errors.ts";
export type { Entry, FileMetadata, Receipt } from "./core/metadata.ts";
export type { Storage } from "./storage/storage.ts";
export { copyContent } from "./transfer/content.ts";
export { copyFile } from "./transfer/copy.ts";
export { listAgain } from "./transfer/listing.ts";
export { localSource, localTarget } from "./transfer/local.ts";
export { Retry } from "./transfer/retry.ts";
export { readToStream, storeStream } from "./transfer/streams.ts";
export { copyTree } from "./transfer/tree.ts";
