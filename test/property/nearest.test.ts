import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeComposite } from "../../src/evaluator/composite.ts";
import { judge } from "../../src/evaluator/judge.ts";
import { nextDown, nextUp } from "../../src/lib/floats.ts";
import type { Alarm, AlarmRule, Comparison, Expression, Statistic, ThresholdRule } from "../../src/model/alarm.ts";
import type { Counterfactual } from "../../src/model/explanation.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import type { Around } from "../../src/replay/nearest.ts";
import { benchOf, nearestOf, withDatapoints, withPeriods, withThreshold } from "../../src/replay/nearest.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, aRule, BYTES, RATE, SESSIONS, theRules } from "../helpers/rules.ts";

interface Step {
  readonly sessions: number | null;
  readonly rate: number;
  readonly failed: boolean;
  readonly active: number;
  readonly skipped: number;
  readonly reload: boolean;
  readonly open: boolean;
}

const rare = (chance: number) => fc.integer({ min: 1, max: chance }).map((one) => one === 1);
const step: fc.Arbitrary<Step> = fc.record({
  sessions: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }) }, fc.constant(null)),
  rate: fc.constantFrom(0, 1, 3, 4.5, 7, 1000 / 3),
  failed: rare(14),
  active: fc.constantFrom(0, 1, 2, 2, 3),
  skipped: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
  reload: rare(25),
  open: rare(3),
});

const comparison = fc.constantFrom<Comparison>("lt", "le", "gt", "ge", "gt", "ge", "eq", "ne");
const statistic = fc.constantFrom<Statistic>("avg", "max", "min", "sum", "last", "p90", "median", "count");

const rule: fc.Arbitrary<ThresholdRule> = fc
  .record({
    meterName: fc.constantFrom(SESSIONS, SESSIONS, RATE),
    statistic,
    per: fc.constantFrom("total" as const, "total" as const, "active_server" as const, "server" as const),
    periodS: fc.constantFrom(10, 10, 20, 30),
    evaluationPeriods: fc.integer({ min: 1, max: 5 }),
    m: fc.integer({ min: 1, max: 5 }),
    threshold: fc.constantFrom(0, 1, 2, 3, 4, 5, 7.5, 9, 20),
    clear: fc.constantFrom(0, 0, 1, 2.5),
    comparison,
    treatMissingData: fc.constantFrom(
      "missing" as const,
      "breaching" as const,
      "not_breaching" as const,
      "ignore" as const,
    ),
    excludeOutliers: rare(6),
  })
  .map(({ m, clear, ...fields }) => {
    const side = fields.comparison === "gt" || fields.comparison === "ge" ? -1 : 1;
    return aRule({
      ...fields,
      datapointsToAlarm: Math.min(m, fields.evaluationPeriods),
      clearThreshold: fields.threshold + side * clear,
    });
  });

