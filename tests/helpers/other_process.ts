import { fromFileUrl } from "@std/path";

/** Another process that holds an upload; it is killed at the latest at the end of its scope. */
export class UploadHolder implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Starts the process and waits until it holds the upload of `path` into the directory `root`. */
  static async start(root: string, path: string): Promise<UploadHolder> {
    const [program, config] = ["./hold_upload.ts", "../../deno.json"].map((name) =>
      fromFileUrl(import.meta.resolve(name))
    );
    const args = ["run", "--allow-all", `--config=${config}`, `${program}`, root, path];
    const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
    const holder = new UploadHolder(child);
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value?.startsWith("holding")) return holder;
    await holder.kill();
    throw new Error(`the other process does not hold the upload, it says: ${value}`);
  }

  /** Ends the process without giving it a chance to tidy up. */
  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    if (!this.#child.stdin.locked) await this.#child.stdin.abort().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
