/** Appends lines to a file all the time, in a thread of its own, until the end of the scope. */
export class Appender implements AsyncDisposable {
  readonly #worker = new Worker(import.meta.resolve("./append_worker.ts"), { type: "module" });

  /** Starts and waits for the first line. */
  static async to(path: string): Promise<Appender> {
    const appender = new Appender();
    await appender.#ask(path);
    return appender;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask("stop");
    this.#worker.terminate();
  }

  /** Says something; resolves with the answer. */
  #ask(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = () => resolve();
      this.#worker.onerror = (event) => reject(new Error(event.message));
      this.#worker.postMessage(text);
    });
  }
}
