/** Where queries are answered: a thread that reads the store beside the one that writes it. */

import { parentPort, workerData } from "node:worker_threads";
import { openSqliteReader } from "../backend/sqlite/reader.ts";
import { systemClock } from "../lib/clock.ts";
import { messageOf, TocsinError } from "../lib/errors.ts";
import type { SampleReader } from "../seriesPorts.ts";
import { answerQuery } from "./answer.ts";
import { catalogOf } from "./catalog.ts";
import type { Asked, Told, WorkerGiven } from "./queries.ts";

const { folder, intervalMs, influx } = workerData as WorkerGiven;

let reader: SampleReader | undefined;

async function opened(): Promise<SampleReader> {
  if (influx === undefined) return openSqliteReader(folder);
  const { createInfluxReader } = await import("../backend/influx/reader.ts");
  return createInfluxReader({ settings: influx, environment: process.env, clock: systemClock });
}

async function answer(asked: Asked): Promise<unknown> {
  // A file that cannot be opened is the error of who asks, and may be there for the next.
  reader ??= await opened();
  if (asked.what === "catalog") return catalogOf(reader, asked.filter);
  return answerQuery(asked.query, reader, { ...asked.named, intervalMs });
}

parentPort?.on("message", (asked: Asked) => {
  const told = (said: Told) => parentPort?.postMessage(said);
  answer(asked).then(
    (value) => told({ id: asked.id, ok: true, value }),
    (error: unknown) => {
      const code = error instanceof TocsinError ? error.code : undefined;
      told({ id: asked.id, ok: false, code, message: messageOf(error) });
    },
  );
});
