import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Alarm, ThresholdRule } from "../../src/model/alarm.ts";
import type { Fault, Plan } from "../helpers/blindRun.ts";
import { FAULTS, INTERVAL_S, reach, runAlive, runUnder, Stage } from "../helpers/blindRun.ts";
import { anAlarm, BYTES, control, RATE, SESSIONS } from "../helpers/rules.ts";
import { REQUESTS_RATE, trueValue } from "../helpers/trueLoad.ts";

const MEASURES = [
  { meterName: RATE, statistic: "avg" },
  { meterName: RATE, statistic: "avg", per: "active_server" },
  { meterName: RATE, statistic: "max" },
  { meterName: SESSIONS, statistic: "max" },
  { meterName: SESSIONS, statistic: "avg" },
  { meterName: REQUESTS_RATE, statistic: "sum" },
  { meterName: REQUESTS_RATE, statistic: "avg" },
  { meterName: BYTES, statistic: "increase" },
] as const;

interface Shape {
  readonly measure: (typeof MEASURES)[number];
  readonly comparison: "lt" | "le" | "gt" | "ge";
  readonly ticks: number;
  readonly windows: number;
  readonly needed: number;
  readonly policy: ThresholdRule["treatMissingData"];
  readonly directed: boolean;
  readonly repeats: boolean;
  readonly margin: number;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  measure: fc.constantFrom(...MEASURES),
  comparison: fc.constantFrom("lt", "le", "le", "le", "gt", "ge"),
  ticks: fc.constantFrom(1, 2, 3, 6, 18),
  windows: fc.integer({ min: 1, max: 3 }),
  needed: fc.integer({ min: 1, max: 3 }),
  policy: fc.constantFrom("missing", "ignore", "not_breaching"),
  directed: fc.boolean(),
  repeats: fc.boolean(),
  margin: fc.double({ min: 1.25, max: 8, noNaN: true }),
});

const base = fc.record({
  seed: fc.integer(),
  version: fc.constantFrom("2.0.33", "2.6.12", "3.0.5"),
  servers: fc.integer({ min: 1, max: 5 }),
  sources: fc.constantFrom(1 as const, 2 as const),
  share: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
  bytesPerS: fc.double({ min: 1e4, max: 1e8, noNaN: true }),
  requestsPerS: fc.double({ min: 50, max: 1e4, noNaN: true }),
  sessions: fc.integer({ min: 400, max: 20_000 }),
  shapes: fc.array(shape, { minLength: 1, maxLength: 3 }),
  low: fc.double({ min: 0.05, max: 0.75, noNaN: true }),
  rises: fc.boolean(),
  faultTicks: fc.integer({ min: 1, max: 40 }),
});
type Base = typeof base extends fc.Arbitrary<infer T> ? T : never;

/**
 * HAProxy counts what a stream carried when it ends. A window of which a part lies before the fault proves that there is
 * much only where one tick of the load keeps all of it above the threshold; hence the margin by ticks (rule E4).
 */
function planOf(
  fault: Fault | undefined,
  { shapes, bytesPerS, requestsPerS, sessions, low, sources, ...rest }: Base,
): Plan {
  const ramps = fault === "reload that leaves sessions behind" || fault === "all bytes in open sessions";
  const high = { bytesPerS, requestsPerS, sessions };
  const sized = shapes.map((one) => {
    const ticks = fault === "reload that leaves sessions behind" ? (shapes[0]?.ticks ?? 1) : one.ticks;
    return { ...one, ticks, margin: ramps ? one.margin * ticks : one.margin };
  });
  const alarms = sized.map((one, index) => alarmOf(one, index, high, rest.servers));
  const widest = Math.max(...sized.map(({ margin }) => margin));
  const pair = fault === "one of two gone" || fault === "restart of ours with a source away";
  const rises = rest.rises && !ramps;
  return { ...rest, rises, high, alarms, low: low / widest, sources: pair ? 2 : sources };
}

function alarmOf(one: Shape, index: number, high: Plan["high"], servers: number): Alarm {
  const { measure, comparison, ticks, windows, policy, directed, repeats, margin } = one;
  const downward = comparison === "lt" || comparison === "le";
  const receiver = control("scale", directed ? "in" : "unknown");
  const lists = {
    ok: downward ? [] : [receiver],
    alarm: downward ? [receiver] : [],
    "insufficient data": directed ? [] : [receiver],
  };
  const alarm = anAlarm({
    name: `${index} ${measure.statistic} ${measure.meterName.slice(20)}`,
    ...measure,
    comparison,
    periodS: ticks * INTERVAL_S,
    evaluationPeriods: windows,
    datapointsToAlarm: Math.min(windows, one.needed),
    // Mirrored, this policy is what lint L005 warns of: it takes silence for the low side.
    treatMissingData: !downward && policy === "not_breaching" ? "missing" : policy,
    repeatActions: repeats,
    repeatStates: directed ? [downward ? "alarm" : "ok"] : ["ok", "alarm", "insufficient data"],
    actions: lists,
  });
  if (alarm.rule.kind !== "threshold") throw new Error("not a threshold alarm");
  const threshold =
    trueValue(
      alarm.rule,
      Array.from({ length: ticks }, () => high),
      INTERVAL_S,
      servers,
    ) / margin;
  return { ...alarm, rule: { ...alarm.rule, threshold, clearThreshold: threshold } };
}

const loads = process.env.TOCSIN_TEST_FULL ? 1000 : 40;
/** Some 4 in 1,000 are missed: of fewer loads, chance alone would make it one in a hundred now and then. */
const livelyLoads = process.env.TOCSIN_TEST_FULL ? 1000 : 600;
/** Of low load: until its scale-in must have come, and for a repeat or two of it. */
function livelyTicks({ alarms }: Plan): number {
  return process.env.TOCSIN_TEST_FULL ? 120 : 2 * Math.max(...alarms.map(reach)) + 12;
}

