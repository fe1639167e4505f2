/** Where queries are answered: a thread that reads the embedded store beside the one that writes it. */

import { parentPort, workerData } from "node:worker_threads";
import { openSqliteReader } from "../backend/sqlite/reader.ts";
import { messageOf, TocsinError } from "../lib/errors.ts";
import type { SampleReader } from "../seriesPorts.ts";
import { answerQuery } from "./answer.ts";
import { catalogOf } from "./catalog.ts";
import type { Asked, Told, WorkerGiven } from "./queries.ts";

const { folder, intervalMs } = workerData as WorkerGiven;

let reader: SampleReader | undefined;

async function answer(asked: Asked): Promise<unknown> {
  // A file that cannot be opened is the error of who asks, and may be there for the next.
  reader ??= openSqliteReader(folder);
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
