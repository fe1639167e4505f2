import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { Logger } from "../../src/ports.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
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
  expect(told).toEqual(["commits are missing from the record", "scaling is paused: what was asked for is not known"]);
  const controls: number[] = [];
  for (let tick = 1; tick <= SETTLE_TICKS + 2; tick++) {
    await third.tick(90);
    if (third.sent.some(({ control }) => control)) controls.push(tick);
    await third.answer("accepted");
  }
  // The pause counts from the last recorded tick: the very one before the start.
  expect(controls).toEqual([SETTLE_TICKS]);
  await third.stop();

  const { ledger, store } = await openSqlite(folder, { lock: true });
  const inputs = await recordedInputs("web", ledger, store);
  expect(replay("web", inputs)).toEqual(await ledger.decisionLog("web"));
  expect(inputs.some(({ input }) => input.kind === "command" && input.command === "pause")).toBe(true);
  await store.close();
  await ledger.close();
});
