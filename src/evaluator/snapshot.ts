/**
 * A cluster's state as text and back (rule R3): everything but the windows, which are filled from recorded ticks,
 * and the rules, which are recorded as inputs.
 */

import type { ClusterRules } from "../model/alarm.ts";
import type { Delivery } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import { KEPT_TOTALS } from "../model/meters.ts";
import type { SealedTick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { AlarmState, ClusterState, Lane, Notice } from "./cluster.ts";
import { emptyCluster, newAlarmState } from "./cluster.ts";
import { judgingOrder } from "./identity.ts";
import type { Pauses } from "./pause.ts";
import type { SavedSeries } from "./savedSeries.ts";
import { loadSeries, saveSeries } from "./savedSeries.ts";
import { pushTick } from "./series.ts";

type SavedAlarm = Omit<AlarmState, "alarm" | "verdict"> & { readonly id: string };

interface Saved {
  readonly stopped: boolean;
  readonly intervalMs: number;
  /** `null`: no tick yet. */
  readonly tick: number | null;
  readonly at: number;
  readonly shadow: boolean;
  /** Absent: it is not. */
  readonly late?: true;
  readonly pauses: Pauses;
  readonly series: SavedSeries;
  readonly totals: readonly (readonly [string, number])[];
  readonly members: readonly (readonly [string, MemberState])[];
  readonly completeMembers: readonly (readonly [string, MemberState])[] | null;
  readonly lastOk: readonly (readonly [string, number])[];
  readonly failing: readonly (readonly [string, number])[];
  readonly away: readonly (readonly [string, number])[];
  /** Absent in older snapshots: the next traffic tells. */
  readonly carriers?: readonly string[];
  readonly alarms: readonly SavedAlarm[];
  readonly lane: Lane;
  readonly notices: readonly (readonly [string, readonly Notice[]])[];
  readonly retired: readonly (readonly [string, Pick<AlarmState, "transition" | "sends">])[];
  readonly deliveries: readonly Delivery[];
}

/** JSON cannot hold -Infinity, which stands for "never" in tick numbers; Maps become pairs. */
function pack(_key: string, value: unknown): unknown {
  if (value === -Infinity) return { never: true };
  if (value instanceof Map) return { pairs: [...value] };
  return value;
}

function unpack(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("never" in value && value.never === true) return -Infinity;
  if ("pairs" in value && Array.isArray(value.pairs)) return new Map(value.pairs as [unknown, unknown][]);
  return value;
}

/** An alarm's state without its rule, which is recorded with the rules, and its verdict, which the next tick gives. */
function saveAlarm({ alarm: { id }, verdict: _, ...state }: AlarmState): SavedAlarm {
  return { id, ...state };
}

export function saveCluster(cluster: ClusterState): string {
  const { members, completeMembers } = cluster;
  const saved: Omit<Saved, "members" | "completeMembers"> = {
    stopped: cluster.stopped,
    intervalMs: cluster.intervalMs,
    tick: Number.isFinite(cluster.tick) ? cluster.tick : null,
    at: cluster.at,
    shadow: cluster.shadow,
    ...(cluster.late ? { late: true } : {}),
    pauses: cluster.pauses,
    series: saveSeries(cluster.series),
    totals: KEPT_TOTALS.flatMap((name) => {
      const total = cluster.values[name];
      return total === undefined ? [] : [[name, total] as const];
    }),
    lastOk: [...cluster.lastOk],
    failing: [...cluster.failing],
    away: [...cluster.away],
    carriers: cluster.carriers,
    alarms: [...cluster.alarms.values()].map(saveAlarm),
    lane: cluster.lane,
    notices: [...cluster.notices],
    retired: [...cluster.retired],
    deliveries: [...cluster.deliveries.values()],
  };
  // Of thousands of servers there is nothing to pack, and nearly always they are those of the last complete tick.
  const servers = JSON.stringify([...members]);
  const complete =
    completeMembers === members ? servers : JSON.stringify(completeMembers ? [...completeMembers] : null);
  return `${JSON.stringify(saved, pack).slice(0, -1)},"members":${servers},"completeMembers":${complete}}`;
}

/** A cluster whose work has ended: number and label of its newest tick. */
export interface Resting {
  readonly rests: true;
  readonly tick: number;
  readonly at: number;
}

/** Whether a recorded cluster's work has ended; `undefined`: it goes on. */
export function restingOf(doc: string): Resting | undefined {
  const { stopped, tick, at } = JSON.parse(doc) as Saved;
  return stopped ? { rests: true, tick: tick ?? -Infinity, at } : undefined;
}

/** The state at `seq`, with empty windows. */
export function loadCluster(
  clusterId: string,
  seq: number,
  doc: string,
  rules: ClusterRules | undefined,
): ClusterState {
  const saved = JSON.parse(doc, unpack) as Saved;
  const states = new Map(saved.alarms.map((alarm) => [alarm.id, alarm]));
  const alarms = new Map(
    (rules?.alarms ?? []).map((alarm): readonly [string, AlarmState] => {
      const { id: _, ...state } = states.get(alarm.id) ?? { id: alarm.id };
      return [alarm.id, { ...newAlarmState(alarm), ...state }];
    }),
  );
  return {
    ...emptyCluster(clusterId),
    seq,
    rules,
    stopped: saved.stopped,
    intervalMs: saved.intervalMs,
    tick: saved.tick ?? -Infinity,
    at: saved.at,
    shadow: saved.shadow,
    late: saved.late === true,
    pauses: saved.pauses,
    series: loadSeries(saved.series, saved.intervalMs / 1000, rules),
    values: Object.fromEntries(saved.totals),
    members: new Map(saved.members),
    completeMembers: saved.completeMembers ? new Map(saved.completeMembers) : undefined,
    lastOk: new Map(saved.lastOk),
    failing: new Map(saved.failing),
    away: new Map(saved.away),
    carriers: saved.carriers ?? [],
    order: judgingOrder(alarms),
    hearsEvents: rules?.alarms.some(({ rule }) => rule.kind === "event") ?? false,
    alarms,
    lane: saved.lane,
    notices: new Map(saved.notices.map(([receiver, queue]) => [receiver, [...queue]])),
    retired: new Map(saved.retired),
    deliveries: new Map(saved.deliveries.map((delivery) => [delivery.id, delivery])),
  };
}

/**
 * How far before its newest tick a restart must read, in ticks: the windows, and before them what the oldest
 * tick's increase is counted from.
 */
export function ticksToRead(cluster: ClusterState): number {
  const intervalS = cluster.intervalMs / 1000;
  return cluster.series.capacity + Math.ceil(maxGapS(cluster.intervalMs) / intervalS) + 2;
}

/** Fills the windows from the ticks up to the snapshot. */
export function fillWindows(
  cluster: ClusterState,
  ticks: readonly { readonly seq: number; readonly tick: SealedTick }[],
): void {
  // What the first tick's increase is counted from is not there: it has none.
  let before: SealedTick["values"] | undefined;
  for (const { seq, tick } of ticks) {
    if (seq > cluster.seq) return;
    pushTick(cluster.series, tick, before);
    before = tick.values;
  }
}
