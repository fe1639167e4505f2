/**
 * The evaluator against Aodh's tables. The ground is the one they have in common:
 * - Every source answers at every tick, and windows have filled with nothing before anything is compared: of windows that
 *   nobody saw Aodh says "missing" and Tocsin "unknown" (rule E3).
 * - An evaluation is a tick and repeats are due at each one, in every state: Aodh has no slots of its own (rule A4).
 * - Over several ticks samples are whole numbers, so that sums are exact in any order.
 * - On meters that cannot be below zero thresholds are above it: windows before the first tick prove "at least 0".
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Comparison, Expression, Severity, State, Statistic, ThresholdRule } from "../../src/model/alarm.ts";
import { leavesOf } from "../../src/model/alarm.ts";
import type { Decision } from "../../src/model/decision.ts";
import { aodhBody } from "../../src/notifier/aodhBody.ts";
import { Folded } from "../helpers/folded.ts";
import { aRule, theRules } from "../helpers/rules.ts";
import {
  type AodhAlarm,
  type Evaluated,
  evaluateComposite,
  evaluateThreshold,
  type Windows,
  windowsAsked,
} from "../oracle/aodh.ts";
import { aLeaf, playTick, stateOf, TICK_S, theAlarm } from "../oracle/stage.ts";

const FULL = process.env.TOCSIN_TEST_FULL !== undefined;
const LB = "network.services.lb";
/** A sum, which is never negative; means and counts of servers, of which a part proves nothing. */
const METERS = ["active.connections", "queue.current", "response.time", "connect.time", "members.total"].map(
  (name) => `${LB}.${name}`,
);
const [SUM = "", , MEAN = ""] = METERS;
const comparison = fc.constantFrom<Comparison>("lt", "le", "eq", "ne", "ge", "gt");
const aodhStatistic = fc.constantFrom<Statistic>("avg", "max", "min", "sum", "count");
const severity = fc.constantFrom<Severity>("low", "moderate", "critical");

/** A sample of each tick, oldest first; `null`: the meter has no value at that tick. */
type Stream = readonly (number | null)[];

function naive(statistic: Statistic, samples: readonly number[]): number {
  const sum = samples.reduce((a, b) => a + b, 0);
  switch (statistic) {
    case "avg":
      return sum / samples.length;
    case "max":
      return Math.max(...samples);
    case "min":
      return Math.min(...samples);
    case "sum":
      return sum;
    case "count":
      return samples.length;
    default:
      throw new Error(`Aodh has no ${statistic}`);
  }
}

/** The windows Aodh would ask for at the end of the stream. */
function windowsOf(rule: ThresholdRule, stream: Stream): Windows {
  const ticks = rule.periodS / TICK_S;
  return Array.from({ length: windowsAsked(rule) }, (_, index) => {
    const back = windowsAsked(rule) - index;
    const from = stream.length - back * ticks;
    const samples = stream.slice(Math.max(0, from), Math.max(0, from + ticks)).filter((one) => one !== null);
    return samples.length === 0 ? undefined : { value: naive(rule.statistic, samples), count: samples.length };
  });
}

/** Ticks until every window that a rule may read is complete. */
function warmUp(rules: readonly ThresholdRule[]): number {
  return Math.max(...rules.map((rule) => (windowsAsked(rule) * rule.periodS) / TICK_S));
}

function expected(state: State, evaluated: Evaluated | undefined): string {
  if (!evaluated) return `${state} | nothing`;
  const transition = evaluated.changed ? `${state} -> ${evaluated.state}: ${evaluated.reason}` : "nothing";
  return `${evaluated.state} | ${transition} | to ${evaluated.state}: ${evaluated.body}`;
}

function seen(folded: Folded, decisions: readonly Decision[]): string {
  const transitions = decisions.flatMap((one) =>
    one.d === "transition" ? [`${one.from} -> ${one.to}: ${one.reason}`] : [],
  );
  const sends = decisions.flatMap((one) =>
    one.d === "send" ? [`to ${one.receiver}: ${aodhBody(one.notification).toString()}`] : [],
  );
  const repeated = transitions.length === 0 && sends.length > 0 ? ["nothing"] : [];
  const both = [...transitions, ...repeated, ...sends];
  return [stateOf(folded, "a"), ...(both.length === 0 ? ["nothing"] : both)].join(" | ");
}

