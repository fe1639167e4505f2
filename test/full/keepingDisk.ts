/**
 * A process of its own on a small disk: `keepingDisk.ts <folder> <quota bytes>`. It stores series until there is no room,
 * gets some back, goes on, and prints as JSON what became of what was acknowledged.
 */

import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { openSqliteReader } from "../../src/backend/sqlite/reader.ts";
import { messageOf } from "../../src/lib/errors.ts";

export interface KeepingDiskFacts {
  readonly acknowledged: number;
  readonly refused: number;
  readonly reasons: readonly string[];
  /** Whether upkeep told of it while there was no room, and afterwards. */
  readonly toldFull: boolean;
  readonly fullAfter: string | null;
  /** Acknowledged ticks and rows that are not there. */
  readonly lostTicks: number;
  readonly lostRows: number;
  /** Writes in a row that succeeded at the end. */
  readonly wentOn: number;
}

const FIRST = 177_000_000;
const MINUTE_MS = 60_000;

const [, , folder = "", quota = "0"] = process.argv;
const ballast = join(folder, "ballast");

function fill(): void {
  const file = openSync(ballast, "a");
  for (const bytes of [65_536, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(bytes));
    } catch {
      // No room for one more.
    }
  }
  closeSync(file);
}

async function main(): Promise<void> {
  const { store, ledger } = await openSqlite(join(folder, "data"), { quotaBytes: Number(quota) });
  const ticks: number[] = [];
  const rows: number[] = [];
  const reasons = new Set<string>();
  let number = FIRST;
  let toldFull = false;
  let fullAfter: string | undefined;
  const write = async (): Promise<boolean> => {
    const tick = { number: ++number, at: number * MINUTE_MS };
    const sources = [{ name: "s".repeat(500), coveredS: 60 }];
    const sealed = { kind: "tick", ...tick, values: {}, sources, members: [] } as const;
    const increases = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`m${n}`, number * 1.1 + n]));
    const row = { resource: "web/BACKEND", kind: "backend", increases, sums: {}, means: {} } as const;
    const answer = { clusterId: "web", source: "s", tick, coveredS: 60, rows: [row] };
    const results = await Promise.allSettled([
      store.put({ clusterId: "web", seq: number - FIRST, tick: sealed, baselines: {} }).then(() => ticks.push(number)),
      store.putRows([answer]).then(() => rows.push(number)),
    ]);
    for (const one of results) if (one.status === "rejected") reasons.add(messageOf(one.reason));
    return results.every(({ status }) => status === "fulfilled");
  };
  const keep = async (): Promise<void> => {
    for (let slice = 0; slice < 1000; slice++) {
      const kept = await store.keep(number * MINUTE_MS).catch((error) => {
        reasons.add(messageOf(error));
        return undefined;
      });
      fullAfter = kept?.full;
      if (fullAfter !== undefined) toldFull = true;
      if (!kept?.more) return;
    }
  };
  let refused = 0;
  for (let n = 0; n < 200; n++) await write();
  await keep();
  if (quota === "0") fill();
  for (let n = 0; n < 4000 && refused < 20; n++) {
    if (!(await write())) refused++;
    if (n % 10 === 0) await keep();
  }
  if (quota === "0") rmSync(ballast);
  let wentOn = 0;
  for (let n = 0; n < 100; n++) {
    wentOn = (await write()) ? wentOn + 1 : 0;
    if (n % 10 === 9) await keep();
  }
  const reader = openSqliteReader(join(folder, "data"));
  const day = number * MINUTE_MS - 86_400_000;
  const keptTicks = new Set((await reader.ticks("web", 0, Infinity, Infinity)).map(({ tick }) => tick.number));
  const points = await reader.rowPoints("web", "web/BACKEND", 0, Infinity, Infinity);
  const keptRows = new Set(points.map(({ tick }) => tick.number));
  // Rows may have made room, from the oldest on; ticks of the last day may not.
  const oldestRow = Math.min(...keptRows);
  await reader.close();
  await store.close();
  await ledger.close();
  const facts: KeepingDiskFacts = {
    acknowledged: ticks.length,
    refused,
    reasons: [...reasons],
    toldFull,
    fullAfter: fullAfter ?? null,
    lostTicks: ticks.filter((one) => one * MINUTE_MS > day && !keptTicks.has(one)).length,
    lostRows: rows.filter((one) => one > oldestRow && !keptRows.has(one)).length,
    wentOn,
  };
  console.log(JSON.stringify(facts));
}

await main();
