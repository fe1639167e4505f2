/** `collector` of `tocsin.yaml`: when HAProxy is asked, where, and which of its rows make which cluster. */

import { z } from "zod";
import type { Family } from "../model/family.ts";
import type { SourceEntry } from "../model/source.ts";
import { checkFamilies, familyFields, familyOf } from "./familyFields.ts";
import { duration, name } from "./fields.ts";
import { checkSources } from "./sourceChecks.ts";
import { DEFAULT_SOURCES, sourceEntry, sourceFields } from "./sourceFields.ts";
import type { KnownSources } from "./sourceNames.ts";
import { checkSourceName } from "./sourceNames.ts";
import type { Written } from "./written.ts";
import { writtenMap } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

/** What becomes of proxies that belong to nobody. */
export type Unmapped = "warn" | "ignore" | "proxy";

export interface CollectorSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly sources: readonly SourceEntry[];
  readonly families: readonly Family[];
  readonly ignore: readonly string[];
  readonly unmapped: Unmapped;
}

/** The words. */
export const collectorFields = z.strictObject({
  interval: duration(1).optional(),
  timeout: duration(0.1).optional(),
  sources: z.array(sourceFields).max(10_000, "at most 10000 sources").optional(),
  families: z.array(familyFields).max(1000, "at most 1000 families").optional(),
  ignore: z.array(name).optional(),
  unmapped: z.enum(["warn", "ignore", "proxy"]).optional(),
});

type CollectorFields = z.infer<typeof collectorFields>;

/** Checks what the schema cannot see, whether or not it finds something wrong. `written`: what the file says there. */
export function checkCollector(file: YamlFile, written: unknown): void {
  const collector = writtenMap(written);
  checkTimes(file, collector);
  checkSources(file, ["collector", "sources"], collector.sources);
  checkFamilies(file, ["collector", "families"], collector.families);
}

/** Warns of families of sources that there are not, and of a collector without any. */
export function warnOfSources(file: YamlFile, { sources, families = [] }: CollectorFields, known: KnownSources): void {
  if (sources?.length === 0) {
    const hint = "add one, or remove sources: for the well-known sockets";
    file.warn(["collector", "sources"], "W011", "there are no sources: nothing is collected", hint);
    return;
  }
  families.forEach(({ source }, index) => {
    checkSourceName(file, ["collector", "families", index, "source"], source, known);
  });
}

/** The settings of words that `checkCollector` finds nothing wrong with. `folder`: what paths are relative to. */
export function collectorSettings(fields: CollectorFields, folder: string): CollectorSettings {
  const intervalS = fields.interval ?? 10;
  return {
    intervalMs: intervalS * 1000,
    timeoutMs: (fields.timeout ?? Math.min(3, 0.6 * intervalS)) * 1000,
    sources: fields.sources?.map((source) => sourceEntry(source, folder)) ?? DEFAULT_SOURCES,
    families: (fields.families ?? []).map(familyOf),
    ignore: fields.ignore ?? ["stats", "metrics", "status", "prometheus-exporter-internal*"],
    unmapped: fields.unmapped ?? "warn",
  };
}

/** Rule T2: an answer must come well before the next tick. */
function checkTimes(file: YamlFile, written: Written): void {
  const intervalS = collectorFields.shape.interval.safeParse(written.interval);
  const timeoutS = collectorFields.shape.timeout.safeParse(written.timeout);
  // What is no duration is told by the schema.
  if (!intervalS.success) return;
  const interval = intervalS.data ?? 10;
  // Milliseconds are the finest unit.
  const most = Math.round(800 * interval) / 1000;
  if (timeoutS.data !== undefined && timeoutS.data >= most)
    file.error(["collector", "timeout"], "E109", `the timeout must be below 0.8 × interval, that is ${most} s`);
  if (!Number.isInteger(interval)) file.error(["collector", "interval"], "E109", "the interval must be whole seconds");
}
