import { describe, expect, it } from "vitest";
import { contstatsHints, failureHints, hasOpenSessions } from "../../src/collector/hints.ts";
import type { Dump } from "../../src/collector/rows.ts";
import { RowsBuilder } from "../../src/collector/rows.ts";

interface Counted {
  readonly scur: number;
  readonly stot: number;
  readonly bin?: number;
  readonly bout?: number;
}

/** One look at frontends. */
function look(frontends: Readonly<Record<string, Counted>>, pid = 7): Dump {
  const builder = new RowsBuilder();
  for (const [proxy, counted] of Object.entries(frontends)) {
    const row = builder.row(proxy, "FRONTEND", "frontend");
    for (const [column, value] of Object.entries({ bin: 100, bout: 100, ...counted })) builder.set(row, column, value);
  }
  return builder.build({ pid, uptimeS: 60, startTimeS: 1, version: "2.6" }, 0);
}

const everything = () => true;

describe("option contstats", () => {
  it.each<[string, Counted, Counted, boolean]>([
    ["a session that is still open, and no byte", { scur: 1, stot: 5 }, { scur: 1, stot: 5 }, true],
    ["one of two is still open", { scur: 2, stot: 5 }, { scur: 1, stot: 5 }, true],
    ["more came, one must be old", { scur: 1, stot: 5 }, { scur: 3, stot: 7 }, true],
    ["bytes came in", { scur: 1, stot: 5 }, { scur: 1, stot: 5, bin: 101 }, false],
    ["bytes went out", { scur: 1, stot: 5 }, { scur: 1, stot: 5, bout: 101 }, false],
    ["another session took its place", { scur: 1, stot: 5 }, { scur: 1, stot: 6 }, false],
    ["it ended", { scur: 1, stot: 5 }, { scur: 0, stot: 5 }, false],
    ["none was open", { scur: 0, stot: 5 }, { scur: 1, stot: 6 }, false],
    ["the counters were cleared", { scur: 1, stot: 5 }, { scur: 1, stot: 0 }, false],
  ])("%s", (_what, then, now, hinted) => {
    expect(contstatsHints(look({ web: then }), look({ web: now }), everything)).toHaveLength(hinted ? 1 : 0);
  });

  it("names the frontends, those that matter, and not all of very many", () => {
    const held = { scur: 1, stot: 5 };
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`web${index}`, held]));
    const [hint] = contstatsHints(look(many), look(many), (proxy) => proxy !== "web1");
    expect(hint).toMatch(/^sessions stay open at web0, web2, web3, web4, web5 and 3 more while no byte is counted/);
    expect(hint).toContain("`option contstats`");
    expect(hint).toMatch(/If they are transferring now, .*\. If they are idle, ignore this$/);
  });

  it("says nothing of two processes", () => {
    const held = { web: { scur: 1, stot: 5 } };
    expect(contstatsHints(look(held, 7), look(held, 8), everything)).toEqual([]);
  });

  it("needs a second look only where sessions are open", () => {
    expect(hasOpenSessions(look({ web: { scur: 0, stot: 5 } }), everything, 0)).toBe(false);
    expect(hasOpenSessions(look({ web: { scur: 0, stot: 5 }, api: { scur: 2, stot: 5 } }), everything, 0)).toBe(true);
  });
});

describe("sessions that are open", () => {
  const isWatched = (proxy: string) => proxy === "web";
  it.each<[string, number, number, number, boolean]>([
    ["nowhere but where nobody looks", 0, 9, 0, false],
    ["where it matters", 1, 0, 0, true],
    ["by our own request alone", 1, 0, 1, false],
    ["by our own request and another", 2, 0, 1, true],
    ["and our own is elsewhere", 1, 1, 1, true],
    ["our own alone, elsewhere", 0, 1, 1, false],
  ])("%s", (_what, web, stats, own, isOpen) => {
    const dump = look({ web: { scur: web, stot: 5 }, stats: { scur: stats, stot: 5 } });
    expect(hasOpenSessions(dump, isWatched, own)).toBe(isOpen);
  });
});

describe("what a failure suggests", () => {
  it("a connection without a byte: the places of the socket", () => {
    const silent = { ok: false, code: "timeout", reason: "", silent: true } as const;
    expect(failureHints(silent)).toEqual([expect.stringContaining("`stats maxconn`")]);
    expect(failureHints({ ok: false, code: "timeout", reason: "" })).toEqual([]);
  });

  it("several processes on one socket", () => {
    expect(failureHints({ ok: false, code: "nbproc", reason: "" })).toEqual([expect.stringContaining("nbthread")]);
  });
});
