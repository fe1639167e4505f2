/**
 * Queries in a thread of their own, so that they never delay a tick. The worker is begun by the first of them, is asked
 * one at a time, ends when nobody has asked for a while, and is ended where it does not answer.
 */

import { Worker } from "node:worker_threads";
import { TocsinError } from "../lib/errors.ts";
import type { MetricAnswer, MetricQuery } from "../model/metricQuery.ts";
import type { Clock, Timer } from "../ports.ts";
import type { CatalogFilter, StoredCatalog } from "./catalog.ts";
import type { Named } from "./finding.ts";
import { LIMITS, tooSlow } from "./limits.ts";
import type { Asked, Queries, Told, WorkerGiven } from "./queries.ts";

export interface QueryClientOptions extends WorkerGiven {
  readonly clock: Clock;
  /** Its file. Default: the one beside this. */
  readonly worker?: URL;
}

/** Most queries that wait while one is answered. */
const MOST_WAITING = 16;
/** A query ends itself when its time is over; a worker that does not is ended so much later, ms. */
const GRACE_MS = 500;
/** The worker ends when nobody has asked for so long, ms. */
const IDLE_MS = 60_000;

/** `Asked` without its id. */
type Question = Omit<Extract<Asked, { what: "query" }>, "id"> | Omit<Extract<Asked, { what: "catalog" }>, "id">;

interface Job {
  readonly question: Question;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class QueryClient implements Queries {
  readonly #options: QueryClientOptions;
  readonly #waiting: Job[] = [];
  #worker: Worker | undefined;
  #running: { readonly id: number; readonly job: Job; readonly deadline: Timer } | undefined;
  #idle: Timer | undefined;
  #next = 0;
  #closed = false;

  constructor(options: QueryClientOptions) {
    this.#options = options;
  }

  query(query: MetricQuery, named: Named): Promise<MetricAnswer> {
    return this.#ask({ what: "query", query, named }) as Promise<MetricAnswer>;
  }

  catalog(filter: CatalogFilter): Promise<StoredCatalog> {
    return this.#ask({ what: "catalog", filter }) as Promise<StoredCatalog>;
  }

  /** Whether a worker is there at the moment. */
  get isAwake(): boolean {
    return this.#worker !== undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    const gone = new TocsinError("E413", "the service is stopping: no query is answered any more");
    for (const { reject } of this.#waiting.splice(0)) reject(gone);
    this.#settle(({ reject }) => reject(gone));
    await this.#end();
  }

  #ask(question: Question): Promise<unknown> {
    if (this.#closed) return Promise.reject(new TocsinError("E413", "the service is stopping"));
    if (this.#waiting.length >= MOST_WAITING) {
      const why = `${MOST_WAITING} queries are waiting already: ask again in a few seconds`;
      return Promise.reject(new TocsinError("E413", why));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#running || this.#closed) return;
    const job = this.#waiting.shift();
    const { clock } = this.#options;
    this.#idle?.cancel();
    if (!job) {
      this.#idle = clock.after(IDLE_MS, () => void this.#end());
      return;
    }
    const id = this.#next++;
    const deadline = clock.after(LIMITS.timeMs + GRACE_MS, () => {
      this.#settle(({ reject }) => reject(tooSlow()));
      void this.#end();
      this.#pump();
    });
    this.#running = { id, job, deadline };
    this.#worker ??= this.#begin();
    this.#worker.postMessage({ id, ...job.question } satisfies Asked);
  }

  #begin(): Worker {
    const { folder, intervalMs, influx, worker: file } = this.#options;
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const given: WorkerGiven = { folder, intervalMs, influx };
    // No limit of its memory: what passes one may end the whole process. What queries read at once is small.
    const worker = new Worker(file ?? new URL(`./worker.${extension}`, import.meta.url), { workerData: given });
    worker.on("message", (told: Told) => this.#told(told));
    // What a worker that was ended says of its end concerns nobody any more.
    const ended = (error: Error) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      this.#settle(({ reject }) => reject(error));
      this.#pump();
    };
    worker.on("error", (error) => ended(error instanceof Error ? error : new Error(String(error))));
    worker.on("exit", () => ended(new Error("the worker that answers queries has ended")));
    return worker;
  }

  #told(told: Told): void {
    if (told.id !== this.#running?.id) return;
    this.#settle(({ resolve, reject }) => {
      if (told.ok) resolve(told.value);
      else reject(told.code === undefined ? new Error(told.message) : new TocsinError(told.code, told.message));
    });
    this.#pump();
  }

  #settle(settle: (job: Job) => void): void {
    const running = this.#running;
    this.#running = undefined;
    running?.deadline.cancel();
    if (running) settle(running.job);
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
