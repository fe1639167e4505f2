/** Reads `metrics.db` beside the service that writes it: its own connection, in whatever thread asks. */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, TocsinError } from "../../lib/errors.ts";
import type { SampleReader } from "../../seriesPorts.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import { readMeta } from "./schema.ts";
import { SeriesReader } from "./seriesReader.ts";
import { damageIn, Sums } from "./sums.ts";

/**
 * Opens the series of a data folder for reading. Throws `E302` when the file cannot be opened, `E304` when another
 * version made it. Every call reads what was stored when it began, and holds nothing afterwards.
 */
export function openSqliteReader(folder: string): SampleReader {
  const file = join(folder, "metrics.db");
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file, { timeout: 5000, readOnly: true });
  } catch (error) {
    throw new TocsinError("E302", `cannot open ${file} for reading: ${messageOf(error)}`, { cause: error });
  }
  try {
    database.exec("PRAGMA cache_size=-16000");
    const { version, id } = readMeta(database);
    if (version !== METRICS_SCHEMA.version || typeof id !== "string") {
      throw new TocsinError("E304", `${file} has schema ${version}, and only ${METRICS_SCHEMA.version} can be read`);
    }
    const [begin, end] = [database.prepare("BEGIN"), database.prepare("COMMIT")];
    /** What one call reads is of one moment; and what SQLite does at each beginning is done once. */
    const read = <T>(work: () => T): T => {
      try {
        begin.run();
        return work();
      } catch (error) {
        throw damageIn(error) ?? error;
      } finally {
        if (database.isTransaction) end.run();
      }
    };
    const reader = new SeriesReader(database, new Sums(METRICS_SCHEMA.columns, id));
    return {
      clusters: async (clusterId) => read(() => reader.clusters(clusterId)),
      resources: async (...asked) => read(() => reader.resources(...asked)),
      ticks: async (...asked) => read(() => reader.ticks(...asked)),
      rowPoints: async (...asked) => read(() => reader.rowPoints(...asked)),
      rollups: async (...asked) => read(() => reader.rollups(...asked)),
      close: async () => database.close(),
    };
  } catch (error) {
    database.close();
    throw damageIn(error) ?? error;
  }
}
