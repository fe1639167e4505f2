import { expect, it } from "vitest";
import { emptyCluster } from "../src/evaluator/cluster.ts";
import { troubles } from "../src/health.ts";

const AT = 1_000_000;

function cluster(fields: { at?: number; lastOk?: number; alarms?: number; kind?: string } = {}) {
  const state = emptyCluster("web");
  state.tick = 100;
  state.at = fields.at ?? AT;
  state.rules = {
    clusterId: "web",
    clusterName: "web",
    file: "web.yaml",
    rows: [],
    expect: 0,
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms: Array.from({ length: fields.alarms ?? 1 }, () => ({ rule: { kind: fields.kind ?? "threshold" } }) as never),
  };
  if (fields.lastOk !== undefined) state.lastOk.set("lb", fields.lastOk);
  return state;
}

it.each([
  { name: "all is well", given: cluster({ lastOk: 97 }), expected: [] },
  { name: "no cluster at all is no fault", given: undefined, expected: [] },
  { name: "a source is silent", given: cluster({ lastOk: 96 }), expected: ["web: no source answers"] },
  { name: "no source was ever there", given: cluster(), expected: ["web: no source answers"] },
  { name: "ticks stand still", given: cluster({ lastOk: 100, at: AT - 30_001 }), expected: ["web: no tick is judged"] },
  { name: "a cluster of event alarms needs no source", given: cluster({ kind: "event" }), expected: [] },
  { name: "a cluster without alarms needs nothing", given: cluster({ alarms: 0 }), expected: [] },
])("the path: $name", ({ given, expected }) => {
  expect(troubles(given ? [given] : [], [], AT)).toEqual(expected);
});

it("what the service says of itself counts, too", () => {
  expect(troubles([], ["web: disk full"], AT)).toEqual(["web: disk full"]);
});
