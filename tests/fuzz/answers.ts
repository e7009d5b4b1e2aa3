import { assert, assertEquals, assertFalse, assertLessOrEqual } from "@std/assert";
import { MESSAGES } from "../../lib/protocol/codec.ts";
import { COMMANDS, type Request } from "../../lib/protocol/commands.ts";
import { concat, sameBytes } from "../helpers/frames.ts";
import type { RawFrame } from "../helpers/raw.ts";
import type { Asked, Expected } from "./expect.ts";
import { isAnswer, type Received } from "./receive.ts";

/** A request with the answer to it, and the frames before that; none when the connection ended before. */
export interface Answered extends Asked {
  readonly answer: readonly RawFrame[];
}

/** Codes that no server sends: of the client's own, and of what must not happen. */
const NEVER_SENT: readonly string[] = ["Internal", "Unreachable", "Disconnected"];

/** What may come before the answer to a command. */
const BEFORE: Readonly<Record<string, RegExp>> = {
  dir: /^(entries )*$/,
  get: /^(ready (data )*(end )?)?$/,
  put: /^(ready ){0,2}$/,
};

/** Takes what came apart into the answers, each with the frames before it; what is left over comes last. */
function answersIn(frames: readonly RawFrame[]): { answers: RawFrame[][]; rest: RawFrame[] } {
  const answers: RawFrame[][] = [];
  let current: RawFrame[] = [];
  for (const frame of frames) {
    current.push(frame);
    if (!isAnswer(frame)) continue;
    answers.push(current);
    current = [];
  }
  return { answers, rest: current };
}

/** Whether some content holds these bytes at this offset. */
function isPartOf(contents: readonly Uint8Array[], offset: number, data: Uint8Array): boolean {
  return contents.some((content) => sameBytes(content.subarray(offset, offset + data.length), data));
}

function checkData(request: Request, frames: readonly RawFrame[], contents: readonly Uint8Array[]): void {
  if (request.command !== "get") return;
  const data = concat(...frames.filter(({ kind }) => kind === "data").map(({ payload }) => payload));
  assert(isPartOf(contents, request.offset ?? 0, data), `get ${request.path} gave bytes that are in no file`);
  const end = frames.find(({ kind }) => kind === "end");
  if (end) assertEquals(MESSAGES.end(end.value, "end").size, data.length);
}

/** Fails unless the answer is one to this request, and not to another. */
function checkAnswer({ request, body, answer }: Answered, contents: readonly Uint8Array[]): void {
  const last = answer.at(-1);
  assert(last);
  const before = answer.slice(0, -1).map(({ kind }) => `${kind} `).join("");
  assert((BEFORE[request?.command ?? ""] ?? /^$/).test(before), `${request?.command} was answered with ${before}`);
  if (request) checkData(request, answer, contents);
  assert(last.kind !== "disconnect", "the connection ended in place of an answer");
  if (last.kind === "error") {
    const { code, path } = MESSAGES.error(last.value, "error");
    assertFalse(NEVER_SENT.includes(code), JSON.stringify(last.value));
    const asked = request && "path" in request ? request.path : undefined;
    assertEquals(path, asked?.slice(0, 4096).toWellFormed());
  } else {
    assert(request, "a request that cannot be understood was answered with ok");
    COMMANDS[request.command].ok(last.value, request.command);
    if (request.command === "put") assert(body.isWhole, "a put without a whole body was answered with ok");
  }
}

/**
 * Fails unless a server has answered as it must: the hello, every request once and in order, and last, when something
 * was not allowed, one error more.
 *
 * @param contents All contents that a file may have had meanwhile.
 * @returns The requests with their answers.
 */
export function checkAnswers(
  expected: Expected,
  received: Received,
  contents: readonly Uint8Array[],
): readonly Answered[] {
  const [hello, ...frames] = received.frames;
  assertEquals(hello?.kind, "hello");
  const { answers, rest } = answersIn(frames);
  const { asked, end, greeted } = expected;
  if (greeted && answers.length > 0) {
    MESSAGES.welcome(answers.shift()?.[0]?.value, "welcome");
  }
  const isClose = ({ request }: Asked) => request?.command === "close";
  const close = asked.findIndex((each, i) => isClose(each) && answers[i]?.at(-1)?.kind === "ok");
  if (received.reset) {
    assert(end === "refused" && asked.some(isClose), "the connection was reset");
  } else if (close >= 0) {
    assertEquals(answers.length, close + 1, "something came after the answer to close");
  } else if (end === "refused") {
    assertEquals(answers.pop()?.at(-1)?.kind, "disconnect", "the end came without a reason");
    assertEquals(rest.length, 0, "something came after the last error");
  } else {
    // What waits for the rest of its body may have failed already.
    const least = asked.length - (expected.bodyIsOpen ? 1 : 0);
    assert(answers.length >= least, `${answers.length} answers to ${asked.length} requests`);
  }
  assertLessOrEqual(answers.length, asked.length);
  const answered = asked.map((each, i): Answered => ({ ...each, answer: answers[i] ?? [] }));
  for (const each of answered.slice(0, answers.length)) checkAnswer(each, contents);
  return answered;
}
