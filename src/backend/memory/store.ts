import type { Rollup } from "../../model/rollup.ts";
import { BLOCK_MS, blockOf, intervalOf, metersOfRow } from "../../model/rollup.ts";
import type { Tick } from "../../model/tick.ts";
import type {
  Kept,
  Retention,
  RowPoint,
  RowRecord,
  SampleReader,
  SampleStore,
  StoredBaseline,
  StoredCluster,
  StoredResource,
  TickRecord,
} from "../../seriesPorts.ts";
import {
  clusterBlock,
  DEFAULT_RETENTION,
  graceMs,
  INTERVAL_S,
  marginOf,
  NEEDED_TICKS,
  newestWhole,
  rowBlock,
  SAFE_S,
} from "../blocks.ts";
import { type Labelled, membersOf, type Run, runFrom } from "../runs.ts";

/** Rollups of a series by end of block and meter. */
type Blocks = Map<number, ReadonlyMap<string, Rollup>>;

/** Keeps series in memory: for tests and simulations. Its reader reads them as they are. */
export function createMemoryStore(
  retention: Retention = DEFAULT_RETENTION,
): SampleStore & { readonly reader: SampleReader } {
  const records = new Map<string, TickRecord>();
  const rows = new Map<string, RowRecord>();
  const blocks = new Map<string, Blocks>();
  const resources = new Map<string, StoredResource>();
  const clusters = new Map<string, StoredCluster>();
  const raws = new Map<string, StoredBaseline>();
  let rolledTo = -1;
  /** Clusters with the ends of blocks that something came late for. */
  let again: { readonly clusterId: string; readonly until: number }[] = [];

  const ticksOf = (clusterId: string) =>
    [...records.values()].filter((one) => one.clusterId === clusterId).sort((a, b) => a.tick.number - b.tick.number);
  const pointsOf = (clusterId: string, resource: string): RowPoint[] =>
    [...rows.values()]
      .filter((one) => one.clusterId === clusterId)
      .sort((a, b) => a.tick.number - b.tick.number || (a.source < b.source ? -1 : 1))
      .flatMap(({ tick, source, coveredS, gap, rows: all }) =>
        all
          .filter((row) => row.resource === resource)
          .map((row) => ({ tick, source, coveredS, ...(gap ? { gap } : {}), row })),
      );
  const seen = (clusterId: string, at: number) => {
    const { firstAt = at, lastAt = at } = clusters.get(clusterId) ?? {};
    clusters.set(clusterId, { clusterId, firstAt: Math.min(firstAt, at), lastAt: Math.max(lastAt, at) });
  };
  const write = (key: string, end: number, made: ReadonlyMap<string, Rollup>) => {
    if (made.size === 0) return 0;
    const own = blocks.get(key) ?? (new Map() as Blocks);
    blocks.set(key, own.set(end, made));
    return 1;
  };
  const labels = (): Labelled & { readonly all: readonly Tick[]; readonly intervalMs: number } => {
    const byNumber = new Map([...rows.values(), ...records.values()].map(({ tick: { number, at } }) => [number, at]));
    const all = [...byNumber].map(([number, at]) => ({ number, at })).sort((a, b) => a.number - b.number);
    return {
      all,
      intervalMs: 1000 * intervalOf(all.slice(-16), INTERVAL_S),
      from: (number) => all.find((one) => one.number >= number),
      before: (number) => all.findLast((one) => one.number < number),
    };
  };
  const late = (clusterId: string, { number, at }: Tick, spanS: number) => {
    if (number > rolledTo) return;
    const ends = new Set([blockOf(at - spanS * 1000), blockOf(at), blockOf(at) + BLOCK_MS]);
    for (const until of ends) again.push({ clusterId, until });
  };
  const rollCluster = (clusterId: string, run: Run, members: ReadonlyMap<number, number>, graced: number): number => {
    const { end, last } = run;
    const labelOf = ({ number, at }: Tick) =>
      number <= last ? members.get(number) : at > end && at <= end + graced ? at : undefined;
    let written = 0;
    const ticks = ticksOf(clusterId).map(({ tick }) => tick);
    if (ticks.some(({ number }) => members.has(number))) {
      written += write(clusterId, end, clusterBlock(end, ticks, labelOf));
    }
    for (const key of new Set([...resources.values()].map((one) => keyOf(one.clusterId, one.resource)))) {
      const [owner, resource] = partsOf(key);
      if (owner !== clusterId) continue;
      const points = pointsOf(clusterId, resource).flatMap((point) => {
        const at = labelOf(point.tick);
        return at === undefined ? [] : [{ ...point, tick: { ...point.tick, at } }];
      });
      if (points.some(({ tick }) => members.has(tick.number))) written += write(key, end, rowBlock(end, points));
    }
    return written;
  };
  const rollAgain = (at: number): number | undefined => {
    const [first, ...rest] = again;
    if (!first) return undefined;
    again = rest.filter(({ clusterId, until }) => clusterId !== first.clusterId || until !== first.until);
    const { clusterId, until: end } = first;
    const own = labels();
    const last = own.all.findLast((tick) => blockOf(tick.at) === end)?.number;
    if (last === undefined || last > rolledTo) return 0;
    const run = { end, last };
    return rollCluster(clusterId, run, membersOf(own, run, 0, at), graceMs(own.intervalMs));
  };
  /** Rolls up one block; `undefined`: none is whole. */
  const rollBlock = (at: number): number | undefined => {
    const own = labels();
    const first = own.from(rolledTo + 1);
    const run = first && runFrom(own, first, at);
    if (!first || !run || !(run.isAhead || run.end <= newestWhole(at, own.intervalMs))) return undefined;
    const members = membersOf(own, run, first.number - marginOf(own.intervalMs), at);
    let written = 0;
    const owners = [...clusters.values(), ...resources.values()].map(({ clusterId }) => clusterId);
    for (const clusterId of new Set(owners)) {
      written += rollCluster(clusterId, run, members, graceMs(own.intervalMs));
    }
    rolledTo = run.last;
    return written;
  };
  const forget = (at: number, needed: number): number => {
    let deleted = 0;
    const drop = <T>(from: Map<string, T>, label: (one: T) => number, limit: number) => {
      for (const [key, one] of from) if (label(one) <= limit && from.delete(key)) deleted++;
    };
    const own = labels();
    const newest = own.all.at(-1)?.number ?? 0;
    const dropRaw = (from: Map<string, { readonly tick: Tick }>, keptS: number, least: number) => {
      const safe = (Math.min(SAFE_S, keptS) * 1000) / own.intervalMs - 1;
      const upTo = Math.min(rolledTo - marginOf(own.intervalMs), newest - Math.max(safe, least));
      const limit = at - keptS * 1000;
      const newestOld = own.all.findLast((one) => one.at <= limit)?.number ?? -Infinity;
      for (const [key, { tick }] of from) {
        if (tick.number <= Math.min(upTo, newestOld) && from.delete(key)) deleted++;
      }
    };
    dropRaw(records, retention.clustersS, needed);
    dropRaw(rows, retention.rowsS, 0);
    for (const own of blocks.values()) {
      for (const end of own.keys()) if (end <= at - retention.rollupsS * 1000 && own.delete(end)) deleted++;
    }
    const gone = at - Math.max(retention.clustersS, retention.rollupsS, retention.historyS) * 1000;
    drop(resources, ({ lastAt }) => lastAt, gone);
    drop(clusters, ({ lastAt }) => lastAt, gone);
    drop(raws, ({ baseline }) => baseline.at, at - retention.historyS * 1000);
    return deleted;
  };

  const reader: SampleReader = {
    async clusters(clusterId) {
      const own = [...clusters.values()].filter((one) => clusterId === undefined || one.clusterId === clusterId);
      return own.sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    },
    async resources(clusterId, resource) {
      const order = (one: StoredResource) => `${one.clusterId}\n${one.resource}\n${one.source}`;
      const rawFrom = Math.min(...[...rows.values()].map(({ tick }) => tick.at));
      const keptFrom = (one: StoredResource) => {
        const ends = [...(blocks.get(keyOf(one.clusterId, one.resource))?.keys() ?? [])];
        return Math.min(rawFrom, ...ends.map((end) => end - BLOCK_MS));
      };
      return [...resources.values()]
        .map((one) => ({ ...one, firstAt: Math.max(one.firstAt, Math.min(keptFrom(one), one.lastAt)) }))
        .filter((one) => clusterId === undefined || one.clusterId === clusterId)
        .filter((one) => clusterId === undefined || resource === undefined || one.resource === resource)
        .map((one) => structuredClone(one))
        .sort((a, b) => (order(a) < order(b) ? -1 : 1));
    },
    async ticks(clusterId, from, to, limit) {
      return ticksOf(clusterId)
        .filter(({ tick }) => tick.at > from && tick.at <= to)
        .slice(0, limit)
        .map((record) => ({ ...structuredClone(record), baselines: {} }));
    },
    async rowPoints(clusterId, resource, from, to, limit) {
      const points = pointsOf(clusterId, resource).filter(({ tick }) => tick.at > from && tick.at <= to);
      return structuredClone(points.slice(0, limit));
    },
    async rollups(clusterId, resource, meterName, from, to) {
      const own = blocks.get(resource === undefined ? clusterId : keyOf(clusterId, resource)) ?? (new Map() as Blocks);
      return [...own]
        .filter(([end]) => end > from && end <= to)
        .sort(([a], [b]) => a - b)
        .flatMap(([, made]) => made.get(meterName) ?? []);
    },
    async close() {},
  };

  return {
    reader,
    async put(record) {
      const copy = structuredClone(record);
      records.set(`${record.clusterId}\n${record.seq}`, copy);
      seen(record.clusterId, record.tick.at);
      late(record.clusterId, record.tick, Math.max(0, ...record.tick.sources.map(({ coveredS }) => coveredS)));
      const { clusterId, seq } = copy;
      const own = Object.entries(copy.baselines).map(([source, baseline]) => ({ clusterId, source, seq, baseline }));
      for (const one of own) {
        const key = keyOf(clusterId, one.source);
        if ((raws.get(key)?.seq ?? -1) < seq) raws.set(key, one);
      }
    },
    async putRows(added) {
      for (const record of added) {
        const { clusterId, source, tick, coveredS } = record;
        late(clusterId, tick, coveredS);
        rows.set(`${clusterId}\n${source}\n${tick.number}`, structuredClone(record));
        for (const row of record.rows) {
          const key = `${keyOf(clusterId, row.resource)}\n${source}`;
          const { firstAt = tick.at, lastAt = tick.at, meters = [] } = resources.get(key) ?? {};
          resources.set(key, {
            clusterId,
            source,
            resource: row.resource,
            kind: row.kind,
            firstAt: Math.min(firstAt, tick.at),
            lastAt: Math.max(lastAt, tick.at),
            meters: [...new Set([...meters, ...metersOfRow(row)])].sort(),
          });
        }
      }
    },
    async keep(at, neededTicks = NEEDED_TICKS): Promise<Kept> {
      const written = rollAgain(at) ?? rollBlock(at);
      if (written !== undefined) return { more: true, bytes: 0, deleted: 0, rolledUp: written };
      return { more: false, bytes: 0, deleted: forget(at, neededTicks), rolledUp: 0 };
    },
    async ticks(clusterId, afterNumber, limit = Infinity) {
      return [...records.values()]
        .filter((record) => record.clusterId === clusterId && record.tick.number > afterNumber)
        .sort((a, b) => a.seq - b.seq)
        .slice(0, limit)
        .map((record) => ({ ...structuredClone(record), baselines: {} }));
    },
    async baselines() {
      return [...raws.values()];
    },
    async close() {},
  };
}

function keyOf(clusterId: string, name: string): string {
  return `${clusterId}\n${name}`;
}

function partsOf(key: string): readonly [string, string] {
  const at = key.indexOf("\n");
  return [key.slice(0, at), key.slice(at + 1)];
}
