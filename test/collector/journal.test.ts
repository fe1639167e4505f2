import { describe, expect, it } from "vitest";
import { Journal } from "../../src/collector/journal.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import type { Scrape } from "../../src/collector/source.ts";
import { Source } from "../../src/collector/source.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { ProcessIdentity } from "../../src/model/tick.ts";
import { sourceView } from "../../src/views.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const AT = Date.parse("2026-11-21T00:00:00.000Z");
const mapping = createMapping({ clusters: [], families: [], ignore: [], unmapped: "ignore" });
const source = new Source({
  name: "lb1",
  transport: { address: "/run/lb1.sock", isLocal: true, ask: () => Promise.reject(new Error("never")) },
  intervalMs: 10_000,
  timeoutMs: 1000,
  clock: new FakeClock(AT),
  clustersOf: () => ({ frontend: undefined, backend: undefined }),
  baselines: new Map(),
});
const entry = { kind: "socket", name: "lb1", quiet: false, socket: "/run/lb1.sock" } as const;

/** A journal that is told of one tick after the other; `undefined`: no answer. */
function world() {
  const said: [string, object][] = [];
  const journal = new Journal({ ...silentLogger, info: (text, fields = {}) => said.push([text, fields]) });
  let number = 0;
  return {
    said,
    view: () => sourceView(journal.status()[0]!),
    answer(process: Partial<ProcessIdentity> | undefined): void {
      number++;
      const tick = { number, at: AT + number * 10_000 };
      const whole = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "2.6.12", ...process };
      const base = { version: "2.6.12", rows: 1, unmapped: [], skippedRows: 0, sign: undefined };
      const outcome = process ? ({ ok: true, slices: [] } as const) : ({ ok: false, code: "x", reason: "y" } as const);
      const scrape: Scrape = {
        report: { tick, source: "lb1", durationMs: 1, outcome },
        answered: process ? { ...base, process: whole, askedMs: number * 10_000 } : undefined,
        hints: [],
        isRepeated: false,
      };
      journal.add(entry, source, scrape, undefined, mapping);
    },
  };
}

const another = "source answers with another process";

describe("the process behind a source", () => {
  it("another one is said once, also after a silence, and is what is shown", () => {
    const { said, answer, view } = world();
    answer({ pid: 7, uptimeS: 100 });
    answer({ pid: 7, uptimeS: 110 });
    expect(view()).toMatchObject({ pid: 7, uptime_s: 110, process_since: "2026-11-20T23:58:30.000Z" });
    expect(said.map(([text]) => text)).toEqual(["source answers"]);
    answer(undefined);
    expect(view()).toMatchObject({ pid: 7, ok: false });
    answer({ pid: 8, uptimeS: 3 });
    answer({ pid: 8, uptimeS: 13 });
    expect(said.filter(([text]) => text === another)).toEqual([
      [another, { source: "lb1", pid_before: 7, pid_after: 8, uptime_s: 3 }],
    ]);
    expect(view()).toMatchObject({ pid: 8, uptime_s: 13, process_since: "2026-11-21T00:00:37.000Z" });
  });

  it("one pid and a younger process is another one, too", () => {
    const { said, answer, view } = world();
    answer({ pid: 1, uptimeS: 100, startTimeS: AT / 1000 - 90 });
    answer({ pid: 1, uptimeS: 5, startTimeS: AT / 1000 + 15 });
    expect(said.at(-1)?.[0]).toBe(another);
    expect(view().process_since).toBe("2026-11-21T00:00:15.000Z");
  });

  it("what says nothing of itself is never another one", () => {
    const { said, answer, view } = world();
    answer({});
    answer({});
    expect(said.map(([text]) => text)).toEqual(["source answers"]);
    expect(view()).toMatchObject({ pid: null, uptime_s: null, process_since: null });
  });
});
