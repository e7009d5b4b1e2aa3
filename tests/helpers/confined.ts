import { type TempDir, tempDir } from "./temp.ts";

/** Runs a program; gives its exit code and all it wrote, or undefined when there is no such program. */
export async function ran(
  program: string,
  args: readonly string[],
): Promise<{ code: number; text: string } | undefined> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
    return { code, text: [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("") };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The first of these ways to run a command that works for `check`; says why the tests are skipped when none does. */
async function firstThatWorks(
  what: string,
  ways: readonly (readonly string[])[],
  check: readonly string[],
): Promise<readonly string[] | undefined> {
  const reasons: string[] = [];
  for (const way of Deno.build.os === "linux" ? ways : []) {
    const [program = "", ...args] = [...way, ...check];
    const result = await ran(program, args);
    if (result?.code === 0) return way;
    reasons.push(result ? result.text.trim() : `there is no ${program}`);
  }
  console.log(`Tests that need ${what} are skipped: ${reasons.join("; ") || `not on ${Deno.build.os}`}.`);
  return undefined;
}

/** How to run a command that may mount file systems which nobody else sees and which end with it. */
export async function mounting(): Promise<readonly string[] | undefined> {
  await using dir: TempDir = await tempDir();
  const check = ["sh", "-c", 'mount -t tmpfs tmpfs "$0" && mount -o remount,ro "$0"', dir.path];
  return await firstThatWorks("a small disk", [["unshare", "-m"], ["unshare", "-rm"]], check);
}

/** How to run a command that the permissions of files hold for: as it is, unless this is root. */
export async function unprivileged(): Promise<readonly string[] | undefined> {
  await using dir: TempDir = await tempDir();
  await Deno.writeTextFile(dir.join("f"), "x", { mode: 0o000 });
  const check = ["sh", "-c", '! cat "$0" 2> /dev/null', dir.join("f")];
  const ways = [["env"], ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]];
  return await firstThatWorks("permissions that hold", ways, check);
}

/** How to run a command under a limit of the shell, as in `ulimit -n 64`. */
export function limited(limit: string): readonly string[] {
  return ["sh", "-c", `ulimit ${limit} && exec "$0" "$@"`];
}
