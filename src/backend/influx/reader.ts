/**
 * Reads series over `/query`: plain selects by tags and time, which InfluxDB 1, 2 and 3 understand alike. Ticks of a
 * stretch come by number; where a clock was set inside it and not all are wanted, those with the earliest labels come.
 */

import { messageOf, TocsinError } from "../../lib/errors.ts";
import { BLOCK_MS } from "../../model/rollup.ts";
import type { RowKind } from "../../model/tick.ts";
import type { SampleReader, StoredCluster, StoredResource } from "../../seriesPorts.ts";
import { nameOf, tagOf } from "./lineProtocol.ts";
import type { Point, Series } from "./points.ts";
import { pointsOf, textOf } from "./points.ts";
import { RESOURCES } from "./resourcePoints.ts";
import { ROLLUPS, ROW_ROLLUPS, rollupOf } from "./rollupPoints.ts";
import { ROWS, rowPoint } from "./rowPoints.ts";
import type { ServerOptions } from "./server.ts";
import { InfluxServer } from "./server.ts";
import { TICKS, tickRecord } from "./tickPoints.ts";

/** Points of one request. */
const PAGE = 5000;
/** So many more than are wanted: of one label there may be several. */
const SPARE = 16;
/** Beyond these InfluxDB has no times, epoch ms. */
const EARLIEST = -9_223_372_036_854;
const LATEST = 9_223_372_036_853;