/** Plays the streams of some meters; returns what was expected of each tick after the warm-up, and what was seen. */
function play(
  alarm: ReturnType<typeof theAlarm>,
  rules: readonly ThresholdRule[],
  ticks: readonly Readonly<Record<string, number>>[],
  evaluate: (state: State, streamOf: (meter: string) => Stream) => Evaluated | undefined,
): readonly [expected: readonly string[], seen: readonly string[]] {
  const folded = new Folded(theRules([alarm]), ["s"]);
  const streams = new Map<string, (number | null)[]>();
  const timelines: [string[], string[]] = [[], []];
  const warm = warmUp(rules);
  let state: State = "insufficient data";
  [...Array.from({ length: warm }, () => ({})), ...ticks].forEach((values: Readonly<Record<string, number>>, index) => {
    for (const meter of METERS) streams.set(meter, [...(streams.get(meter) ?? []), values[meter] ?? null]);
    const decisions = playTick(folded, values);
    if (index < warm) return;
    const evaluated = evaluate(state, (meter) => streams.get(meter) ?? []);
    timelines[0].push(expected(state, evaluated));
    timelines[1].push(seen(folded, decisions));
    state = evaluated?.state ?? state;
  });
  return timelines;
}

/** Samples that lie on both sides of a threshold, often upon it. */
function samples(threshold: fc.Arbitrary<number>, whole: boolean, maxLength: number) {
  return threshold.chain((limit) => {
    const near = fc.constantFrom(limit, limit, limit - 1, limit + 1, 0).filter((value) => value >= 0);
    const other = whole ? fc.integer({ min: 0, max: 12 }) : fc.double({ min: 0, max: 2 * limit + 1, noNaN: true });
    const sample = fc.oneof(
      { weight: 4, arbitrary: whole ? near.map(Math.round) : near },
      { weight: 3, arbitrary: other.map((value) => value + 0) },
      { weight: 1, arbitrary: fc.constant(null) },
    );
    // Values stay on one side for a while: unanimous windows are rare otherwise.
    const stretch = fc
      .tuple(sample, fc.constantFrom(1, 1, 2, 4))
      .map(([one, times]) => Array<number | null>(times).fill(one));
    return fc.record({
      limit: fc.constant(limit),
      stream: fc.array(stretch, { minLength: 1, maxLength }).map((stretches) => stretches.flat()),
    });
  });
}

const oneTick = fc.record({
  periodTicks: fc.constant(1),
  data: samples(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0.1, 1e-5, 2.5, 1e16, 123456.75)), false, 14),
});
const severalTicks = fc.record({
  periodTicks: fc.integer({ min: 2, max: 6 }),
  data: samples(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0.5, 2.5)), true, 30),
});

/** Long streams in which windows are full but for some: only there does the number of samples tell outliers. */
const mostlyFull = fc.record({
  periodTicks: fc.integer({ min: 3, max: 6 }),
  data: fc
    .array(
      fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 3, max: 7 }) }, { weight: 1, arbitrary: fc.constant(null) }),
      { minLength: 20, maxLength: 60 },
    )
    .map((stream) => ({ limit: 5, stream })),
});

const rules = {
  evaluationPeriods: fc.integer({ min: 1, max: 5 }),
  comparison,
  statistic: aodhStatistic,
  repeatActions: fc.boolean(),
  severity,
  meterName: fc.constantFrom(SUM, MEAN),
};
const thresholdCase = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      ...rules,
      shape: fc.oneof({ weight: 2, arbitrary: oneTick }, { weight: 1, arbitrary: severalTicks }),
      excludeOutliers: fc.oneof(
        { weight: 4, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...rules, shape: mostlyFull, excludeOutliers: fc.constant(true) }) },
);

/** A tree as it is drawn: `leaf` is an index into the leaves, filled in reading order. */
type Tree = { readonly op: "and" | "or"; readonly parts: readonly Tree[] } | "leaf";

const operator = fc.constantFrom("and" as const, "or" as const);
const { tree } = fc.letrec<{ tree: Tree; part: Tree; leaf: Tree; inner: Tree }>((tie) => ({
  leaf: fc.constant("leaf"),
  inner: fc.record({ op: operator, parts: fc.array(tie("leaf"), { minLength: 1, maxLength: 3 }) }),
  part: fc.oneof(
    tie("leaf"),
    fc.record({ op: operator, parts: fc.array(fc.oneof(tie("leaf"), tie("inner")), { minLength: 1, maxLength: 2 }) }),
  ),
  tree: fc.record({ op: operator, parts: fc.array(tie("part"), { minLength: 1, maxLength: 3 }) }),
}));

function leafCount(one: Tree): number {
  return one === "leaf" ? 1 : one.parts.reduce((sum, part) => sum + leafCount(part), 0);
}

const leafCase = fc.record({
  meterName: fc.constantFrom(...METERS),
  evaluationPeriods: fc.integer({ min: 1, max: 3 }),
  comparison,
  threshold: fc.constantFrom(1, 2, 2.5),
});

