import { describe, expect, it } from "vitest";
import type { Action, Alarm } from "../../src/model/alarm.ts";
import type { GateExplanation } from "../../src/model/explanation.ts";
import { gatesOf } from "../../src/replay/gateList.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, control, theRules } from "../helpers/rules.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const scaled: Action = { ...control("out", "out"), scale: "proportional" };

/** Gates of what an alarm that has just fired would owe. */
function gatesAfter(fields: Partial<Alarm>): readonly GateExplanation[] {
  const alarm = anAlarm({ name: "out", per: "active_server", ...fields });
  const folded = new Folded(theRules([alarm], { capacity: { min: 1, max: 2 } }));
  folded.ticks(3, { sessions: 4, members: { a: "up", b: "up" } });
  folded.input({ kind: "command", command: "pause" });
  folded.tick({ sessions: 90 });
  const state = folded.cluster.alarms.get("id-out");
  if (!state?.owed) throw new Error("nothing is owed");
  return gatesOf(folded.cluster, state, state.owed);
}

const closed = (gates: readonly GateExplanation[]) => gates.filter(({ passed }) => !passed).map(({ gate }) => gate);

describe("every gate by itself", () => {
  it("shows that a proportional action has no room, with what else holds it", () => {
    const gates = gatesAfter({ actions: inAlarm(scaled) });
    expect(closed(gates)).toEqual(["pause", "capacity"]);
    expect(gates.find(({ gate }) => gate === "capacity")).toEqual({
      gate: "capacity",
      passed: false,
      reason: "the cluster has 2 of at most 2 servers",
      opens_at: null,
    });
  });

  it("shows no capacity where the action is not proportional", () => {
    expect(closed(gatesAfter({ actions: inAlarm(control("out", "out")) }))).toEqual(["pause"]);
  });

  it.each([
    { name: "an alarm", fields: { shadow: true, actions: inAlarm(control("out", "out")) } as const, shown: true },
    {
      name: "all receivers",
      fields: { actions: inAlarm({ ...control("out", "out"), shadow: true }) } as const,
      shown: true,
    },
    {
      name: "one of two receivers",
      fields: { actions: inAlarm({ ...control("a", "out"), shadow: true }, control("b", "out")) } as const,
      shown: false,
    },
  ])("shows the shadow of $name: $shown", ({ fields, shown }) => {
    expect(closed(gatesAfter(fields))).toEqual(shown ? ["pause", "shadow"] : ["pause"]);
  });
});
