/** `tocsin metric list|query`: words and flags. */

import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { rfc3339, systemClock } from "../lib/clock.ts";
import { parseDurationS } from "../lib/durations.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "../model/metricView.ts";
import { EXIT, Exit } from "./context.ts";
import { parseInstant } from "./instant.ts";
import { newestTable, resourceTable, seriesCsv, seriesText } from "./metricText.ts";
import type { Flags, Talk } from "./talk.ts";

/** Longest wait, ms: a query may have to wait for others. */
const TIMEOUT_MS = 180_000;

interface ListFlags extends Flags {
  readonly cluster?: string;
  readonly meter?: string;
  readonly resources?: boolean;
}

interface QueryFlags extends Flags {
  readonly meter: string;
  readonly cluster?: string;
  readonly resource?: string;
  readonly from?: string;
  readonly to?: string;
  readonly period?: string;
  readonly statistic?: string;
}

/** Adds them. */
export function addMetrics(program: Command, talk: Talk): void {
  const { ask, reading, print } = talk;
  const metric = program.command("metric").description("meters: their newest values, and what is kept of them");

  reading(metric.command("list").description("the newest value of every meter of every cluster"))
    .option("--cluster <cluster>", "only of that cluster, by name or id")
    .option("--meter <meter>", "only that meter; network.services.lb. may be left out")
    .option("--resources", "HAProxy's rows of which series of their own are kept, instead")
    .action(async ({ cluster, meter, ...flags }: ListFlags) => {
      const filter = queryString({ cluster, meter });
      if (flags.resources) {
        const catalog = await ask<MetricCatalog>(`/api/v1/metrics${filter}`, { of: "resources" }, TIMEOUT_MS);
        print(flags, catalog.resources, () => resourceTable(catalog, rfc3339(systemClock.now())));
        return;
      }
      const metrics = await ask<MetricView[]>(`/api/v1/metrics/newest${filter}`, { listOf: "meter_name" });
      print(flags, metrics, () => newestTable(metrics, rfc3339(systemClock.now())));
    });

  metric
    .command("query")
    .description("a meter over time: points as they were recorded, or a statistic of windows")
    .requiredOption("--meter <meter>", "its name; network.services.lb. may be left out")
    .option("--cluster <cluster>", "by name or id (default: each)")
    .option("--resource <resource>", "a row of HAProxy, proxy/FRONTEND, or a glob of them (default: the whole cluster)")
    .option("--from <time>", "RFC 3339, 14:03 of the local clock, or how long ago: -1h", timeOf, "-1h")
    .option("--to <time>", "the same, or now", timeOf, "now")
    .option("--period <duration>", "length of a window: 60s, 5m, 1h (default: no windows)", durationOf)
    .option("--statistic <name>", "of each window: avg, max, min, sum, count, last, first, rate, p95, … (default: avg)")
    .option("-o, --output <format>", "table, json or csv", "table")
    .action(async ({ output, ...asked }: QueryFlags) => {
      if (output === "table" || output === "json" || output === "csv") {
        show(await ask<MetricSeriesView>(pathOf(asked), { of: "series" }, TIMEOUT_MS), { output }, talk);
        return;
      }
      talk.warn(`tocsin: -o takes table, json or csv, not ${output}`);
      throw new Exit(EXIT.usage);
    });
}

function pathOf(asked: Omit<QueryFlags, "output">): string {
  return `/api/v1/metrics/query${queryString({ ...asked })}`;
}

function show(view: MetricSeriesView, flags: Flags, { print, write, warn, isPlain }: Talk): void {
  if (flags.output !== "csv") {
    print(flags, view, () => seriesText(view, isPlain));
    return;
  }
  if (view.resolution === "rollup") warn("from five-minute rollups, not from single ticks");
  // The line feed of the last line comes with being written.
  write(`${seriesCsv(view)}\r`);
}

function queryString(asked: Readonly<Record<string, string | undefined>>): string {
  const said = Object.entries(asked).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as [string, string]],
  );
  return said.length === 0 ? "" : `?${new URLSearchParams(said)}`;
}

/** How long ago is for the service to say: its clock counts. */
function timeOf(text: string): string {
  if (text === "now") return text;
  const ago = text.startsWith("-") ? text.slice(1) : text;
  if (/[a-z]$/.test(ago) && parseDurationS(ago) !== undefined) return `-${ago}`;
  const at = parseInstant(text, systemClock.now());
  if (at !== undefined) return rfc3339(at);
  throw new InvalidArgumentError("it is a time: 2026-11-21T00:53:09Z, 14:03, -10m for 10m ago, or now.");
}

function durationOf(text: string): string {
  if (parseDurationS(text)) return text;
  throw new InvalidArgumentError("it is a duration above 0: 60s, 5m, 1h30m.");
}