const compositeCase = fc.record({
  form: tree.filter((one) => leafCount(one) >= 2 && leafCount(one) <= 5),
  leaves: fc.array(leafCase, { minLength: 5, maxLength: 5 }),
  repeatActions: fc.boolean(),
  severity,
  ticks: fc.array(
    fc.array(fc.constantFrom(0, 1, 2, 3, 4, null), { minLength: METERS.length, maxLength: METERS.length }),
    { minLength: 1, maxLength: 12 },
  ),
});

function expressionOf(one: Tree, rules: Iterator<ThresholdRule>): Expression {
  if (one === "leaf") return aLeaf(rules.next().value ?? aRule());
  return { op: one.op, parts: one.parts.map((part) => expressionOf(part, rules)) };
}

describe("with defaults and complete evidence the evaluator is Aodh", () => {
  const aodh = (repeatActions: boolean, severity: Severity): AodhAlarm => ({
    id: "id-a",
    name: "a",
    severity,
    repeatActions,
  });

  it("threshold alarms: states, notifications, reasons and bodies, to the byte", () => {
    const agrees = fc.property(thresholdCase, ({ shape, repeatActions, severity, meterName, ...fields }) => {
      const { periodTicks, data } = shape;
      const rule = aRule({ ...fields, threshold: data.limit, periodS: periodTicks * TICK_S, meterName });
      const full = { ...rule, datapointsToAlarm: rule.evaluationPeriods, clearThreshold: rule.threshold };
      const alarm = theAlarm("a", full, { repeatActions, severity });
      const ticks = data.stream.map((value) => (value === null ? {} : { [meterName]: value }));
      const [wanted, got] = play(alarm, [full], ticks, (state, streamOf) =>
        evaluateThreshold(aodh(repeatActions, severity), full, state, windowsOf(full, streamOf(meterName))),
      );
      expect(got).toEqual(wanted);
    });
    const numRuns = FULL ? 100_000 : 2000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(agrees, { numRuns, seed });
    console.log(`aodh oracle streams=${numRuns} seed=${seed} differ=0`);
  }, 3_600_000);

  it("composites: short cuts, trends, causes, to the byte", () => {
    const agrees = fc.property(compositeCase, ({ form, leaves, repeatActions, severity, ticks }) => {
      const rules = leaves.map((leaf) => aRule(leaf)).slice(0, leafCount(form));
      const expression = expressionOf(form, rules.values());
      const alarm = theAlarm("a", { kind: "composite", expression }, { repeatActions, severity });
      const values = ticks.map((row) =>
        Object.fromEntries(
          METERS.map((meter, index) => [meter, row[index] ?? null] as const).filter(([, one]) => one !== null),
        ),
      ) as Record<string, number>[];
      expect(leavesOf(expression)).toHaveLength(rules.length);
      const [wanted, got] = play(alarm, rules, values, (state, streamOf) =>
        evaluateComposite(aodh(repeatActions, severity), expression, state, (leaf) => {
          const rule = rules[leaf] ?? aRule();
          return windowsOf(rule, streamOf(rule.meterName));
        }),
      );
      expect(got).toEqual(wanted);
    });
    const numRuns = FULL ? 100_000 : 2000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(agrees, { numRuns, seed });
    console.log(`aodh composite oracle streams=${numRuns} seed=${seed} differ=0`);
  }, 3_600_000);

  it("the recorded sequence of a real Aodh: three periods, gt 5", () => {
    const rule = aRule({ evaluationPeriods: 3, threshold: 5 });
    const states: (readonly [State, string] | undefined)[] = [];
    let state: State = "insufficient data";
    for (const values of [[1], [1, 2, 3], [1, 2, 3], [6, 7, 8], [6, 2, 8], [1, 1, 1], [6, 7], [6, 7], [9, 6, 7, 8]]) {
      const windows = values.map((value) => ({ value, count: 1 }));
      const evaluated = evaluateThreshold(aodh(false, "low"), rule, state, windows);
      states.push(evaluated && [evaluated.state, evaluated.reason]);
      state = evaluated?.state ?? state;
    }
    expect(states).toEqual([
      undefined,
      ["ok", "Transition to ok due to 3 samples inside threshold, most recent: 3.0"],
      undefined,
      ["alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 8.0"],
      undefined,
      ["ok", "Transition to ok due to 3 samples inside threshold, most recent: 1.0"],
      ["insufficient data", "3 datapoints are unknown"],
      undefined,
      ["alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 8.0"],
    ]);
  });
});
