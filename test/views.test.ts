import { expect, it } from "vitest";
import { alarmView, clusterView } from "../src/views.ts";
import { Folded } from "./helpers/folded.ts";
import { anAlarm, control } from "./helpers/rules.ts";

const busy = () =>
  anAlarm({ name: "busy", actions: { ok: [], alarm: [control("scaler", "out")], "insufficient data": [] } });
const viewOf = ({ cluster }: Folded) => {
  const alarm = cluster.alarms.get("id-busy");
  if (!alarm) throw new Error("there is no such alarm");
  return alarmView(cluster, alarm);
};

it("what holds an action is told in the gate's own words", () => {
  const folded = new Folded([busy()]);
  folded.tick({ sessions: 1 });
  folded.input({ kind: "command", command: "pause", direction: "out" });
  folded.ticks(2, { sessions: 99 });
  expect(viewOf(folded)).toMatchObject({ held_by: "pause", held_reason: expect.stringContaining("paused") });
  folded.input({ kind: "command", command: "resume" });
  folded.tick({ sessions: 99 });
  expect(viewOf(folded)).toMatchObject({ held_by: null, held_reason: null });
});

it("no data while a source is silent: which, and for how long", () => {
  const folded = new Folded([busy()]);
  folded.ticks(4, { sessions: 1 });
  expect(viewOf(folded).verdict_reason).toBeNull();
  folded.ticks(30, { failed: ["s"] });
  expect(viewOf(folded)).toMatchObject({
    verdict: "insufficient data",
    verdict_reason: "source s has not answered for 30 ticks",
  });
  expect(clusterView(folded.cluster).shadow).toBe(false);
});
