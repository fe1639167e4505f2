/**
 * The evaluator against what it adds to Aodh: random pasts of one or two sources that fail, come back with what they
 * owe, are reloaded, and of ticks that nobody saw. Each verdict is compared by itself, and the state with what the
 * state before makes of it. Verdicts on which the rules are silent are counted and not compared.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expression, State, ThresholdRule } from "../../src/model/alarm.ts";
import { leavesOf } from "../../src/model/alarm.ts";
import type { MeterKind } from "../oracle/datapoints.ts";
import { type Judged, judge, nextState } from "../oracle/extensions.ts";
import { judgeComposite, type Part, partOfReference, partOfRule } from "../oracle/kleene.ts";
import { chosen, cluster, history, METERS, Played } from "../oracle/past.ts";
import { aLeaf, stateOf, theAlarm } from "../oracle/stage.ts";

const FULL = process.env.TOCSIN_TEST_FULL !== undefined;

/** Of each tick what was judged and which state that makes, where the rules say so. */
interface Compared {
  readonly wanted: string[];
  readonly got: string[];
}

function compareOne({ wanted, got }: Compared, played: Played, name: string, before: State, judged: Judged): boolean {
  if (judged.kind === "unspecified") return false;
  const tick = `${played.past.length} ${name}`;
  wanted.push(`${tick}: ${judged.kind}, ${nextState(before, judged)}`);
  got.push(`${tick}: ${played.verdict(name)}, ${stateOf(played.folded, name)}`);
  return true;
}

const reference = (name: string): fc.Arbitrary<Expression> =>
  fc
    .option(fc.constantFrom<State>("ok", "alarm", "insufficient data"), { nil: undefined })
    .map((state) => ({ op: "alarm", alarmId: `id-${name}`, name, state }));

/** A leaf's own hysteresis would leave open which way it has not moved yet; so would M of N. */
const inline = chosen.map(({ rule }) =>
  aLeaf({ ...rule, clearThreshold: rule.threshold, datapointsToAlarm: rule.evaluationPeriods }),
);

function expressions(names: readonly string[]): fc.Arbitrary<Expression> {
  const leaf = fc.oneof(...names.map(reference), inline);
  const wrapped = fc.oneof(
    { weight: 3, arbitrary: leaf },
    { weight: 1, arbitrary: leaf.map((part): Expression => ({ op: "not", part })) },
  );
  const op = fc.constantFrom("and" as const, "or" as const);
  const inner = fc.record({ op, parts: fc.array(wrapped, { minLength: 1, maxLength: 2 }) });
  const part = fc.oneof(
    wrapped,
    inner,
    inner.map((one): Expression => ({ op: "not", part: one })),
  );
  return fc.record({ op, parts: fc.array(part, { minLength: 1, maxLength: 3 }) });
}

function kindOf(rule: ThresholdRule): MeterKind {
  return rule.meterName === METERS.rate ? "rate" : rule.meterName === METERS.mean ? "mean" : "sum";
}

function judgeExpression(expression: Expression, played: Played, before: State): Judged {
  const parts: Part[] = [];
  for (const leaf of leavesOf(expression)) {
    const part =
      leaf.op === "rule"
        ? partOfRule(judge(leaf.rule, kindOf(leaf.rule), played.past), before)
        : partOfReference(leaf.state, stateOf(played.folded, leaf.name), played.verdict(leaf.name) === "unknown");
    if (part === "unspecified") return { kind: "unspecified", why: "a leaf is" };
    parts.push(part);
  }
  return judgeComposite(expression, parts);
}

function report(what: string, streams: number, seed: number, counts: { compared: number; silent: number }): void {
  const { compared, silent } = counts;
  console.log(`${what} streams=${streams} seed=${seed} verdicts=${compared} unspecified=${silent} differ=0`);
}

describe("evidence, M of N, hysteresis, policies, servers and Kleene's logic", () => {
  it("threshold rules: every verdict and state equals one made from the whole past", () => {
    const counts = { compared: 0, silent: 0 };
    const agrees = fc.property(chosen, cluster, history, ({ kind, rule }, shape, ticks) => {
      const played = new Played([theAlarm("a", rule)], shape);
      const compared: Compared = { wanted: [], got: [] };
      for (const one of ticks) {
        const before = stateOf(played.folded, "a");
        played.tick(one);
        if (compareOne(compared, played, "a", before, judge(rule, kind, played.past))) counts.compared++;
        else counts.silent++;
      }
      expect(compared.got).toEqual(compared.wanted);
    });
    const numRuns = FULL ? 100_000 : 2000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(agrees, { numRuns, seed });
    report("extensions oracle", numRuns, seed, counts);
    // A comparison that mostly does not happen proves nothing.
    expect(counts.silent).toBeLessThan(counts.compared);
  }, 3_600_000);

  it("composites: not, references, references to a state", () => {
    const counts = { compared: 0, silent: 0 };
    const pair = fc.record({
      x: chosen,
      y: chosen,
      first: expressions(["x", "y"]),
      second: expressions(["x", "c"]),
      shape: cluster,
      ticks: history,
    });
    const agrees = fc.property(pair, ({ x, y, first, second, shape, ticks }) => {
      const composites = { c: first, d: second };
      // Referring alarms come first: the order of the file must not matter.
      const alarms = [
        theAlarm("d", { kind: "composite", expression: second }),
        theAlarm("c", { kind: "composite", expression: first }),
        theAlarm("x", x.rule),
        theAlarm("y", y.rule),
      ];
      const played = new Played(alarms, shape);
      const compared: Compared = { wanted: [], got: [] };
      for (const one of ticks) {
        const before = Object.fromEntries(["c", "d"].map((name) => [name, stateOf(played.folded, name)]));
        played.tick(one);
        for (const [name, expression] of Object.entries(composites)) {
          const state = before[name] ?? "insufficient data";
          if (compareOne(compared, played, name, state, judgeExpression(expression, played, state))) counts.compared++;
          else counts.silent++;
        }
      }
      expect(compared.got).toEqual(compared.wanted);
    });
    const numRuns = FULL ? 50_000 : 1000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(agrees, { numRuns, seed });
    report("kleene oracle", numRuns, seed, counts);
    expect(counts.silent).toBeLessThan(counts.compared);
  }, 3_600_000);
});
