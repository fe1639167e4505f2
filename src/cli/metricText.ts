/** Metrics for people and for programs that read tables. */

import { formatDuration } from "../lib/durations.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "../model/metricView.ts";
import { printableLine } from "./printable.ts";
import { shortIds, shortMiddle, shortTime } from "./shortened.ts";
import { sparkline } from "./sparkline.ts";
import { formatQuantity, formatTable } from "./table.ts";

/** Series that are told one after the other: more are no reading. */
const MOST_SERIES = 10;

/** Longest names, characters: the whole fits into about 100 columns. */
const MOST_OF_CLUSTER = 15;
const MOST_OF_ROW = 28;
const MOST_OF_SOURCE = 16;

/** The newest value of each meter of each cluster. `now`: RFC 3339; times are UTC, with the date where it is not today's. */
export function newestTable(metrics: readonly MetricView[], now: string): string {
  const rows = metrics.map((one) => [
    shortIds(one.cluster_name),
    one.meter_name,
    one.type,
    formatQuantity(one.value, one.unit),
    shortTime(one.timestamp, now),
  ]);
  return formatTable(["CLUSTER", "METER", "TYPE", "VALUE", "AT UTC"], rows);
}

/** Rows of HAProxy of which series of their own are kept. `now`: RFC 3339. */
export function resourceTable({ clusters, resources, more }: MetricCatalog, now: string): string {
  const names = new Map(clusters.map((one) => [one.cluster_id, one.cluster_name]));
  const rows = resources.map((one) => [
    shortMiddle(shortIds(names.get(one.cluster_id) ?? one.cluster_id), MOST_OF_CLUSTER),
    shortMiddle(shortIds(one.resource_id), MOST_OF_ROW),
    one.metadata.row_type ?? "-",
    shortMiddle(shortIds(one.source), MOST_OF_SOURCE),
    String(one.meters.length),
    shortTime(one.first_sample_timestamp, now),
    shortTime(one.last_sample_timestamp, now),
  ]);
  const table = formatTable(["CLUSTER", "RESOURCE", "TYPE", "SOURCE", "METERS", "FIRST UTC", "LAST"], rows);
  const isCut = rows.some(([, row, , source], index) => {
    const own = resources[index];
    return row !== own?.resource_id || source !== own?.source;
  });
  const notes = [
    ...(isCut ? ["names are shortened: -o json has them whole"] : []),
    ...(more.resources === 0 ? [] : [`${more.resources} more: name a cluster with --cluster`]),
  ];
  return [table, ...notes].join("\n");
}

type Series = MetricSeriesView["series"][number];
type Point = Series["points"][number];

/** Each series with how it went, and all its points. `isPlain`: in ASCII alone. */
export function seriesText(view: MetricSeriesView, isPlain: boolean): string {
  const texts = view.series.slice(0, MOST_SERIES).map((series) => seriesOf(view, series, isPlain));
  const more = view.series.length - texts.length;
  const notes = more > 0 ? [`… and ${more} more: ${narrowerOf(view)}`] : [];
  if (view.resolution === "rollup") notes.push("from five-minute rollups, not from single ticks");
  if (texts.length === 0) notes.push("nothing is kept of any cluster yet");
  return [...texts, ...notes].join("\n\n");
}

/** What there are fewer series of. */
function narrowerOf({ series }: MetricSeriesView): string {
  const isOfOne = series.every((one) => one.cluster_id === series[0]?.cluster_id);
  return `say ${isOfOne ? "--resource" : "--cluster"}, or -o csv for all`;
}

function seriesOf(view: MetricSeriesView, series: Series, isPlain: boolean): string {
  const { meter_name: meter, statistic, period } = view;
  const of = series.resource_id === series.cluster_id ? "" : ` ${series.resource_id}`;
  const what = statistic === null ? meter : `${statistic} of ${meter} over ${formatDuration((period ?? 0) * 1000)}`;
  const title = printableLine(`${series.cluster_name}${of}: ${what}`);
  const begin = series.points.findIndex(([, value]) => value !== null);
  if (begin < 0) return `${title}\nno value${series.reason === undefined ? "" : `: ${series.reason}`}`;
  const points = series.points.slice(begin);
  const values = points.map(([, value]) => value);
  const begins = begin === 0 ? [] : [`begins at ${points[0]?.[0]}`];
  const lines = [sparkline(values, isPlain), boundsOf(view, values), ...begins];
  return [title, ...lines, pointsOf(view, points, series.complete.slice(begin))].join("\n");
}

function boundsOf(view: MetricSeriesView, values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  return `min ${said(view, low)}, max ${said(view, high)}, last ${said(view, known.at(-1) ?? low)}`;
}

function pointsOf(view: MetricSeriesView, points: readonly Point[], complete: readonly boolean[]): string {
  const rows = points.map(([timestamp, value], index) => [
    timestamp,
    value === null ? "-" : said(view, value),
    complete[index] ? "" : "not all of it was seen",
  ]);
  return formatTable(["TIMESTAMP", "VALUE", ""], rows);
}

/** Totals are compared to the last digit, everything else is not. */
function said({ type, statistic, unit }: MetricSeriesView, value: number): string {
  const isTotal = type === "cumulative" && statistic !== "rate";
  return isTotal ? `${Number(value.toFixed(1))} ${unit}` : formatQuantity(value, unit);
}

/** RFC 4180, with CRLF between lines; a window that holds nothing has an empty value. */
export function seriesCsv({ meter_name: meter, series }: MetricSeriesView): string {
  const lines = series.flatMap(({ cluster_id: cluster, resource_id: resource, points }) =>
    points.map(([timestamp, value]) => [cluster, resource, meter, timestamp, value === null ? "" : String(value)]),
  );
  return [["cluster_id", "resource_id", "meter_name", "timestamp", "value"], ...lines]
    .map((cells) => cells.map(csvCell).join(","))
    .join("\r\n");
}

/** What begins as a formula does, and is no number, is kept from spreadsheets as they are used to it. */
function csvCell(value: string): string {
  const line = printableLine(value);
  const text = /^[=+@-]/.test(line) && Number.isNaN(Number(line)) ? `'${line}` : line;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