const leaf = rule.map((one): Expression => ({ op: "rule", rule: one, written: {} }));
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    leaf,
    leaf,
    fc.record({ op: fc.constant("not" as const), part: tie("expression") }),
    fc.record({
      op: fc.constantFrom("and" as const, "or" as const),
      parts: fc.array(tie("expression"), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

const anyRule: fc.Arbitrary<AlarmRule> = fc.oneof(
  { weight: 3, arbitrary: rule },
  { weight: 1, arbitrary: expression.map((one): AlarmRule => ({ kind: "composite", expression: one })) },
);

function history(alarm: Alarm, steps: readonly Step[]): { readonly folded: Folded; readonly around: Around } {
  const folded = new Folded(theRules([alarm]));
  let around: Around | undefined;
  // The first scrape of all is a baseline and says nothing of rates.
  folded.tick({ failed: ["s"] });
  for (const one of steps) {
    folded.skip(one.skipped);
    const state = folded.cluster.alarms.get(alarm.id);
    const { leaves = {} } = state ?? {};
    around = { state: state?.state ?? "ok", decided: (name) => leaves[name], referTo: () => undefined };
    const members = Object.fromEntries(
      ["a", "b", "c"].map((name, index) => [name, index < one.active ? ("up" as const) : ("down" as const)]),
    );
    const tick = folded.sealed({
      sessions: one.sessions,
      rate: one.rate,
      failed: one.failed ? ["s"] : [],
      members,
      source: { ...(one.reload ? { reload: true } : {}), ...(one.open ? { open: true } : {}) },
    });
    const servers = Object.entries(members).flatMap(([name, state], index) => {
      if (one.failed || state !== "up") return [];
      const own = { [BYTES]: one.rate * 10 * (index + 1), [RATE]: one.rate * (index + 1) };
      return [[name, one.sessions === null ? own : { ...own, [SESSIONS]: one.sessions - index }] as const];
    });
    folded.input({ ...tick, servers: Object.fromEntries(servers) });
  }
  if (!around) throw new Error("no tick");
  return { folded, around };
}

/** The verdict of the changed alarm: from the beginning, by the fold, with nothing of what found the change. */
function verdictOf(alarm: Alarm, changed: AlarmRule, steps: readonly Step[], around: Around): string {
  const { folded } = history({ ...alarm, rule: changed }, steps);
  const { cluster } = folded;
  const kept = cluster.alarms.get(alarm.id);
  if (kept?.alarm.rule.kind !== "composite") return kept?.verdict.kind ?? "gone";
  // What a composite's leaves remember is of the history that was, not of the one that would have been.
  const one = (leafRule: ThresholdRule) => judge(leafRule, cluster.series, 0);
  return judgeComposite(kept.alarm.rule.expression, { ...around, judge: one }).kind;
}

function applied(of: AlarmRule, change: Counterfactual, to: number): AlarmRule {
  const changed = (one: ThresholdRule): ThresholdRule => {
    switch (change.change) {
      case "threshold":
        return withThreshold(one, to);
      case "datapoints_to_alarm":
        return withDatapoints(one, to);
      case "evaluation_periods":
        return withPeriods(one, to);
      case "time":
        throw new Error("time is no change of a rule");
    }
  };
  if (of.kind === "threshold") return changed(of);
  if (of.kind === "event") return of;
  let leaves = 0;
  const within = (part: Expression): Expression => {
    if (part.op === "not") return { ...part, part: within(part.part) };
    if (part.op === "and" || part.op === "or") return { ...part, parts: part.parts.map(within) };
    leaves++;
    return part.op === "rule" && change.rule === `rule${leaves}` ? { ...part, rule: changed(part.rule) } : part;
  };
  return { kind: "composite", expression: within(of.expression) };
}

/** One step from the change back towards what was. */
function oneStepLess({ change, from, to }: Counterfactual): number {
  if (change === "threshold") return to > from ? nextDown(to) : nextUp(to);
  return to > from ? to - 1 : to + 1;
}

describe("the nearest miss", () => {
  it("every change flips the verdict, and one step less does not", () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 1000 : 150;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const counts = { threshold: 0, datapoints_to_alarm: 0, evaluation_periods: 0, time: 0 };
    let inAlarm = 0;
    const holds = fc.property(anyRule, fc.array(step, { minLength: 3, maxLength: 40 }), (of, steps) => {
      const alarm = anAlarm({ name: "one", rule: of });
      const { folded, around } = history(alarm, steps);
      const verdict = folded.verdict("one");
      const ticks = folded.inputs
        .filter((input): input is SealedTick => input.kind === "tick")
        .map((tick, index) => ({ seq: index + 3, tick }));
      const found = nearestOf(alarm, verdict, around, benchOf(folded.cluster, alarm, ticks));
      if (verdict === "alarm") inAlarm++;
      // Where none is found there is none: no other threshold, and no other M, is on the other side.
      const missed = (change: Counterfactual["change"], all: readonly AlarmRule[]) => {
        if (found.some((one) => one.change === change)) return;
        for (const other of all) {
          const after = verdictOf(alarm, other, steps, around);
          expect(after === "alarm", `no ${change} found`).toBe(verdict === "alarm");
        }
      };
      if (of.kind === "threshold") {
        const { threshold, evaluationPeriods } = of;
        const others = [-1e9, threshold - 1, threshold + 1, 1e9];
        missed(
          "threshold",
          others.map((to) => withThreshold(of, to)),
        );
        const all = Array.from({ length: evaluationPeriods }, (_, index) => withDatapoints(of, index + 1));
        missed("datapoints_to_alarm", all);
      }
      for (const change of found) {
        counts[change.change]++;
        const after = verdictOf(alarm, applied(of, change, change.to), steps, around);
        expect(after === "alarm", JSON.stringify(change)).toBe(verdict !== "alarm");
        expect(after).toBe(change.verdict);
        const less = oneStepLess(change);
        if (less === change.from) continue;
        const before = verdictOf(alarm, applied(of, change, less), steps, around);
        expect(before === "alarm", `one step less of ${JSON.stringify(change)}`).toBe(verdict === "alarm");
      }
    });
    fc.assert(holds, { numRuns: runs, seed });
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    console.log(
      `decisions=${runs} in_alarm=${inAlarm} counterfactuals=${all} ${JSON.stringify(counts)} seed=${seed} wrong=0`,
    );
    expect(all).toBeGreaterThan(runs / 2);
  }, 600_000);

  it("neighbours of a number are the nearest ones", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const up = nextUp(value);
        expect(up).toBeGreaterThan(value);
        const middle = value / 2 + up / 2;
        expect(middle === value || middle === up || !Number.isFinite(up)).toBe(true);
        if (Number.isFinite(up)) expect(nextDown(up)).toBe(value + 0);
      }),
    );
    expect([nextUp(0), nextUp(-0), nextDown(0), nextUp(-Number.MIN_VALUE), nextUp(1)]).toEqual([
      Number.MIN_VALUE,
      Number.MIN_VALUE,
      -Number.MIN_VALUE,
      0,
      1 + Number.EPSILON,
    ]);
  });
});
