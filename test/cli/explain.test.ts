import { describe, expect, it } from "vitest";
import { explainText, historyTable, lacksSends, latenessText } from "../../src/cli/explain.ts";
import { nextDown } from "../../src/lib/floats.ts";
import type { Decision } from "../../src/model/decision.ts";
import type { Explanation } from "../../src/model/explanation.ts";
import type { DeliveryView } from "../../src/serviceView.ts";

const AT = Date.UTC(2026, 10, 21);
const explanation = (own: Partial<Explanation> = {}): Explanation => ({
  version: 1,
  alarm_id: "id",
  name: "busy",
  type: "threshold",
  cluster_id: "web",
  cluster_name: "web",
  tick: { number: 7, timestamp: "2026-11-21T00:00:00.000Z", interval: 10 },
  state: "alarm",
  state_before: "alarm",
  state_reason: "",
  state_timestamp: null,
  transition: null,
  verdict: "alarm",
  verdict_reason: null,
  rules: [],
  composite: null,
  action: { status: "done", opens_at: null },
  gates: [],
  lane: { phase: "idle", alarm: null, direction: null, sent_at: null, until: null },
  deliveries: [],
  next_repeat: null,
  nearest: [],
  lacks: [],
  ...own,
});
const row = (text: string, label: string) =>
  text
    .split("\n")
    .find((line) => line.startsWith(`  ${label} `))
    ?.slice(14);

describe("what an explanation says", () => {
  it("of what is not sent in shadow mode", () => {
    const shadow = { gate: "shadow", passed: false, reason: "nothing is sent", opens_at: null };
    expect(explainText(explanation({ gates: [shadow] }))).toContain("action decided, not sent (shadow)");
    expect(explainText(explanation())).toContain("state alarm, action done");
  });

  it.each([
    { alarm: "busy", says: "in flight, its own action (out), sent 2026-11-21T00:00:00Z" },
    { alarm: "other", says: "in flight of other (out), sent 2026-11-21T00:00:00Z" },
  ])("of the lane with an action of $alarm", ({ alarm, says }) => {
    const lane = { phase: "in flight", alarm, direction: "out", sent_at: "2026-11-21T00:00:00.000Z", until: null };
    expect(row(explainText(explanation({ lane })), "lane")).toBe(says);
  });

  it.each([
    { from: 5, to: nextDown(0), says: "< 0.0" },
    { from: 5, to: 0, says: "<= 0.0" },
    { from: 5, to: 90, says: ">= 90.0" },
    { from: -5, to: Number.MIN_VALUE, says: "> 0.0" },
  ])("of the nearest threshold $to", ({ from, to, says }) => {
    const nearest = [{ change: "threshold", rule: null, from, to, verdict: "ok", with: {} }] as const;
    expect(row(explainText(explanation({ nearest })), "nearest")).toBe(`would be ok with threshold ${says}`);
  });

  it("of a tick after the newest, and of one that is missing", () => {
    expect(latenessText(explanation(), "2026-11-21T00:00:00.000Z")).toBe(
      "nothing later is recorded; the newest tick is 2026-11-21T00:00:00Z",
    );
    expect(latenessText(explanation(), "2026-11-21T01:00:00.000Z")).toContain("no tick is recorded between");
  });
});

describe("the history", () => {
  const end: Decision = { d: "end", at: AT, delivery: "msg_01234567-abc", end: "shadow", reason: "nothing is sent" };
  const delivery: DeliveryView = {
    delivery_id: "msg_01234567-abc",
    cluster_id: "web",
    alarm_id: "id",
    alarm_name: "busy",
    receiver: "scaler",
    class: "control",
    direction: "out",
    previous: "ok",
    current: "alarm",
    transition: 3,
    repeat: 1,
    status: "shadow",
    attention: false,
    attempts: 0,
    reason: "",
    created_at: "2026-11-21T00:00:00.000Z",
  };

  it("names deliveries whose sends are not in it", () => {
    expect(lacksSends([end])).toBe(true);
    expect(historyTable([end], [delivery])).toContain("3.1 to scaler: shadow");
    expect(historyTable([end])).toContain("delivery msg_01234567: shadow");
    expect(lacksSends([])).toBe(false);
  });
});
