/** Random pasts of one or two sources, and rules to judge them by: told to the fold as ticks, to the oracle as facts. */

import fc from "fast-check";
import type { Alarm, Comparison, MissingData, Statistic, ThresholdRule } from "../../src/model/alarm.ts";
import type { MemberState } from "../../src/model/meters.ts";
import { Folded } from "../helpers/folded.ts";
import { aRule, theRules } from "../helpers/rules.ts";
import type { MeterKind, Past, Said } from "./datapoints.ts";
import { acceptAll, TICK_S } from "./stage.ts";

const LB = "network.services.lb";
export const METERS: Readonly<Record<MeterKind, string>> = {
  sum: `${LB}.active.connections`,
  rate: `${LB}.incoming.bytes.rate`,
  mean: `${LB}.response.time`,
};
const BYTES = `${LB}.incoming.bytes`;
const UP = `${LB}.members.up`;
const SOURCES = ["s", "t"];

/** One tick as it is drawn. */
export interface Drawn {
  /** Ticks before it that nobody saw. */
  readonly lost: number;
  readonly failed: readonly [boolean, boolean];
  /** A source that failed comes back with the bytes of all the time since. */
  readonly owes: boolean;
  readonly open: readonly [boolean, boolean];
  readonly reload: boolean;
  readonly increase: readonly [number, number];
  readonly gauge: number | null;
  readonly up: number;
}

const rarely = (weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const drawn: fc.Arbitrary<Drawn> = fc.record({
  lost: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }) }),
  failed: fc.tuple(rarely(4), rarely(4)),
  owes: fc.boolean(),
  open: fc.tuple(rarely(3), rarely(3)),
  reload: rarely(12),
  increase: fc.tuple(fc.constantFrom(0, 0, 50, 100, 300), fc.constantFrom(0, 0, 50, 100, 300)),
  gauge: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 2, arbitrary: fc.constant(null) },
  ),
  up: fc.constantFrom(0, 1, 2, 2, 3),
});

/** Stretches of equal ticks: silence, quiet and downtime need to last. */
export const history = fc
  .array(fc.tuple(drawn, fc.constantFrom(1, 1, 2, 3, 6)), { minLength: 1, maxLength: 12 })
  .map((stretches) =>
    stretches.flatMap(([one, times]) =>
      Array.from({ length: times }, (_, index) => (index === 0 ? one : { ...one, lost: 0, reload: false })),
    ),
  );

/** Sources, and whether there are server rows: a cluster has some or never had any. */
export const cluster = fc.record({
  sources: fc.integer({ min: 1, max: 2 }),
  servers: fc.oneof(fc.constant(true), fc.boolean()),
});

export interface Chosen {
  readonly kind: MeterKind;
  readonly rule: ThresholdRule;
}

const policies: readonly MissingData[] = ["missing", "breaching", "not_breaching", "ignore"];
export const chosen: fc.Arbitrary<Chosen> = fc
  .record({
    kind: fc.constantFrom<MeterKind>("sum", "rate", "mean"),
    perServer: rarely(2),
    statistic: fc.constantFrom<Statistic>("avg", "max", "min", "sum", "count", "last"),
    periodTicks: fc.constantFrom(1, 1, 2, 3, 6),
    evaluationPeriods: fc.integer({ min: 1, max: 4 }),
    needed: fc.integer({ min: 1, max: 4 }),
    comparison: fc.constantFrom<Comparison>("lt", "le", "eq", "ne", "ge", "gt"),
    level: fc.constantFrom(1, 2, 3, 5, 8),
    band: fc.constantFrom(0, 0, 2),
    treatMissingData: fc.constantFrom(...policies),
  })
  .map(({ kind, perServer, periodTicks, needed, level, band, ...rest }) => {
    // A rate is no whole number: its thresholds lie where no tie can be.
    const scale = kind === "rate" ? 3.017 : 1;
    const threshold = level * scale;
    const upper = rest.comparison === "gt" || rest.comparison === "ge";
    const lower = rest.comparison === "lt" || rest.comparison === "le";
    const clearThreshold = upper ? threshold - (band * scale) / 2 : lower ? threshold + (band * scale) / 2 : threshold;
    const rule = aRule({
      ...rest,
      ...(kind === "rate" ? { statistic: "avg" as const } : {}),
      per: perServer ? "active_server" : "total",
      meterName: METERS[kind],
      periodS: periodTicks * TICK_S,
      datapointsToAlarm: Math.min(needed, rest.evaluationPeriods),
      threshold,
      clearThreshold,
    });
    return { kind, rule };
  });

