import { describe, expect, it } from "vitest";
import { alarmDetail, alarmTable } from "../../src/cli/alarm.ts";
import type { ThresholdRuleView } from "../../src/model/ruleView.ts";
import type { AlarmView } from "../../src/serviceView.ts";
import { anAlarm } from "../helpers/fakeView.ts";

const threshold: ThresholdRuleView = {
  meter_name: "network.services.lb.incoming.bytes.rate",
  statistic: "avg",
  per: "total",
  period: 60,
  evaluation_periods: 3,
  datapoints_to_alarm: 2,
  comparison_operator: "ge",
  threshold: 28_000,
  clear_threshold: 28_000,
  treat_missing_data: "missing",
  exclude_outliers: false,
};
const composite = {
  form: "(rule1 or (rule2 and not rule3))",
  rules: { rule1: threshold, rule2: { alarm: "busy" }, rule3: { alarm: "night", state: "ok" } },
};
const event = {
  event_type: "haproxy.server.*",
  query: [{ field: "traits.proxy", op: "eq", value: "web" }],
  auto_ok_after: 600,
};

/** Cells of the one line of the list. */
function line(alarm: AlarmView): string[] {
  const at = Date.parse("2026-11-21T01:00:00Z");
  const rows = alarmTable([alarm], { now: () => at }, Date.parse).split("\n");
  return rows[1]?.split(/ {2,}/) ?? [];
}

describe("the line of an alarm", () => {
  it("of one threshold", () => {
    const alarm = anAlarm("busy", { threshold_rule: threshold, state_timestamp: "2026-11-21T00:55:48Z" });
    expect(line(alarm)).toEqual(["web", "busy", "ok", "4m12s ago", "100 B/s", ">= 28 kB/s"]);
  });

  it("of a composite: its form, cut where it is long", () => {
    const alarm = anAlarm("quiet", { type: "composite", value: null, composite_rule: composite });
    expect(line(alarm)).toEqual(["web", "quiet", "ok", "-", "-", "(rule1 or (rule2 and not rule3))"]);
    const form = `(${Array.from({ length: 20 }, (_, n) => `rule${n + 1}`).join(" or ")})`;
    const shown = line({ ...alarm, composite_rule: { form, rules: {} } }).at(-1);
    expect(shown).toBe("(rule1 or rule2 or rule3 or rule4 or ru…");
    expect(shown).toHaveLength(40);
  });

  it("of an event", () => {
    const alarm = anAlarm("down", { type: "event", value: null, enabled: false, event_rule: event });
    expect(line(alarm)).toEqual(["web", "down", "ok (disabled)", "-", "-", "event haproxy.server.*"]);
  });

  it.each([
    { own: { held_by: "lane" }, note: "held by lane: another action of the cluster is under way" },
    { own: { held_by: "pause" }, note: "held by pause: a person paused the cluster's scaling" },
    {
      own: { held_by: "evidence", held_reason: "lb2 has not answered", verdict: "unknown", verdict_reason: "x" },
      note: "held by evidence: lb2 has not answered",
    },
    {
      own: { held_by: "evidence", verdict: "insufficient data" },
      note: "held by evidence: not enough is known to act",
    },
    // A gate of a newer service than this command.
    { own: { held_by: "toString" }, note: "held by toString: it waits" },
    { own: { verdict: "unknown", verdict_reason: "no tick yet" }, note: "unknown: no tick yet" },
    { own: { verdict: "insufficient data", verdict_reason: "source lb2 is silent" }, note: "source lb2 is silent" },
    { own: { held_by: "pause", held_reason: "paused for 2h" }, note: "held by pause: paused for 2h" },
  ])("says why nothing is sent: $note", ({ own, note }) => {
    expect(line(anAlarm("busy", { threshold_rule: threshold, ...own })).at(-1)).toBe(note);
  });
});

describe("all of an alarm", () => {
  const facts = (alarm: AlarmView) =>
    alarmDetail(alarm)
      .split("\n")
      .slice(1)
      .map((row) => row.split(/ {2,}/));

  it("of one threshold", () => {
    const shown = facts(anAlarm("busy", { threshold_rule: threshold, held_by: "cooldown" }));
    expect(shown).toContainEqual(["rule", "avg of network.services.lb.incoming.bytes.rate per total >= 28 kB/s"]);
    expect(shown).toContainEqual(["datapoints", "2 of 3, each over 60 s"]);
    expect(shown).toContainEqual(["held_by", "cooldown: the cluster cools down after an action"]);
  });

  it("of a composite: each leaf by its name in the form", () => {
    const shown = facts(anAlarm("quiet", { type: "composite", value: null, composite_rule: composite }));
    const rule1 = "avg of network.services.lb.incoming.bytes.rate per total >= 28000, 2 of 3, each over 60 s";
    expect(shown).toContainEqual(["form", "(rule1 or (rule2 and not rule3))"]);
    expect(shown).toContainEqual(["rule1", rule1]);
    expect(shown).toContainEqual(["rule2", "while alarm busy is in alarm"]);
    expect(shown).toContainEqual(["rule3", "while alarm night is in ok"]);
    const now = alarmDetail(anAlarm("quiet", { composite_rule: composite }), [anAlarm("busy", { state: "ok" })]);
    expect(now).toContain("while alarm busy is in alarm (now: ok)");
    expect(shown.map(([name]) => name)).not.toContain("rule");
  });

  it("of an event", () => {
    const shown = facts(anAlarm("down", { type: "event", value: null, event_rule: event }));
    expect(shown).toContainEqual(["event_type", "haproxy.server.*"]);
    expect(shown).toContainEqual(["query", 'traits.proxy = "web"']);
    expect(shown).toContainEqual(["ok again", "600 s after the last"]);
    const forever = facts(anAlarm("down", { type: "event", event_rule: { ...event, auto_ok_after: null } }));
    expect(forever).toContainEqual(["ok again", "never by itself"]);
  });
});