describe("never shrinks blind: no scale-in while a fault hides true traffic", () => {
  it.each(FAULTS)(
    "%s",
    (fault) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const wrong = { directed: 0, undirected: 0 };
      let worst = -Infinity;
      const holds = fc.property(base, (one) => {
        const result = runUnder(fault, planOf(fault, one));
        for (const { directed } of result.wrong) wrong[directed ? "directed" : "undirected"]++;
        expect(result.wrong).toEqual([]);
        for (const [name, ticks] of result.recovery) {
          expect(ticks, `${name}: ticks beyond its windows`).toBeLessThanOrEqual(1);
          worst = Math.max(worst, ticks ?? Infinity);
        }
      });
      fc.assert(holds, { numRuns: loads, seed });
      console.log(
        `blind: fault="${fault}" loads=${loads} seed=${seed} scale_ins_under_fault=${wrong.directed + wrong.undirected} ` +
          `with_direction=${wrong.directed} without=${wrong.undirected}; recovery: worst_ticks=window+${worst} bound=window+1`,
      );
    },
    600_000,
  );
});

describe("and is not lamed by it", () => {
  // A scale-in that is held goes when its window is whole again; a repeat whose tick is blind is dropped (rule A4).
  it.each([{ sources: 1 }, { sources: 2 }] as const)(
    "one poll in a hundred missed, $sources source(s): scale-ins that are right are sent",
    ({ sources }) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const rightful = { first: 0, repeats: 0 };
      const sent = { first: 0, repeats: 0 };
      const counts = fc.property(base, (one) => {
        for (const shape of one.shapes) {
          const plan = planOf(undefined, { ...one, sources, shapes: [shape] });
          const counted = runAlive(plan, livelyTicks(plan));
          for (const kind of ["first", "repeats"] as const) {
            rightful[kind] += counted.rightful[kind];
            sent[kind] += counted.sent[kind];
          }
        }
      });
      fc.assert(counts, { numRuns: livelyLoads, seed });
      const share = ({ first, repeats }: typeof sent) => [first / rightful.first, repeats / rightful.repeats] as const;
      const [begun, repeated] = share(sent);
      console.log(
        `liveness: sources=${sources} seed=${seed} rightful=${rightful.first} sent=${sent.first} share=${begun.toFixed(4)}; ` +
          `of their repeats ${sent.repeats}/${rightful.repeats} share=${repeated.toFixed(4)}`,
      );
      expect(begun).toBeGreaterThanOrEqual(0.99);
      expect(repeated).toBeGreaterThanOrEqual(0.9);
    },
    600_000,
  );
});

/** One alarm under a steady high load, after its windows have filled. */
function steady(fields: Partial<Base> & { readonly shape: Partial<Shape> }): Stage {
  const plain: Shape = {
    measure: MEASURES[0],
    comparison: "le",
    ticks: 1,
    windows: 1,
    needed: 1,
    policy: "missing",
    directed: true,
    repeats: false,
    margin: 1.25,
  };
  const { shape: own, ...rest } = fields;
  const load = { bytesPerS: 1e6, requestsPerS: 1000, sessions: 400, low: 0.5, rises: false, faultTicks: 1, seed: 1 };
  const plant = { version: "2.6.12", servers: 2, sources: 1, share: 0.1 } as const;
  const stage = new Stage(
    planOf(undefined, { ...load, ...plant, shapes: [{ ...plain, ...own }], ...rest }),
    1,
    () => "rejected",
  );
  for (let tick = 0; tick < 20; tick++) stage.tick(1);
  return stage;
}

function sent(stage: Stage): readonly string[] {
  return stage.watcher.sent.map(({ tick, send }) => `tick ${tick}: ${send.notification.reason}`);
}

describe("a steady high load is not scaled in", () => {
  it("one poll of one of two sources is lost: a gauge's average leaves that sample out", () => {
    const stage = steady({ sources: 2, shape: { measure: MEASURES[4], ticks: 2 } });
    stage.tick(1, { asked: (source) => source === 0 });
    stage.tick(1);
    expect(sent(stage)).toEqual([]);
  });

  it("one poll is lost: a sum over samples that lacks one proves nothing low", () => {
    const stage = steady({ shape: { measure: MEASURES[5], ticks: 6, margin: 1.12 } });
    stage.tick(1, { asked: () => false });
    stage.tick(1);
    expect(sent(stage)).toEqual([]);
  });

  it("a reload leaves sessions behind: for one window active.connections proves nothing low", () => {
    const stage = steady({ shape: { measure: MEASURES[3] } });
    stage.tick(1, { elsewhere: true, replaced: { source: "all", after: 0 } });
    expect(sent(stage)).toEqual([]);
  });

  it("HAProxy is restarted late in a tick while no session is open: what it had counted is not covered", () => {
    const stage = steady({ sessions: 0, shape: {} });
    stage.tick(1, { replaced: { source: "all", after: 0.8 } });
    expect(sent(stage)).toEqual([]);
  });

  // By rule E4 a window that holds a byte is believed, however long ago that moved: what is left of it is not proved low.
  it.fails("unless no stream ends for most of a window that still holds a byte of what was before", () => {
    const stage = steady({ shape: { ticks: 6, repeats: true, margin: 4 }, low: 0.1 });
    for (let tick = 0; tick < 5; tick++) stage.tick(1, { held: true });
    expect(sent(stage)).toEqual([]);
  });
});
