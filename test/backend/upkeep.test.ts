import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { MetricsDb, type SeriesOptions } from "../../src/backend/sqlite/metricsDb.ts";
import { openSqliteReader } from "../../src/backend/sqlite/reader.ts";
import { StateDb } from "../../src/backend/sqlite/stateDb.ts";
import { damagedRead } from "../../src/backend/sqlite/sums.ts";
import type { Commit } from "../../src/ports.ts";
import type { Kept, RowRecord, TickRecord } from "../../src/seriesPorts.ts";
import { BYTES, SESSIONS } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const FIRST = 177_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function aTick(n: number, clusterId = "web", padding = 1): TickRecord {
  const number = FIRST + n;
  const sources = [{ name: "s".repeat(padding), coveredS: 10 }];
  const values = { [BYTES]: n, [`${BYTES}.rate`]: 1, [SESSIONS]: n % 7 };
  return {
    clusterId,
    seq: number,
    tick: { kind: "tick", number, at: number * 10_000, values, sources, members: [] },
    baselines: {},
  };
}

function anAnswer(n: number, clusterId: string, resource: string): RowRecord {
  const row = { resource, kind: "backend", increases: { [BYTES]: 1 }, sums: {}, means: {} } as const;
  return { clusterId, source: "s", tick: { number: FIRST + n, at: (FIRST + n) * 10_000 }, coveredS: 10, rows: [row] };
}

const at = (n: number) => (FIRST + n) * 10_000;

function open(path: string, options: SeriesOptions = {}, onDamage: () => void = () => {}): MetricsDb {
  return new MetricsDb(path, "x", onDamage, options);
}

function keepAll(db: MetricsDb, now: number, needed?: number): Kept & { readonly early: number } {
  let early = 0;
  for (let slice = 0; slice < 5000; slice++) {
    const kept = db.keep(now, needed);
    early += kept.early ?? 0;
    if (!kept.more) return { ...kept, early };
  }
  throw new Error("upkeep does not end");
}

describe("a quota", () => {
  it("that not even a day fits into makes room of all that a restart does not need, and is told", () => {
    using folder = temporaryFolder();
    const db = open(folder.path, { quotaBytes: 2 ** 20 });
    const stored: number[] = [];
    let small: number | undefined;
    for (let n = 1; n <= 3000; n++) {
      // What is refused is tried again, and has made room itself.
      for (let tried = 0; tried < 3 && stored.at(-1) !== n; tried++)
        if (db.put([aTick(n, "web", 400)])[0] === null) stored.push(n);
      if (n % 6 !== 0) continue;
      const kept = keepAll(db, at(n), 300);
      expect(kept.full).toBeUndefined();
      small ??= kept.dayBytes;
    }
    expect(stored.length).toBeGreaterThan(2990);
    expect(small).toBeGreaterThan(2 ** 20);
    const kept = new Set(db.ticks("web", 0).map(({ tick }) => tick.number - FIRST));
    expect(stored.filter((n) => n > 2700).every((n) => kept.has(n))).toBe(true);
    db.close();
  }, 60_000);

  it("that does not hold what a restart needs says what to do", () => {
    using folder = temporaryFolder();
    const db = open(folder.path, { quotaBytes: 2 ** 20 });
    let full: string | undefined;
    for (let n = 1; n <= 2000 && full === undefined; n++) {
      db.put([aTick(n, "web", 1000)]);
      if (n % 6 === 0) full = keepAll(db, at(n), 5000).full;
    }
    expect(full).toMatch(/full.*store\.quota/);
    db.close();
  }, 60_000);

  it("takes no rollups of the last day", async () => {
    using folder = temporaryFolder();
    const db = open(folder.path, { quotaBytes: 2 ** 20 });
    // Ticks of half a day: nothing but rollups would make room.
    let last = 0;
    for (let n = 1; n <= 4000; n += 3) {
      if (db.put([aTick(n, "web", 1000)])[0] === null) last = n;
      if (n % 30 === 1) keepAll(db, at(n), 20_000);
    }
    const reader = openSqliteReader(folder.path);
    const [oldest] = await reader.rollups("web", undefined, SESSIONS, 0, Infinity);
    expect(oldest?.at).toBe(Math.ceil(at(1) / 300_000) * 300_000);
    expect(at(last) - (oldest?.at ?? 0)).toBeLessThan(DAY_MS);
    await reader.close();
    db.close();
  }, 60_000);
});

