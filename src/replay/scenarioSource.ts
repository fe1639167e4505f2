/** A source of a scenario: what HAProxy would have answered, as the collector would report it. */

import { mergeParts } from "../evaluator/mergeSlices.ts";
import { thresholdRules } from "../model/alarm.ts";
import type { CounterMeter, MemberState, Meter } from "../model/meters.ts";
import { METERS, meterNamed, stateNumber } from "../model/meters.ts";
import type { ClusterSlice, MeanPart, ScrapeReport, ServerParts, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Fault, InputSeries, Scenario } from "./scenario.ts";
import type { SeriesValue } from "./seriesNotation.ts";

interface Parts {
  readonly increases: Record<string, number>;
  readonly sums: Record<string, number>;
  readonly means: Record<string, MeanPart>;
}

const noParts = (): Parts => ({ increases: {}, sums: {}, means: {} });

/** What was counted since the last answer that reached anyone. */
interface Pending {
  readonly seconds: number;
  readonly cluster: Parts;
  readonly servers: ReadonlyMap<string, Parts>;
  readonly fresh: boolean;
  readonly reload: boolean;
}

const NOTHING: Pending = { seconds: 0, cluster: noParts(), servers: new Map(), fresh: false, reload: false };
const SESSIONS = "network.services.lb.active.connections";
const STATES = METERS.filter((meter) => meter.kind === "state").map((meter) => meter.name);

export class ScenarioSource {
  readonly name: string;
  readonly #scenario: Scenario;
  readonly #series: readonly InputSeries[];
  readonly #faults: readonly Fault[];
  /** Meters of the servers' states that some rule reads. */
  readonly #states: readonly string[];
  /** The value before, of counters that are written as totals. */
  readonly #totals = new Map<InputSeries, number>();
  #pending = NOTHING;
  /** Answers that were carried over and are not recorded anywhere: a restart loses them. */
  #unrecorded = NOTHING;
  #wasOpen = false;
  /** Its first answer is what later ones are counted from: nothing is counted in it. */
  #hasAnswered = false;
  #pid = 1;

  constructor(name: string, scenario: Scenario) {
    this.name = name;
    this.#scenario = scenario;
    this.#series = scenario.inputSeries.filter(({ source }) => source === undefined || source === name);
    this.#faults = scenario.faults.filter(({ source }) => source === undefined || source === name);
    const read = scenario.rules.alarms.flatMap(({ rule }) => thresholdRules(rule).map((leaf) => leaf.meterName));
    this.#states = STATES.filter((meter) => read.includes(meter));
  }

  /** Whether a fault is about the tick so many seconds after tick 0. */
  suffers(what: Fault["what"], atS: number): boolean {
    return this.#faults.some((fault) => fault.what === what && fault.from <= atS && atS < fault.to);
  }

