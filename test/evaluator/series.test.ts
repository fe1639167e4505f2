import { describe, expect, it } from "vitest";
import { newestValue } from "../../src/evaluator/alarms.ts";
import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { fold } from "../../src/evaluator/fold.ts";
import { fillWindows, loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, RATE, SESSIONS, theRules, withRule } from "../helpers/rules.ts";

const low = anAlarm({ name: "low", comparison: "lt", threshold: 5, periodS: 30 });

function rulesInput(...alarms: Parameters<typeof theRules>[0]) {
  return { kind: "command", command: "rules", rules: theRules(alarms) } as const;
}

function verdictOf(cluster: ClusterState, name: string): string {
  return cluster.alarms.get(`id-${name}`)?.verdict.kind ?? "gone";
}

describe("before the first tick", () => {
  it("nothing is known, and asking for a value ends", () => {
    const folded = new Folded([low]);
    expect(newestValue(folded.cluster, folded.cluster.alarms.get("id-low")!)).toBeNull();
    expect(folded.verdict("low")).toBe("unknown");
  });
});

describe("an edit of the rules while windows are full", () => {
  it("longer windows keep what was seen, and are unknown until the rest has come", () => {
    const folded = new Folded([low]);
    folded.ticks(6, { sessions: 1 });
    expect(folded.state("low")).toBe("alarm");
    folded.input(rulesInput(withRule(low, { periodS: 90 })));
    // Six ticks were kept: a window of nine needs three more.
    folded.ticks(2, { sessions: 1 });
    expect(folded.verdict("low")).toBe("unknown");
    folded.tick({ sessions: 1 });
    expect(folded.verdict("low")).toBe("alarm");
  });

  it("a meter that is read newly is unknown until its window has filled; others go on", () => {
    const folded = new Folded([low]);
    folded.ticks(6, { sessions: 1 });
    const quiet = anAlarm({ name: "quiet", meterName: RATE, comparison: "lt", threshold: 5, periodS: 30 });
    folded.input(rulesInput(low, quiet));
    folded.ticks(2, { sessions: 1 });
    expect([folded.verdict("low"), folded.verdict("quiet")]).toEqual(["alarm", "unknown"]);
    folded.tick({ sessions: 1 });
    expect(folded.verdict("quiet")).toBe("alarm");
  });

  it("other rows: all windows begin anew, and the alarms with them", () => {
    const folded = new Folded([low]);
    folded.ticks(6, { sessions: 1 });
    const rows = [{ kind: "proxy", pattern: "other", source: undefined }] as const;
    const decisions = folded.input({ kind: "command", command: "rules", rules: theRules([low], { rows }) });
    expect(decisions).toMatchObject([{ d: "transition", to: "insufficient data", by: "rule change" }]);
    folded.ticks(2, { sessions: 1 });
    expect(folded.verdict("low")).toBe("unknown");
    folded.tick({ sessions: 1 });
    expect(folded.state("low")).toBe("alarm");
  });
});

describe("R3: a restart holds just what the run before held", () => {
  it.each([
    { name: "after an edit that reads further back", edit: withRule(low, { periodS: 90 }) },
    { name: "after an edit that reads another meter", edit: withRule(low, { meterName: RATE, statistic: "max" }) },
    { name: "with no edit", edit: low },
  ])("$name", ({ edit }) => {
    const folded = new Folded([low]);
    folded.ticks(7, { sessions: 1, rate: 1 });
    folded.input(rulesInput(edit));
    const { rules, seq } = folded.cluster;
    const restored = loadCluster("web", seq, saveCluster(folded.cluster), rules);
    const ticks = folded.inputs.flatMap((input, index) =>
      input.kind === "tick" ? [{ seq: index + 1, tick: input }] : [],
    );
    fillWindows(restored, ticks);
    for (let tick = 0; tick < 12; tick++) {
      const sealed: SealedTick = folded.sealed({ sessions: tick % 3, rate: tick % 2 });
      folded.input(sealed);
      fold(restored, sealed);
      expect(verdictOf(restored, "low")).toBe(verdictOf(folded.cluster, "low"));
    }
    expect(restored.values[SESSIONS]).toBe(folded.cluster.values[SESSIONS]);
  });
});