function serversUp(count: number): Readonly<Record<string, MemberState>> {
  return { ...Object.fromEntries(["a", "b", "c"].slice(0, count).map((name) => [name, "up"])), d: "maint" };
}

/** A past under way: the fold has it as ticks, the oracle as facts. */
export class Played {
  readonly folded: Folded;
  readonly past: Past[] = [];
  readonly #sources: number;
  readonly #servers: boolean;
  #number = 0;
  #total = 0;
  #members: Readonly<Record<string, MemberState>> = {};
  readonly #answered: number[];

  constructor(alarms: readonly Alarm[], { sources, servers }: { readonly sources: number; readonly servers: boolean }) {
    this.#sources = sources;
    this.#servers = servers;
    this.#answered = Array.from({ length: sources }, () => 0);
    this.folded = new Folded(theRules(alarms), SOURCES.slice(0, sources));
  }

  tick(one: Drawn): void {
    if (one.lost > 0) this.folded.restart(one.lost);
    this.#number += one.lost + 1;
    const said = Array.from({ length: this.#sources }, (_, source): Said => this.#say(one, source));
    const answered = said.filter(({ failed }) => !failed);
    const blind = answered.length === 0;
    const members = blind || !this.#servers ? this.#members : serversUp(one.up);
    const gauge = blind ? null : one.gauge;
    this.past.push({ number: this.#number, said, gauge, members });

    this.#total += said.reduce((sum, { increase }) => sum + increase, 0);
    const rate = answered.reduce((sum, { increase, coveredS }) => sum + increase / coveredS, 0);
    const before = this.#members;
    this.#members = members;
    const changed = [...new Set([...Object.keys(before), ...Object.keys(members)])].sort();
    this.folded.input({
      ...this.folded.sealed({}),
      values: {
        ...(gauge === null ? {} : { [METERS.sum]: gauge, [METERS.mean]: gauge }),
        [BYTES]: this.#total,
        ...(blind ? {} : { [METERS.rate]: rate }),
        ...(Object.keys(members).length > 0
          ? { [UP]: Object.values(members).filter((state) => state === "up").length }
          : {}),
      },
      sources: said.map(({ failed, coveredS, increase, open, reload }, source) => {
        const name = SOURCES[source] ?? "";
        if (failed) return { name, coveredS: 0, error: "refused" };
        const flags = {
          ...(open && { open }),
          ...(reload && { reload }),
          ...(increase > 0 && { moved: true as const }),
        };
        return { name, coveredS, ...flags } as const;
      }),
      members: changed
        .filter((name) => before[name] !== members[name])
        .map((name) => [name, members[name] ?? null] as const),
    });
    acceptAll(this.folded);
  }

  verdict(name: string): string {
    return this.folded.verdict(name);
  }

  #say(one: Drawn, source: number): Said {
    if (one.failed[source]) return { failed: true, coveredS: 0, increase: 0, open: false, reload: false };
    const since = this.#number - (this.#answered[source] ?? 0);
    this.#answered[source] = this.#number;
    const coveredS = (one.owes ? since : 1) * TICK_S;
    const increase = (one.increase[source] ?? 0) * (coveredS / TICK_S);
    return { failed: false, coveredS, increase, open: one.open[source] ?? false, reload: one.reload };
  }
}