  /** A tick passes: HAProxy counts, whether or not anybody asks. */
  pass(index: number, members: ReadonlyMap<string, MemberState>): void {
    const { intervalMs } = this.#scenario;
    const atS = (index * intervalMs) / 1000;
    const cluster = noParts();
    const servers = new Map<string, Parts>();
    for (const series of this.#series) {
      const { server } = series;
      if (server !== undefined && !members.has(server)) continue;
      const parts = noParts();
      this.#put(parts, series, index);
      if (server !== undefined) servers.set(server, merge(servers.get(server) ?? noParts(), parts));
      if (server === undefined || this.#isOnlyPerServer(series.meter)) mergeInto(cluster, parts);
    }
    const seconds = intervalMs / 1000;
    const reload = this.suffers("reloaded", atS) || (this.suffers("restarted", atS) && this.#wasOpen);
    const fresh = this.suffers("reloaded", atS) || this.suffers("restarted", atS);
    this.#pending = join(this.#pending, { seconds, cluster, servers, fresh, reload });
  }

  /** What it answers at a tick; `recorded`: in time, so that the answer is kept with the tick. */
  answer(tick: Tick, index: number, members: ReadonlyMap<string, MemberState>, recorded: boolean): ScrapeReport {
    const { intervalMs } = this.#scenario;
    const atS = (index * intervalMs) / 1000;
    const report = { tick, source: this.name, durationMs: 1 };
    if (this.suffers("away", atS))
      return { ...report, outcome: { ok: false, code: "absent", reason: "its socket is gone", away: true } };
    if (this.suffers("lost", atS) || this.suffers("restarted", atS))
      return { ...report, outcome: { ok: false, code: "refused", reason: "no answer" } };
    const pending = this.#hasAnswered ? this.#pending : withoutCounts(this.#pending);
    this.#hasAnswered = true;
    if (pending.fresh) this.#pid++;
    this.#pending = NOTHING;
    this.#unrecorded = recorded ? NOTHING : join(this.#unrecorded, pending);
    const slice = this.#slice(pending, members);
    this.#wasOpen = slice.open;
    return { ...report, outcome: { ok: true, slices: [slice] } };
  }

  /** The asking process ends: the next one goes on from what was recorded. */
  forgetUnrecorded(): void {
    this.#pending = join(this.#unrecorded, this.#pending);
    this.#unrecorded = NOTHING;
  }

  #slice(pending: Pending, members: ReadonlyMap<string, MemberState>): ClusterSlice {
    const { rules, intervalMs, proxy } = this.#scenario;
    const { increases, sums, means } = pending.cluster;
    const gap = pending.seconds > maxGapS(intervalMs);
    const servers = this.#servers(pending, members);
    return {
      clusterId: rules.clusterId,
      coveredS: gap ? 0 : pending.seconds,
      increases,
      sums,
      means,
      members: Object.fromEntries(members),
      proxies: Object.fromEntries([...members.keys()].map((name) => [name, proxy])),
      ...(Object.keys(servers).length > 0 ? { servers: servers satisfies Record<string, ServerParts> } : {}),
      ...(pending.fresh ? { fresh: true } : {}),
      reload: pending.reload,
      gap,
      open: (sums[SESSIONS] ?? 0) > 0,
      moved: Object.values(increases).some((grown) => grown > 0),
      rowCount: members.size + 2,
      baseline: {
        process: { pid: this.#pid, uptimeS: 1, startTimeS: undefined, version: "3.0" },
        at: 0,
        open: false,
        rows: "",
      },
    };
  }

  #servers(pending: Pending, members: ReadonlyMap<string, MemberState>): Record<string, ServerParts> {
    const servers: Record<string, ServerParts> = {};
    for (const [name, state] of members) {
      const parts = pending.servers.get(name);
      const number = this.#states.length > 0 ? stateNumber(state, true) : undefined;
      if (!parts && number === undefined) continue;
      const states = number === undefined ? [] : this.#states.map((meter) => [meter, number] as const);
      const { increases, sums, means } = parts ?? noParts();
      servers[name] = { increases, sums: { ...sums, ...Object.fromEntries(states) }, means };
    }
    return servers;
  }

  /** No series gives the meter for the cluster as a whole: its servers' sum is that. */
  #isOnlyPerServer(meter: string): boolean {
    return !this.#series.some((series) => series.meter === meter && series.server === undefined);
  }

  #put(parts: Parts, series: InputSeries, index: number): void {
    const value = series.values[index] ?? "missing";
    const meter = meterNamed(series.meter);
    if (!meter) return;
    if (meter.kind === "counter") {
      const grown = this.#grown(series, value);
      if (grown !== undefined) parts.increases[meter.name] = this.#share(series, grown);
      return;
    }
    if (typeof value !== "number") return;
    putValue(parts, meter, value, this.#scenario.intervalMs / 1000, (whole) => this.#share(series, whole));
  }

  /** Increase of a counter that is written as HAProxy shows it; one that fell was set back to 0. */
  #grown(series: InputSeries, value: SeriesValue): number | undefined {
    if (value === "stale") this.#totals.delete(series);
    if (typeof value !== "number") return undefined;
    const before = this.#totals.get(series);
    this.#totals.set(series, value);
    if (before === undefined) return undefined;
    return value >= before ? value - before : value;
  }

  /** What is the cluster's as a whole the sources share evenly. */
  #share(series: InputSeries, whole: number): number {
    return series.source === undefined ? whole / this.#scenario.sources.length : whole;
  }
}