/** A condition and what stands in the place of its names. */
interface Where {
  readonly text: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Reads what `openInfluxStore` writes, through connections of its own. It begins to work with the first question. */
export function createInfluxReader(options: ServerOptions): SampleReader {
  const server = new InfluxServer(options);
  return { ...readerOf(server), close: () => server.close() };
}

/** The same over a server that somebody else closes. */
export function readerOf(server: InfluxServer): Omit<SampleReader, "close"> {
  return {
    async clusters(clusterId) {
      const where = clusterId === undefined ? undefined : ofCluster(clusterId);
      const [from, to, rolledFrom, rolledTo] = await ends(
        server,
        where,
        ["cluster_id"],
        [
          ["seq", TICKS],
          ["ticks", ROLLUPS],
        ],
      );
      const ids = new Set([...(from?.keys() ?? []), ...(rolledFrom?.keys() ?? [])]);
      return [...ids]
        .map((key): StoredCluster => {
          const firstAt = oldestOf(from?.get(key)?.at, rolledFrom?.get(key)?.at);
          const lastAt = Math.max(
            to?.get(key)?.at ?? -Infinity,
            to?.has(key) ? -Infinity : (rolledTo?.get(key)?.at ?? 0),
          );
          return { clusterId: nameOf(key), firstAt, lastAt };
        })
        .sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    },
    resources: (clusterId, resource) => resourcesOf(server, clusterId, resource),
    async ticks(clusterId, from, to, limit) {
      const points = await within(server, TICKS, ofCluster(clusterId), from, to, limit);
      const records = points.map((point) => checked(() => tickRecord(point)));
      return records.sort((a, b) => a.tick.number - b.tick.number || a.seq - b.seq).slice(0, limit);
    },
    async rowPoints(clusterId, resource, from, to, limit) {
      const points = await within(server, ROWS, ofCluster(clusterId, resource), from, to, limit);
      const read = points.map((point) => checked(() => rowPoint(point)));
      return read.sort((a, b) => a.tick.number - b.tick.number || (a.source < b.source ? -1 : 1)).slice(0, limit);
    },
    async rollups(clusterId, resource, meterName, from, to) {
      const measurement = resource === undefined ? ROLLUPS : ROW_ROLLUPS;
      const points = await within(server, measurement, ofCluster(clusterId, resource), from, to, Infinity);
      return points.flatMap((point) => checked(() => rollupOf(point, meterName)) ?? []);
    },
  };
}

/**
 * Points of a measurement labelled in `(from, to]`, epoch ms, by time: the first `limit`, and whatever else has
 * the labels of these. `fields`: these columns alone.
 */
export async function within(
  server: InfluxServer,
  measurement: string,
  where: Where,
  from: number,
  to: number,
  limit: number,
  fields: readonly string[] = ["*"],
): Promise<Point[]> {
  const found: Point[] = [];
  let first = Math.max(EARLIEST, Math.floor(from) + 1);
  const last = Math.min(LATEST, Math.floor(to));
  let page = Math.min(PAGE, limit + SPARE);
  while (first <= last && found.length < limit) {
    const stretch = `time >= ${first}ms AND time < ${last + 1}ms`;
    const what = `SELECT ${fields.join(", ")} FROM "${measurement}"`;
    const text = `${what} WHERE ${where.text} AND ${stretch} ORDER BY time LIMIT ${page}`;
    const [answer = []] = await server.query([text], where.parameters);
    const points = pointsOf(answer);
    if (points.length < page) {
      found.push(...points);
      break;
    }
    // More of the last label may follow: it is read again as a whole.
    const newest = points.at(-1)?.at ?? last;
    const whole = points.filter(({ at }) => at < newest);
    if (whole.length === 0 && page === PAGE)
      throw new TocsinError("E673", "the store of series has too many points of one time");
    if (whole.length === 0) page = PAGE;
    found.push(...whole);
    first = newest;
  }
  return found;
}

export function ofCluster(clusterId: string, resource?: string): Where {
  const c = tagOf(clusterId);
  if (resource === undefined) return { text: "cluster_id = $c", parameters: { c } };
  return { text: "cluster_id = $c AND resource = $r", parameters: { c, r: tagOf(resource) } };
}

/** Of any of these: at least one. */
export function ofClusters(clusterIds: readonly string[]): Where {
  const parameters = Object.fromEntries(clusterIds.map((clusterId, n) => [`c${n}`, tagOf(clusterId)]));
  return { text: `(${clusterIds.map((_, n) => `cluster_id = $c${n}`).join(" OR ")})`, parameters };
}

/** For each measurement the first and the last point of each series, by its tags. */
async function ends(
  server: InfluxServer,
  where: Where | undefined,
  tags: readonly string[],
  of: readonly (readonly [field: string, measurement: string])[],
): Promise<readonly ReadonlyMap<string, Point>[]> {
  const condition = where === undefined ? "" : ` WHERE ${where.text}`;
  const statements = of.flatMap(([field, measurement]) =>
    ["first", "last"].map(
      (end) => `SELECT ${end}("${field}") AS v FROM "${measurement}"${condition} GROUP BY ${tags.join(", ")}`,
    ),
  );
  const answers = await server.query(statements, where?.parameters ?? {});
  return answers.map((answer) => bySeries(answer, tags));
}

function bySeries(answer: readonly Series[], tags: readonly string[]): ReadonlyMap<string, Point> {
  return new Map(pointsOf(answer).map((point) => [keyOf(point, tags), point]));
}

function keyOf(point: Point, tags: readonly string[]): string {
  return tags.map((tag) => checked(() => textOf(point, tag))).join("\n");
}

/** The label from which on something is kept: that of the oldest tick, or the beginning of the oldest rollup before it. */
function oldestOf(raw: number | undefined, rolledUp: number | undefined): number {
  const block = rolledUp === undefined ? Infinity : rolledUp - BLOCK_MS;
  if (raw === undefined) return block;
  // Of the very first block the first tick is still there.
  return raw <= block + BLOCK_MS ? raw : Math.min(raw, block);
}

const TAGS = ["cluster_id", "resource", "source", "kind"];

async function resourcesOf(
  server: InfluxServer,
  clusterId: string | undefined,
  resource: string | undefined,
): Promise<readonly StoredResource[]> {
  const where = clusterId === undefined ? undefined : ofCluster(clusterId, resource);
  const condition = where === undefined ? "" : ` WHERE ${where.text}`;
  const parameters = where?.parameters ?? {};
  const noted = `SELECT meters FROM "${RESOURCES}"${condition} GROUP BY ${TAGS.join(", ")}`;
  const [[from, to], [rolledFrom], [answer = []]] = await Promise.all([
    ends(server, where, TAGS, [["covered", ROWS]]),
    ends(server, where, TAGS.slice(0, 2), [["ticks", ROW_ROLLUPS]]),
    server.query([noted], parameters),
  ]);
  const notes = Map.groupBy(pointsOf(answer), (point) => keyOf(point, TAGS));
  const found = [...new Set([...notes.keys(), ...(from?.keys() ?? [])])].map((key): StoredResource => {
    const [cluster = "", row = "", source = "", kind = ""] = key.split("\n");
    const own = notes.get(key) ?? [];
    const ats = own.map(({ at }) => at);
    const kept = oldestOf(from?.get(key)?.at, rolledFrom?.get(`${cluster}\n${row}`)?.at);
    const notedAt = Math.min(...ats);
    const meters = new Set(own.flatMap((point) => checked(() => textOf(point, "meters")).split(",")));
    return {
      clusterId: nameOf(cluster),
      source: nameOf(source),
      resource: nameOf(row),
      kind: nameOf(kind) as RowKind,
      // What is noted is more exact, and may be of what is gone since.
      firstAt: Number.isFinite(kept) && !(notedAt >= kept && notedAt <= kept + BLOCK_MS) ? kept : notedAt,
      lastAt: to?.get(key)?.at ?? Math.max(...ats),
      ...(own.length > 0 ? { meters: [...meters].filter((name) => name !== "").sort() } : {}),
    };
  });
  const order = (one: StoredResource) => `${one.clusterId}\n${one.resource}\n${one.source}`;
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** What is read, or `E306`. */
export function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new TocsinError("E306", `a point of the store of series is not what was written: ${messageOf(error)}`);
  }
}
