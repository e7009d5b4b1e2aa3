import type { ErrorCode } from "../../core/errors.ts";

/** Exit codes of the client and the server. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  notFound: 5,
  corrupt: 6,
  /** 128 + SIGPIPE, as `ls | head` has it: nobody reads the output any more. */
  unread: 141,
  /** 128 + SIGINT, as in shells. */
  interrupted: 130,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  Unreachable: Exit.unreachable,
  Disconnected: Exit.unreachable,
  Refused: Exit.refused,
  Unauthorized: Exit.refused,
  Kicked: Exit.refused,
  NotFound: Exit.notFound,
  Corrupt: Exit.corrupt,
  Cancelled: Exit.interrupted,
};

/** The exit code for a failure. */
export function exitCode(code: ErrorCode): number {
  return BY_CODE[code] ?? Exit.failed;
}
