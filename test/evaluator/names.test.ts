import { expect, it } from "vitest";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { combine } from "../../src/evaluator/combine.ts";
import { fold } from "../../src/evaluator/fold.ts";
import { mergeSlices } from "../../src/evaluator/mergeSlices.ts";
import type { Seal } from "../../src/evaluator/sealing.ts";
import { loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import type { ClusterSlice, SealedTick } from "../../src/model/tick.ts";
import { clusterView } from "../../src/views.ts";
import { aSlice } from "../helpers/reports.ts";
import { anAlarm, BYTES, RATE, SESSIONS, theRules } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

/** What every object has, and a server may be called by. */
const NAMES = ["toString", "constructor", "__proto__", "hasOwnProperty"];

const parts = (sessions: number) => ({ increases: { [BYTES]: 10 }, sums: { [SESSIONS]: sessions }, means: {} });

function saying(names: readonly string[], sessions: number): ClusterSlice {
  return aSlice({
    members: Object.fromEntries(names.map((name) => [name, "up" as const])),
    proxies: Object.fromEntries(names.map((name) => [name, "web"])),
    servers: Object.fromEntries(names.map((name) => [name, parts(sessions)])),
  });
}

function sealOf(number: number, slice: ClusterSlice): Seal {
  const tick = { number, at: number * 10_000 };
  return { clusterId: "web", tick, sources: new Map([["s", { ok: true, slice, durationMs: 1 }]]) };
}

function begun() {
  const cluster = emptyCluster("web");
  const rule = anAlarm({ name: "crowded", per: "server", threshold: 5 });
  fold(cluster, { kind: "start", number: 0, at: 0, intervalMs: 10_000 });
  fold(cluster, { kind: "command", command: "rules", rules: theRules([rule]) });
  return { cluster, id: rule.id };
}

it.each(NAMES)("a server called %s comes, is judged, survives a restart, and goes", (name) => {
  let { cluster, id } = begun();
  const tell = (number: number, slice: ClusterSlice): SealedTick => {
    const tick = structuredClone(combine(sealOf(number, slice), cluster));
    // As the record has it.
    fold(cluster, JSON.parse(JSON.stringify(tick)) as SealedTick);
    return tick;
  };
  const alone = tell(1, saying(["a"], 1));
  expect(alone.members).toEqual([["a", "up", "web"]]);
  expect(cluster.alarms.get(id)?.state).toBe("ok");

  const come = tell(2, saying(["a", name], 9));
  expect(come.members).toEqual([[name, "up", "web"]]);
  expect(
    Object.entries(come.servers ?? {}).map(([server, values]) => [server, values[SESSIONS], values[RATE]]),
  ).toEqual([name, "a"].sort().map((server) => [server, 9, 1]));
  expect(cluster.alarms.get(id)?.state).toBe("alarm");
  expect([...cluster.series.servers.keys()].sort()).toEqual([name, "a"].sort());
  expect(Object.keys(clusterView(cluster).servers).sort()).toEqual([name, "a"].sort());

  const { seq, rules } = cluster;
  cluster = loadCluster("web", seq, saveCluster(cluster), rules);
  fold(cluster, { kind: "start", number: 2, at: 20_000, intervalMs: 10_000 });
  expect([...cluster.members.keys()].sort()).toEqual([name, "a"].sort());

  // Rows and proxies of it are gone: nothing that objects have by themselves is taken for it.
  const left = tell(3, saying(["a"], 1));
  expect(left.members).toEqual([[name, null]]);
  expect(Object.keys(left.servers ?? {})).toEqual(["a"]);
  tell(4, saying(["a"], 1));
  expect(cluster.alarms.get(id)?.state).toBe("ok");
  expect(cluster.series.servers.get(name)?.lastSeen ?? -1).toBeLessThan(3);
  expect(Object.getPrototypeOf(left.servers ?? {})).toBe(Object.prototype);
});

it.each(NAMES)("a late answer with a server called %s adds up with the next", (name) => {
  const merged = mergeSlices(saying(["a"], 1), saying(["a", name], 2), 120);
  const both = mergeSlices(saying([name], 1), saying([name], 2), 120);
  const bytes = ({ servers = {} }: ClusterSlice) =>
    Object.entries(servers).map(([own, { increases }]) => [own, increases[BYTES]]);
  expect(bytes(merged)).toEqual(
    expect.arrayContaining([
      ["a", 20],
      [name, 10],
    ]),
  );
  expect(bytes(both)).toEqual([[name, 20]]);
});

it("the record takes all of that and gives it back", async () => {
  using folder = temporaryFolder();
  const sqlite = await openSqlite(folder.path);
  const { cluster } = begun();
  const tick = combine(sealOf(1, saying(NAMES, 3)), cluster);
  fold(cluster, tick);
  const { seq } = cluster;
  for (const ledger of [createMemoryLedger(), sqlite.ledger]) {
    await ledger.commit({
      clusterId: "web",
      inputs: [{ seq, input: tick }],
      decisions: [],
      snapshot: { clusterId: "web", seq, doc: saveCluster(cluster) },
      deliveries: [],
      attempts: [],
      baselines: [],
    });
    const [read] = await ledger.ticks("web", 0);
    expect(read?.input).toEqual(tick);
    expect(JSON.stringify(read?.input)).toBe(JSON.stringify(tick));
  }
  await Promise.all([sqlite.ledger.close(), sqlite.store.close()]);
});
