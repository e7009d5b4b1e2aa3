/**
 * Ferry as a library: serve a directory or another storage, talk to a server, and copy between any two storages.
 *
 * @module
 */
export { type Client, connect, type ConnectOptions } from "./client/client.ts";
export type { CommandOptions, PutOptions, TransferOptions } from "./client/command_options.ts";
export type { ServerOptions } from "./client/connect.ts";
export { ConnectionPool } from "./client/connection_pool.ts";
export type { PoolOptions } from "./client/pool_connections.ts";
export { RemoteStorage } from "./client/remote_storage.ts";

export { type FerryServer, serve, type ServeOptions } from "./server/server.ts";
export type { CloseEvent, CommandEvent, LoginEvent, ServerEvent, SessionEvent, WarningEvent } from "./access/events.ts";
export { DEFAULT_LIMITS, type Limits } from "./access/limits.ts";
export type { OperationRecord } from "./access/operation.ts";
export type { Policy, Role } from "./access/policy.ts";

export { createIdentity } from "./auth/certificate.ts";
export { Secret } from "./auth/secret.ts";
export { decodeTicket, encodeTicket, isTicket, type Ticket } from "./auth/ticket.ts";
export { RateLimit } from "./transport/rate_limit.ts";
export { type Identity, keyHashOf } from "./transport/tls.ts";

export { copyContent } from "./transfer/content.ts";
export type { Copied } from "./transfer/content_steps.ts";
export type { ContentOptions, Known } from "./transfer/content_options.ts";
export { copyFile, type CopyOptions, type Outcome } from "./transfer/copy.ts";
export { type DeletionOptions, removeExtra } from "./transfer/deletion.ts";
export { Filter, type FilterRule } from "./transfer/filter.ts";
export { listAgain } from "./transfer/listing.ts";
export { localSource, localTarget } from "./transfer/local.ts";
export type { Place, Verb } from "./transfer/place.ts";
export { type Attempts, Retry, type RetryOptions } from "./transfer/retry.ts";
export { readToStream, type StoreOptions, storeStream, type StreamOptions } from "./transfer/streams.ts";
export { copyTree, type PlannedAction, type TreeOptions, type TreeProgress } from "./transfer/tree.ts";
export type { DirectoryMetadata } from "./transfer/tree_directories.ts";

export { DirectoryStorage } from "./storage/directory/directory_storage.ts";
export type {
  BlockOptions,
  ByteSink,
  DepthOptions,
  Fill,
  Kept,
  MetadataChange,
  MkdirOptions,
  OfferOptions,
  OperationOptions,
  Reader,
  ReadOptions,
  RecursiveOptions,
  Storage,
  Upload,
  UploadOptions,
  UploadPart,
} from "./storage/storage.ts";

export type { BlockSums } from "./core/block_sums.ts";
export { ERROR_CODES, type ErrorCode, FerryError } from "./core/errors.ts";
export { compareUtf8, listingKey } from "./core/listing_order.ts";
export type { Digest, Entry, FileMetadata, Receipt, Space } from "./core/metadata.ts";
export { parseRemotePath, type RemotePath, ROOT } from "./core/remote_path.ts";
export type { Notice, Welcome } from "./protocol/codec.ts";
export { type Right, RIGHTS } from "./protocol/commands.ts";
