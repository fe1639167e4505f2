import { describe, expect, it } from "vitest";
import { meaningOfStatus } from "../../src/notifier/answer.ts";
import type { Scenario } from "../../src/replay/scenario.ts";
import { runScenario } from "../../src/replay/scenarioRun.ts";
import { ScenarioService } from "../../src/replay/scenarioService.ts";
import { expandSeries } from "../../src/replay/seriesNotation.ts";
import { aReport } from "../helpers/reports.ts";
import { anAlarm, control, notice, SESSIONS, theRules } from "../helpers/rules.ts";

const rules = theRules([
  anAlarm({
    name: "many",
    actions: { ok: [], alarm: [control("out", "out"), notice("ops")], "insufficient data": [] },
  }),
]);

const START_MS = 1_767_225_600_000;

/** Two ticks of few sessions, and many from 20 s on: in alarm at 20 s, both receivers called. */
function scenario(fields: Partial<Scenario> = {}): Scenario {
  const expanded = expandSeries("1 1 9x10");
  return {
    name: "a",
    rules,
    intervalMs: 10_000,
    startMs: START_MS,
    sources: ["s"],
    proxy: "web",
    inputSeries: [
      { meter: SESSIONS, source: undefined, server: undefined, values: expanded.ok ? expanded.values : [] },
    ],
    servers: [],
    faults: [],
    events: [],
    commands: [],
    outcomes: [],
    restarts: [],
    alarms: [],
    deliveries: undefined,
    only: undefined,
    holds: [],
    effects: [],
    untilS: 60,
    ...fields,
  };
}

const played = (fields: Partial<Scenario>) => runScenario(scenario(fields), meaningOfStatus);
const anyAlarm = { name: "many", state: undefined, verdict: undefined, reason: undefined, reasonData: undefined };
const anySend = {
  alarm: "many",
  state: undefined,
  previous: undefined,
  repeat: undefined,
  attempt: undefined,
  reason: undefined,
  reasonData: undefined,
};
const out = { ...anySend, at: 20, receiver: "out" };
const ops = { ...anySend, at: 20, receiver: "ops" };

describe("what comes out as expected is no difference", () => {
  it.each<{ name: string; fields: Partial<Scenario> }>([
    { name: "nothing is expected", fields: {} },
    {
      name: "states",
      fields: {
        alarms: [
          { ...anyAlarm, at: 10, state: "ok" },
          { ...anyAlarm, at: 20, state: "alarm" },
        ],
      },
    },
    { name: "sends, in any order within a tick", fields: { deliveries: [ops, out] } },
    { name: "sends of one receiver", fields: { only: ["out"], deliveries: [out] } },
    { name: "the sends of no receiver", fields: { only: [], deliveries: [] } },
    { name: "that nothing is held", fields: { holds: [{ at: 20, alarm: "many", gate: "none", reason: undefined }] } },
  ])("$name", ({ fields }) => expect(played(fields)).toEqual([]));
});

describe("every difference is told, with its time", () => {
  it.each<{ name: string; fields: Partial<Scenario>; says: readonly unknown[] }>([
    {
      name: "a state",
      fields: { alarms: [{ ...anyAlarm, at: 20, state: "ok" }] },
      says: [{ at: 20, expected: "many: state ok", got: "many: state alarm" }],
    },
    {
      name: "a reason",
      fields: { alarms: [{ ...anyAlarm, at: 20, state: "alarm", reason: "because" }] },
      says: [
        {
          at: 20,
          expected: "many: reason because",
          got: 'many: reason "Transition to alarm due to 1 samples outside threshold, most recent: 9.0"',
        },
      ],
    },
    {
      name: "a verdict and data",
      fields: { alarms: [{ ...anyAlarm, at: 20, verdict: "ok", reasonData: { count: 2, type: "threshold" } }] },
      says: [
        {
          at: 20,
          expected: 'many: verdict ok, reason_data {"count":2,"type":"threshold"}',
          got: 'many: verdict alarm, reason_data {"count":1,"type":"threshold"}',
        },
      ],
    },
    {
      name: "a send that was not expected",
      fields: { deliveries: [out] },
      says: [{ at: 20, expected: undefined, got: "many -> ops: state alarm" }],
    },
    {
      name: "a send that did not happen",
      fields: { deliveries: [out, ops, { ...out, at: 50, repeat: 1 }] },
      says: [{ at: 50, expected: "many -> out: repeat 1", got: undefined }],
    },
    {
      name: "a send at another time",
      fields: { deliveries: [{ ...out, at: 30 }, ops] },
      says: [
        { at: 20, expected: undefined, got: "many -> out: state alarm" },
        { at: 30, expected: "many -> out", got: undefined },
      ],
    },
    {
      name: "a send that says something else",
      fields: { deliveries: [{ ...out, previous: "insufficient data", attempt: 1 }, ops] },
      says: [{ at: 20, expected: "many -> out: previous insufficient data", got: "many -> out: previous ok" }],
    },
    {
      name: "one send, expected twice",
      fields: { deliveries: [out, out, ops] },
      says: [{ at: 20, expected: "many -> out", got: undefined }],
    },
    {
      name: "a gate",
      fields: { holds: [{ at: 20, alarm: "many", gate: "lane", reason: undefined }] },
      says: [{ at: 20, expected: "many: held by lane", got: "many: held by none" }],
    },
    {
      name: "an effect",
      fields: { effects: [{ at: 30, alarm: "many", effect: "effective" }] },
      says: [{ at: 30, expected: "many: effect effective", got: "many: effect none" }],
    },
  ])("$name", ({ fields, says }) => expect(played(fields)).toEqual(says));
});

describe("the record of a scenario", () => {
  const tick = (number: number) => ({ number, at: number * 10_000 });
  const started = () => {
    const service = new ScenarioService(rules, 10_000, () => {});
    service.start(tick(100), ["s"]);
    return service;
  };
  const play = (service: ScenarioService, from: number, to: number, sessions: number) => {
    for (let n = from; n <= to; n++) service.tick(tick(n), [aReport(tick(n), sessions)], []);
  };

  it("replays, also over restarts", () => {
    const service = started();
    play(service, 101, 105, 9);
    service.end(true);
    service.start(tick(105), ["s"]);
    play(service, 106, 110, 1);
    expect(service.replayDiffers()).toBeUndefined();
    expect(service.faults).toEqual([]);
  });

  it("tells when what was decided does not follow from what was recorded", () => {
    const service = started();
    play(service, 101, 105, 1);
    // As if the fold remembered something that is not in its record.
    for (const alarm of service.cluster.alarms.values()) alarm.state = "alarm";
    play(service, 106, 106, 1);
    expect(service.replayDiffers()).toMatch(/^decision 2 was \{.*"to":"ok".*\}, and replayed is none$/);
  });

  it("a restart begins with what was committed, not with what was in memory", () => {
    const service = started();
    play(service, 101, 105, 9);
    const before = service.cluster;
    service.end(false);
    expect(service.cluster).not.toBe(before);
    expect([...service.cluster.alarms.values()].map(({ state }) => state)).toEqual(["alarm"]);
    expect(service.cluster.tick).toBe(105);
  });
});