/** The parts that make a meter's value. Meters of members and of Tocsin itself are made from elsewhere. */
function putValue(parts: Parts, meter: Meter, value: number, intervalS: number, share: (n: number) => number): void {
  switch (meter.kind) {
    case "rate":
      parts.increases[meter.of] = share(value * intervalS);
      return;
    case "sum":
      parts.sums[meter.name] = share(value);
      return;
    case "most":
      parts.sums[meter.name] = value;
      return;
    case "mean":
    case "share":
      parts.means[meter.name] = { sum: value, weight: 1 };
      return;
    case "ratio": {
      const rest = meter.over.find((name) => !meter.of.includes(name));
      const [part] = meter.of;
      if (part !== undefined) parts.increases[part] = value;
      if (rest !== undefined) parts.increases[rest] = 100 - value;
      return;
    }
    case "counter":
    case "change":
    case "members":
    case "state":
    case "own":
  }
}

/** Counter meters that a series of this meter feeds: two series must not feed the same. */
export function feeds(meterName: string): readonly string[] {
  const meter = meterNamed(meterName);
  if (meter?.kind === "rate") return [meter.of];
  if (meter?.kind === "ratio")
    return METERS.filter(isCounter).flatMap(({ name }) => (meter.over.includes(name) ? [name] : []));
  return [meterName];
}

function isCounter(meter: Meter): meter is CounterMeter {
  return meter.kind === "counter";
}

function withoutCounts(pending: Pending): Pending {
  const bare = ({ sums, means }: Parts): Parts => ({
    increases: {},
    sums: ofKinds(sums, ["sum"]),
    means: ofKinds(means, ["share"]),
  });
  const servers = new Map([...pending.servers].map(([name, parts]) => [name, bare(parts)]));
  return { ...pending, seconds: 0, cluster: bare(pending.cluster), servers };
}

function ofKinds<T>(parts: Readonly<Record<string, T>>, kinds: readonly Meter["kind"][]): Record<string, T> {
  return Object.fromEntries(Object.entries(parts).filter(([name]) => kinds.includes(meterNamed(name)?.kind ?? "own")));
}

/** What was counted adds up; of what just is, the newer counts. */
function join(older: Pending, newer: Pending): Pending {
  const servers = new Map<string, Parts>();
  for (const name of new Set([...older.servers.keys(), ...newer.servers.keys()]))
    servers.set(name, follow(older.servers.get(name) ?? noParts(), newer.servers.get(name) ?? noParts()));
  return {
    seconds: older.seconds + newer.seconds,
    cluster: follow(older.cluster, newer.cluster),
    servers,
    fresh: older.fresh || newer.fresh,
    reload: older.reload || newer.reload,
  };
}

function follow(older: Parts, newer: Parts): Parts {
  const { increases, sums, means } = mergeParts(older, newer);
  return { increases: { ...increases }, sums: { ...sums }, means: { ...means } };
}

function merge(a: Parts, b: Parts): Parts {
  const merged: Parts = { increases: { ...a.increases }, sums: { ...a.sums }, means: { ...a.means } };
  mergeInto(merged, b);
  return merged;
}

function mergeInto(into: Parts, { increases, sums, means }: Parts): void {
  for (const [name, grown] of Object.entries(increases)) into.increases[name] = (into.increases[name] ?? 0) + grown;
  for (const [name, value] of Object.entries(sums)) {
    const before = into.sums[name];
    const most = meterNamed(name)?.kind === "most";
    into.sums[name] = before === undefined ? value : most ? Math.max(before, value) : before + value;
  }
  for (const [name, { sum, weight }] of Object.entries(means)) {
    const before = into.means[name] ?? { sum: 0, weight: 0 };
    into.means[name] = { sum: before.sum + sum, weight: before.weight + weight };
  }
}