describe("what a transaction that failed has added is not known", () => {
  it("after damage was met in it", () => {
    using folder = temporaryFolder();
    const db = open(folder.path);
    expect(db.putRows([anAnswer(1, "web", "web/a")])).toEqual([null]);
    db.close();
    let damages = 0;
    const again = open(folder.path, {}, () => damages++);
    const planted: RowRecord = {
      ...anAnswer(2, "shop", "shop/b"),
      get source(): string {
        throw damagedRead("planted");
      },
    };
    expect(again.putRows([anAnswer(2, "shop", "shop/a"), planted])[0]).toContain("planted");
    expect(damages).toBe(1);
    expect(again.putRows([anAnswer(2, "shop", "shop/a")])).toEqual([null]);
    again.close();
    const reader = new DatabaseSync(join(folder.path, "metrics.db"), { readOnly: true });
    expect(reader.prepare("SELECT count(*) AS n FROM cluster").get()?.n).toBe(2);
    expect(reader.prepare("SELECT count(*) AS n FROM resource").get()?.n).toBe(2);
    reader.close();
  });

  it("by upkeep that failed", async () => {
    using folder = temporaryFolder();
    const db = open(folder.path);
    for (let n = 0; n <= 100; n++) db.put([aTick(n)]);
    const other = new DatabaseSync(join(folder.path, "metrics.db"));
    // Rolling up gives meters their words, and then fails.
    other.exec("CREATE TRIGGER refuse BEFORE INSERT ON cluster_rollup BEGIN SELECT raise(ABORT, 'no'); END");
    expect(() => keepAll(db, at(100))).toThrow("no");
    other.exec("DROP TRIGGER refuse");
    other.close();
    keepAll(db, at(100));
    const reader = openSqliteReader(folder.path);
    expect(await reader.rollups("web", undefined, SESSIONS, 0, Infinity)).not.toEqual([]);
    await reader.close();
    db.close();
  });
});

describe("history is forgotten up to the first checkpoint that is not old, wherever a clock was", () => {
  const commit = (seq: number, label: number): Commit => ({
    clusterId: "web",
    inputs: [{ seq, input: { kind: "command", command: "pause", at: label, by: "me", reason: "" } as never }],
    decisions: [],
    snapshot: { clusterId: "web", seq, doc: "{}" },
    deliveries: [],
    attempts: [],
    baselines: [],
    checkpoint: { clusterId: "web", seq, number: seq, at: label, doc: '{"series":{"capacity":7},"intervalMs":10000}' },
  });
  const label = (seq: number) => (seq === 40 ? 1_000_000 : at(0) + seq * HOUR_MS);

  it.each(["memory", "sqlite"])("%s", async (which) => {
    using folder = temporaryFolder();
    const db = which === "sqlite" ? new StateDb(folder.path) : undefined;
    const ledger = createMemoryLedger();
    for (let seq = 1; seq <= 48; seq++) {
      if (db) expect(db.commit([commit(seq, label(seq))])).toEqual([null]);
      else await ledger.commit(commit(seq, label(seq)));
    }
    const trim = async (before: number) => {
      for (let more = true; more; ) more = (db ? db.trim(before) : await ledger.trim(before)).more;
      return (db ? db.inputs("web") : await ledger.inputs("web")).map(({ seq }) => seq);
    };
    expect(await trim(at(0) - 90 * DAY_MS)).toHaveLength(48);
    expect((await trim(at(0) + 10 * HOUR_MS))[0]).toBe(10);
    expect((await trim(at(0) + 45 * HOUR_MS))[0]).toBe(45);
    db?.close();
  });
});
