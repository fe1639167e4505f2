/** Calls into a worker thread: one method, some arguments, one answer. SQLite blocks, and must not block the loop. */

import { Worker } from "node:worker_threads";
import { TocsinError } from "../../lib/errors.ts";

export interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string | undefined; readonly message: string };

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #onDeath: ((reason: string) => void) | undefined;
  #next = 0;
  #closing = false;
  #gone: Error | undefined;

  /** Starts the worker's file (`./name.ts` here, `./name.js` once built) with what it needs to open its database. */
  constructor(
    name: "stateWorker" | "metricsWorker",
    workerData: unknown,
    onDeath: ((reason: string) => void) | undefined = undefined,
  ) {
    this.#onDeath = onDeath;
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#worker = new Worker(new URL(`./${name}.${extension}`, import.meta.url), { workerData });
    this.#worker.on("message", (reply: Reply) => this.#answer(reply));
    this.#worker.on("error", (error) => this.#fail(error as Error));
    this.#worker.on("exit", () => this.#fail(new Error("the storage worker has ended")));
  }

  call(method: string, ...args: unknown[]): Promise<unknown> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args } satisfies Call);
    });
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    this.#closing = true;
    try {
      await this.call("close");
    } finally {
      await this.#worker.terminate();
    }
  }

  #answer(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.ok) pending?.resolve(reply.value);
    else
      pending?.reject(reply.code === undefined ? new Error(reply.message) : new TocsinError(reply.code, reply.message));
  }

  #fail(error: Error): void {
    if (!this.#gone && !this.#closing) this.#onDeath?.(error.message);
    this.#gone ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

/** Writes in groups: at once when nothing is under way, else all that came meanwhile as the next group. */
export class GroupWriter<T> {
  readonly #write: (items: readonly T[]) => Promise<readonly (string | null)[]>;
  readonly #isOrdered: boolean;
  #queue: { item: T; resolve: () => void; reject: (error: Error) => void }[] = [];
  #writing = false;

  /**
   * `write` answers with an error's text, or null, for each item. `isOrdered`: nothing is written before what came
   * earlier, so that what waits behind a failure fails with it.
   */
  constructor(write: (items: readonly T[]) => Promise<readonly (string | null)[]>, isOrdered = false) {
    this.#write = write;
    this.#isOrdered = isOrdered;
  }

  /** Resolves when the item is written. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      if (!this.#writing) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    // Items added in the same turn go with the first group.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0);
      let failed: Error | undefined;
      try {
        const errors = await this.#write(group.map(({ item }) => item));
        group.forEach(({ resolve, reject }, at) => {
          const error = errors[at];
          if (error === null || error === undefined) resolve();
          else {
            failed = new Error(error);
            reject(failed);
          }
        });
      } catch (error) {
        failed = error as Error;
        for (const { reject } of group) reject(failed);
      }
      if (failed && this.#isOrdered) for (const { reject } of this.#queue.splice(0)) reject(failed);
    }
    this.#writing = false;
  }
}
