import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { pausesAfterLoss, restoreCluster } from "../../src/evaluator/restore.ts";
import { saveCluster } from "../../src/evaluator/snapshot.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Command } from "../../src/model/decision.ts";
import type { Commit, Logger } from "../../src/ports.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, control, theRules } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { copyOf, StorageRun } from "../helpers/storageRun.ts";

const SETTLE_TICKS = 6;

/** A service that sent a scale-out, and whose commits since its last start are gone, and what would show it with them. */
async function lostCommits(path: string) {
  const first = await StorageRun.start(join(path, "first"), 170_000_000);
  for (const load of [30, 30, 30]) await first.tick(load);
  await first.answer("accepted");
  await first.stop();
  const second = await StorageRun.start(join(path, "first"), first.number);
  await second.tick(90);
  const sent = second.sent.filter(({ control }) => control);
  await second.answer("accepted");
  for (const load of [90, 90]) await second.tick(load);
  const folder = copyOf(join(path, "first"), join(path, "second"));
  for (const file of ["state.db-wal", "state.mark"]) rmSync(join(folder, file));
  await second.stop();
  return { folder, sent, number: second.number };
}

it("commits that are gone: scaling waits until what was asked for has settled, and then goes on", async () => {
  using temporary = temporaryFolder();
  const { folder, sent, number } = await lostCommits(temporary.path);
  expect(sent.map(({ receiver }) => receiver)).toEqual(["out"]);
  const told: string[] = [];
  const note = (text: string) => told.push(text);
  const log: Logger = { debug: note, info: note, warn: note, error: note };
  const third = await StorageRun.start(folder, number, log);
  expect(third.damaged).toEqual([]);
  expect(told).toEqual([
    "inputs are missing from the record",
    "scaling is paused, scaling in until it is resumed: what was asked for is not known",
  ]);
  expect(third.cluster?.pauses).toEqual(
    new Map([
      ["in", null],
      ["out", number + SETTLE_TICKS],
    ]),
  );
  const controls: number[] = [];
  for (let tick = 1; tick <= SETTLE_TICKS + 2; tick++) {
    await third.tick(90);
    if (third.sent.some(({ control }) => control)) controls.push(tick);
    await third.answer("accepted");
  }
  // The pause counts from the last recorded tick: the very one before the start.
  expect(controls).toEqual([SETTLE_TICKS]);
  await third.stop();

  const { ledger, store } = await openSqlite(folder);
  const inputs = await recordedInputs("web", ledger, store);
  expect(replay("web", inputs)).toEqual(await ledger.decisionLog("web"));
  expect(inputs.some(({ input }) => input.kind === "command" && input.command === "pause")).toBe(true);
  await store.close();
  await ledger.close();
});

const OUT = theRules([
  anAlarm({ name: "out", actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] } }),
]);

it("a hole is recorded whole, with its pauses, or stays a hole", async () => {
  const folded = new Folded(OUT);
  folded.tick({ sessions: 1, members: { a: "up" } });
  const { seq, at } = folded.cluster;
  const saved = { snapshot: { clusterId: "web", seq, doc: saveCluster(folded.cluster) }, rules: OUT };
  const store = createMemoryStore();
  folded.sealed({ sessions: 1 });
  for (const later of [2, 3]) {
    await store.put({ clusterId: "web", seq: seq + later, tick: folded.sealed({ sessions: 9 }), baselines: {} });
  }
  const ledger = createMemoryLedger();
  const commits: Commit[] = [];
  /** The disk takes so many more commits. */
  const takes = (room: number) => ({
    ...ledger,
    async commit(commit: Commit) {
      if (commits.length >= room) throw new Error("database or disk is full");
      commits.push(commit);
      await ledger.commit(commit);
    },
  });
  const restore = (room: number) => restoreCluster(saved, { ledger: takes(room), store }, silentLogger, at + 30_000);
  await expect(restore(0)).rejects.toThrow("full");
  const { pauses } = await restore(1);
  expect([...pauses.keys()]).toEqual(["in", "out"]);
  const recorded = await ledger.inputs("web");
  expect(recorded.map(({ seq: own }) => own)).toEqual([1, 2, 3, 4, 5].map((n) => seq + n));
  expect(recorded.map(({ input }) => input.kind)).toEqual(["stop", "tick", "tick", "command", "command"]);
  const [loaded] = await ledger.load();
  const again = await restoreCluster({ ...saved, ...loaded }, { ledger: takes(1), store }, silentLogger);
  expect(again.pauses).toEqual(pauses);
});

const SETTLED_S = SETTLE_TICKS * 10;
const pause = { kind: "command", command: "pause" } as const;
it.each<{ name: string; said: readonly Command[]; lost: "record" | "series"; laterS: number; pauses: Command[] }>([
  {
    name: "the record: in until it is resumed",
    said: [],
    lost: "record",
    laterS: 0,
    pauses: [
      { ...pause, direction: "in" },
      { ...pause, direction: "out", forS: SETTLED_S },
    ],
  },
  {
    name: "series: both for as long as an action lasts, from now on",
    said: [{ ...pause, forS: 5 }],
    lost: "series",
    laterS: 25,
    pauses: [
      { ...pause, direction: "in", forS: SETTLED_S + 25 },
      { ...pause, direction: "out", forS: SETTLED_S + 25 },
    ],
  },
  { name: "a person's pause without end stays", said: [pause], lost: "record", laterS: 0, pauses: [] },
  {
    name: "a person's longer pause stays",
    said: [{ ...pause, direction: "out", forS: 7200 }],
    lost: "series",
    laterS: 0,
    pauses: [{ ...pause, direction: "in", forS: SETTLED_S }],
  },
  {
    name: "but one with an end does not for the record",
    said: [{ ...pause, forS: 7200 }],
    lost: "record",
    laterS: 0,
    pauses: [{ ...pause, direction: "in" }],
  },
])("pauses after a loss of $name", ({ said, lost, laterS, pauses }) => {
  const folded = new Folded(OUT);
  folded.tick({ sessions: 1, members: { a: "up" } });
  for (const command of said) folded.input(command);
  expect(pausesAfterLoss(folded.cluster, folded.cluster.at + laterS * 1000, lost)).toEqual(pauses);
});
