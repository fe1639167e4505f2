import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { examine } from "../../src/backend/sqlite/examine.ts";
import { MetricsDb } from "../../src/backend/sqlite/metricsDb.ts";
import { METRICS_SCHEMA } from "../../src/backend/sqlite/metricsSchema.ts";
import { openMetrics } from "../../src/backend/sqlite/openMetrics.ts";
import { isSuspect } from "../../src/backend/sqlite/setAside.ts";
import type { TickRecord } from "../../src/seriesPorts.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const AT = Date.UTC(2026, 10, 21, 7, 30);

function edit(file: string, sql: string): void {
  const other = new DatabaseSync(file);
  other.exec(sql);
  other.close();
}

/** A tick whose row takes most of a page. */
function wideTick(number: number, source = "s".repeat(3000)): TickRecord {
  const sources = [{ name: source, coveredS: 1 }];
  const tick = { kind: "tick", number, at: number, values: {}, sources, members: [] } as const;
  return { clusterId: "web", seq: number, tick, baselines: {} };
}

/** Writes noise over the last pages of a file that is in use. */
function overwriteEnd(path: string, pages: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(pages * 4096, 0xff), 0, pages * 4096, fstatSync(file).size - pages * 4096);
  closeSync(file);
}

it.each([
  { name: "small", ticks: 100, reason: /^metrics\.db is damaged \(.*(tick|page|malformed)/ },
  { name: "too large to look at whole", ticks: 3000, reason: /what was read of it was not as written/ },
])("damage is E306 for who writes series, and the next start sets the file aside: $name", ({ ticks, reason }) => {
  using folder = temporaryFolder();
  const options = { at: AT, id: "x", isUsed: false };
  const first = openMetrics(folder.path, options).db;
  first.put(Array.from({ length: ticks }, (_, n) => wideTick(n)));
  first.close();
  const { db, damaged } = openMetrics(folder.path, { ...options, isUsed: true });
  expect(damaged).toEqual([]);
  overwriteEnd(join(folder.path, "metrics.db"), 20);
  expect(db.put([wideTick(ticks)])).toEqual([expect.stringContaining("the record is damaged")]);
  db.close();
  const next = openMetrics(folder.path, { ...options, isUsed: true });
  expect(next.damaged).toEqual([expect.stringMatching(reason)]);
  expect(next.db.put([wideTick(ticks)])).toEqual([null]);
  next.db.close();
  expect(isSuspect(folder.path, "metrics")).toBe(false);
});

it("damage to series too large to look at whole is looked for where the service begins", () => {
  using folder = temporaryFolder();
  const db = new MetricsDb(folder.path, "x");
  db.put(Array.from({ length: 10_001 }, (_, n) => wideTick(n, "s")));
  db.close();
  const file = join(folder.path, "metrics.db");
  edit(file, "UPDATE tick SET seq = 7 WHERE number = 0");
  expect(examine(file, METRICS_SCHEMA, false, 0)).toMatchObject({ kind: "intact" });
  expect(examine(file, METRICS_SCHEMA, true, 0)).toMatchObject({ kind: "damaged" });
  edit(file, "UPDATE tick SET seq = 7 WHERE number = 1");
  expect(examine(file, METRICS_SCHEMA, false, 0)).toMatchObject({ reason: "1 row of tick not as written" });
});
