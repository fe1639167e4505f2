import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Datapoint } from "../../src/evaluator/datapoint.ts";
import { judgePoints } from "../../src/evaluator/judge.ts";
import { step } from "../../src/evaluator/transition.ts";
import { floatRepr } from "../../src/lib/python.ts";
import type { Comparison, State } from "../../src/model/alarm.ts";
import { compare } from "../../src/model/alarm.ts";
import { anAlarm } from "../helpers/rules.ts";

/** Datapoints as Aodh has them: the newest last, and of a missing one nothing at all. */
function judgeValues(alarm: ReturnType<typeof anAlarm>, statistics: readonly number[]) {
  const points = statistics
    .slice(-alarm.evaluationPeriods)
    .toReversed()
    .map((value): Datapoint => {
      const breaches = compare(value, alarm.comparison, alarm.threshold);
      return { kind: "value", value, breaches, clears: !breaches };
    });
  return judgePoints(alarm, points);
}

interface Told {
  readonly notifies: boolean;
  readonly state: State;
  readonly reason: string;
  readonly data: { readonly disposition: string; readonly count: number; readonly most_recent: number | null };
}

/**
 * Aodh's evaluator as a table (aodh/evaluator/threshold.py as its behaviour is documented): which row applies, and
 * what it says. Written from that table alone.
 */
function aodh(
  n: number,
  op: Comparison,
  limit: number,
  state: State,
  repeat: boolean,
  all: readonly number[],
): Told | undefined {
  const statistics = all.slice(-n);
  const outside = statistics.filter((value) => compare(value, op, limit)).length;
  const last = statistics.at(-1);
  const shown = last === undefined ? "None" : floatRepr(last);
  const unknown = state === "insufficient data";
  const say = (to: State): Told => {
    const inside = to === "ok";
    const count = inside ? statistics.length - outside : outside;
    const disposition = inside ? "inside" : "outside";
    const verb = to === state ? "Remaining as" : "Transition to";
    const reason = `${verb} ${to} due to ${count} samples ${disposition} threshold, most recent: ${shown}`;
    return { notifies: true, state: to, reason, data: { disposition, count, most_recent: last ?? null } };
  };
  if (statistics.length < n) {
    if (!unknown) {
      const data = { disposition: "unknown", count: n, most_recent: last ?? null };
      return { notifies: true, state: "insufficient data", reason: `${n} datapoints are unknown`, data };
    }
    if (!repeat) return undefined;
    const data = { disposition: "outside", count: 0, most_recent: last ?? null };
    const reason = `Remaining as insufficient data due to 0 samples outside threshold, most recent: ${shown}`;
    return { notifies: true, state, reason, data };
  }
  if (outside === n || outside === 0) {
    const to = outside === n ? "alarm" : "ok";
    return to !== state || repeat ? say(to) : undefined;
  }
  if (unknown) return say(last !== undefined && compare(last, op, limit) ? "alarm" : "ok");
  return repeat ? say(state) : undefined;
}

describe("the state machine is Aodh's, texts included", () => {
  it("for any datapoints, operator, state and repeat_actions", () => {
    const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 10 }), fc.double({ noNaN: true, min: 0, max: 10 })), {
      maxLength: 6,
    });
    const agrees = fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom<Comparison>("lt", "le", "eq", "ne", "ge", "gt"),
      fc.constantFrom<State>("ok", "alarm", "insufficient data"),
      fc.boolean(),
      values,
      (n, comparison, state, repeat, statistics) => {
        const alarm = anAlarm({ name: "a", evaluationPeriods: n, comparison, threshold: 5, repeatActions: repeat });
        const next = step(alarm, state, judgeValues(alarm, statistics));
        // A `remain` is told only where actions repeat.
        const told = next?.kind === "remain" && !repeat ? undefined : next;
        const expected = aodh(n, comparison, 5, state, repeat, statistics);
        expect(told?.to).toBe(expected?.state);
        expect(told?.reason).toBe(expected?.reason);
        expect(told && { ...told.reasonData }).toEqual(
          expected && {
            disposition: expected.data.disposition,
            count: expected.data.count,
            mostRecent: expected.data.most_recent,
          },
        );
      },
    );
    fc.assert(agrees, { numRuns: 5000 });
  });

  it("the recorded sequence of a real Aodh: three periods, gt 5", () => {
    const alarm = anAlarm({ name: "a", evaluationPeriods: 3, threshold: 5 });
    let state: State = "insufficient data";
    const seen: (readonly [string, string] | undefined)[] = [];
    for (const values of [[1], [1, 2, 3], [1, 2, 3], [6, 7, 8], [6, 2, 8], [1, 1, 1], [6, 7], [6, 7], [9, 6, 7, 8]]) {
      const next = step(alarm, state, judgeValues(alarm, values));
      const changed = next?.kind === "transition" ? next : undefined;
      seen.push(changed && [changed.to, changed.reason]);
      state = changed?.to ?? state;
    }
    expect(seen).toEqual([
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

  it.each([
    {
      values: [1, 2, 8],
      to: "alarm",
      reason: "Transition to alarm due to 1 samples outside threshold, most recent: 8.0",
    },
    { values: [8, 8, 2], to: "ok", reason: "Transition to ok due to 1 samples inside threshold, most recent: 2.0" },
  ])("from insufficient data a mixed window takes the newest side: $values", ({ values, to, reason }) => {
    const alarm = anAlarm({ name: "a", evaluationPeriods: 3, threshold: 5 });
    expect(step(alarm, "insufficient data", judgeValues(alarm, values))).toMatchObject({
      kind: "transition",
      to,
      reason,
    });
  });
});
