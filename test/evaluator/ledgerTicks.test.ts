/** Ticks that the ledger alone records: on a real disk, with processes that are killed. */

import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import type { SqliteBackend } from "../../src/backend/sqlite/backend.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { saveCluster } from "../../src/evaluator/snapshot.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { Refused } from "../../src/lib/refused.ts";
import type { Dispatch, Ledger } from "../../src/ports.ts";
import { replay } from "../../src/replay/replay.ts";
import type { TickRecord } from "../../src/seriesPorts.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { aReport } from "../helpers/reports.ts";
import { settled } from "../helpers/simulation.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { copyOf, RULES } from "../helpers/storageRun.ts";

const INTERVAL_MS = 10_000;
const TICKS_PER_COMMIT = 6;

/** A process that works on a ledger, one cluster and one source. */
class Run {
  readonly sent: Dispatch[] = [];
  readonly told: TickRecord[] = [];
  /** The cluster as of each commit. */
  readonly saved: string[] = [];
  readonly evaluator: Evaluator;
  readonly #bus = createMemoryBus();
  number: number;

  constructor(ledger: Ledger, number: number) {
    this.number = number;
    this.evaluator = new Evaluator({
      clock: new FakeClock(number * INTERVAL_MS),
      log: silentLogger,
      bus: this.#bus,
      ledger: {
        ...ledger,
        commit: (commit) => {
          this.saved.push(commit.snapshot.doc);
          return ledger.commit(commit);
        },
      },
      ticksPerCommit: TICKS_PER_COMMIT,
      onTicks: (records) => this.told.push(...records),
      dispatcher: { dispatch: (dispatch) => this.sent.push(dispatch), cancel: () => {} },
      intervalMs: INTERVAL_MS,
      evaluationDelayMs: 4000,
    });
  }

  async start(): Promise<void> {
    await this.evaluator.restore();
    const at = this.number * INTERVAL_MS;
    await this.evaluator.start(
      [RULES],
      { kind: "start", number: this.number, at, intervalMs: INTERVAL_MS },
      () => true,
    );
  }

  async tick(sessions: number): Promise<void> {
    const tick = { number: ++this.number, at: this.number * INTERVAL_MS };
    this.evaluator.tick(tick);
    this.#bus.publish(aReport(tick, sessions, { a: "up", b: "up" }));
    await settled();
  }

  async answerAll(): Promise<void> {
    for (const { clusterId, deliveryId, attempt } of this.sent.splice(0))
      this.evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome: "accepted", reason: "" });
    await settled();
  }
}

async function close({ ledger, store }: SqliteBackend): Promise<void> {
  await store.close();
  await ledger.close();
}

it("what a killed process leaves is what its last commit saved, whole, and replays to the byte", async () => {
  const loads = fc.array(fc.constantFrom(1, 30, 90), { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(fc.array(loads, { minLength: 1, maxLength: 2 }), async (lives) => {
      using temporary = temporaryFolder();
      let folder = join(temporary.path, "0");
      let number = 170_000_000;
      let backend = await openSqlite(folder, { at: number * INTERVAL_MS });
      for (const [life, ticks] of lives.entries()) {
        const run = new Run(backend.ledger, number);
        await run.start();
        for (const load of ticks) {
          await run.tick(load);
          if (load === 30) await run.answerAll();
        }
        run.evaluator.abandon();
        // Whatever is being written is written, and so is what came meanwhile: files that change cannot be copied.
        for (let groups = 0; groups < 2; groups++) await backend.ledger.baselines();
        const next = copyOf(folder, join(temporary.path, String(life + 1)));
        await close(backend);
        folder = next;
        number = run.number + 3;
        backend = await openSqlite(folder, { at: number * INTERVAL_MS });
        expect(backend.damaged).toEqual([]);
        const seen = new Evaluator({
          ...{ clock: new FakeClock(), log: silentLogger, bus: createMemoryBus(), ledger: backend.ledger },
          ...{ ticksPerCommit: TICKS_PER_COMMIT, dispatcher: { dispatch() {}, cancel() {} } },
          ...{ intervalMs: INTERVAL_MS, evaluationDelayMs: 4000 },
        });
        await seen.restore();
        expect(run.saved).toContain(saveCluster(seen.clusters()[0]!));
        const inputs = await backend.ledger.inputs("web");
        expect(inputs.map(({ seq }) => seq)).toEqual(inputs.map((_, index) => index + 1));
        expect(replay("web", inputs)).toEqual(await backend.ledger.decisionLog("web"));
        const recorded = inputs.flatMap(({ seq, input }) => (input.kind === "tick" ? [seq] : []));
        expect(recorded).toEqual(expect.arrayContaining(run.told.map(({ seq }) => seq)));
        expect(await backend.store.ticks("web", -Infinity)).toEqual([]);
      }
      await close(backend);
    }),
    { numRuns: 3, endOnFailure: true },
  );
});

it("ends with everything recorded, and checkpoints say which rules are in force", async () => {
  const ledger = createMemoryLedger();
  const commits: Parameters<Ledger["commit"]>[0][] = [];
  const run = new Run(
    {
      ...ledger,
      async commit(commit) {
        commits.push(commit);
        await ledger.commit(commit);
      },
    },
    170_000_000,
  );
  await run.start();
  for (let tick = 0; tick < 15; tick++) await run.tick(30);
  await run.evaluator.close();
  expect(run.told).toHaveLength(15);
  const inputs = await ledger.inputs("web");
  expect(inputs.filter(({ input }) => input.kind === "tick")).toHaveLength(15);
  expect(commits.at(-1)?.snapshot.seq).toBe(inputs.at(-1)?.seq);
  // The start comes before the first rules.
  expect(commits.find(({ checkpoint }) => checkpoint)?.rules).toBeNull();
  for (const { checkpoint, rules } of commits) expect(rules !== undefined).toBe(checkpoint !== undefined);
});

it("a refused commit is not tried again, and ends the cluster", async () => {
  let tries = 0;
  const run = new Run(
    {
      ...createMemoryLedger(),
      async commit({ clusterId }) {
        tries++;
        if (tries > 1) throw new Refused(clusterId);
      },
    },
    170_000_000,
  );
  const starting = run.start();
  await expect(starting).rejects.toMatchObject({ code: "E651" });
  expect(tries).toBe(2);
  await expect(run.evaluator.command("web", { kind: "command", command: "pause" })).rejects.toMatchObject({
    code: expect.stringMatching(/^E(404|650)$/),
  });
  await run.evaluator.close();
  expect(tries).toBe(2);
});
