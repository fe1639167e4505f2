/** `store` of `tocsin.yaml`: where what is recorded lies, how much of it, and for how long. */

import { resolve } from "node:path";
import { z } from "zod";
import { formatDuration } from "../lib/durations.ts";
import { parseSize } from "../lib/sizes.ts";
import type { InfluxSettings } from "../model/influxSettings.ts";
import type { Retention } from "../seriesPorts.ts";
import { duration } from "./fields.ts";
import { influxFields, influxSettings } from "./influxSettings.ts";
import type { YamlFile } from "./yamlFile.ts";

const DAY_S = 86_400;

/** Least quota, bytes: below it the databases' own files would fill it. */
const LEAST_QUOTA = 64 * 2 ** 20;

/** Which rows are kept beside the cluster series. */
export type Detail = "clusters" | "proxies" | "members";

export interface StoreSettings {
  /** Where series are kept; the record is in SQLite, or on the bus. */
  readonly type: "sqlite" | "influx";
  /** There with type `influx`. */
  readonly influx?: InfluxSettings;
  readonly detail: Detail;
  readonly retention: Retention;
  /** Most that the series' own database may take, bytes; 0: no bound. Of InfluxDB nothing is bounded here. */
  readonly quotaBytes: number;
}

/** A size in bytes, 0 or at least 64 MiB. */
const quota = z.unknown().transform((value, context): number => {
  const bytes = typeof value === "number" || typeof value === "string" ? parseSize(value) : undefined;
  if (bytes !== undefined && (bytes === 0 || bytes >= LEAST_QUOTA)) return bytes;
  const message =
    bytes === undefined
      ? "expected a size such as 500MiB, 10GiB or 1GB"
      : "at least 64MiB is needed, or 0 for no bound";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const age = duration(3600).optional();

/** The words. */
export const storeFields = z.strictObject({
  type: z.enum(["sqlite", "influx"]).optional(),
  influx: influxFields.optional(),
  path: z.string().min(1, "must not be empty").max(4096, "at most 4096 characters").optional(),
  detail: z.enum(["clusters", "proxies", "members"]).optional(),
  retention: z.strictObject({ clusters: age, rows: age, rollups: age, history: age }).optional(),
  quota: quota.optional(),
});

type StoreFields = z.infer<typeof storeFields>;

/** The settings of the words. `folder`: what paths are relative to. */
export function storeSettings(fields: StoreFields, folder = "."): StoreSettings {
  const { type = "sqlite", influx, detail, retention = {}, quota: bytes } = fields;
  return {
    type,
    ...(type === "influx" && influx !== undefined ? { influx: influxSettings(influx, folder) } : {}),
    detail: detail ?? "proxies",
    retention: {
      clustersS: retention.clusters ?? 30 * DAY_S,
      rowsS: retention.rows ?? 2 * DAY_S,
      rollupsS: retention.rollups ?? 90 * DAY_S,
      historyS: retention.history ?? 90 * DAY_S,
    },
    quotaBytes: bytes ?? 10 * 2 ** 30,
  };
}

/** Ticks that a restart begins with, whatever alarms look back: those since the checkpoint before the newest. */
const RESTART_TICKS = 2 * 360;

/**
 * Warns of rollups that are gone before what they sum up, so that what is kept for long is not there in long, and of
 * series that are kept for less time than a restart looks back.
 */
export function warnOfRetention(file: YamlFile, fields: StoreFields, intervalMs: number): void {
  const { retention: words } = fields;
  if (words === undefined) return;
  const { clustersS, rowsS, rollupsS } = storeSettings(fields).retention;
  if (clustersS * 1000 < RESTART_TICKS * intervalMs) {
    const [wanted, kept] = [RESTART_TICKS * intervalMs, clustersS * 1000].map(formatDuration);
    const message = `a restart looks back ${wanted}, and series are kept for ${kept}: the newest stay for longer than that`;
    file.warn(["store", "retention", "clusters"], "W010", message, `set clusters to ${wanted} or more`);
  }
  const longest = Math.max(clustersS, rowsS);
  if (rollupsS >= longest) return;
  const [ofRollups, ofRaw] = [rollupsS, longest].map((seconds) => formatDuration(seconds * 1000));
  const what = clustersS > rowsS ? "the series of clusters" : "the rows";
  const word = words.rollups !== undefined ? "rollups" : clustersS > rowsS ? "clusters" : "rows";
  const message = `rollups are kept for ${ofRollups}, and ${what} that they sum up for ${ofRaw}`;
  file.warn(["store", "retention", word], "W012", message, `set rollups to ${ofRaw} or more`);
}

/** Folder of the databases. `folder`: what paths are relative to. */
export function dataPathOf({ path }: StoreFields, folder: string): string {
  return resolve(folder, path ?? "data");
}
