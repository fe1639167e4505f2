import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { ensureSchema } from "../../src/backend/sqlite/schema.ts";
import { STATE_SCHEMA } from "../../src/backend/sqlite/stateSchema.ts";
import { explain } from "../../src/replay/explain.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { StorageRun } from "../helpers/storageRun.ts";

const FIRST = 170_000_000;

function dumped(name: string): string {
  return readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8");
}

/** A data folder as versions of the program left it. */
function made(path: string, state: string, metrics: string): void {
  mkdirSync(path, { recursive: true });
  for (const [file, dump] of [
    ["state.db", state],
    ["metrics.db", metrics],
  ] as const) {
    const database = new DatabaseSync(join(path, file));
    database.exec(dumped(dump));
    database.close();
  }
}

/** Rows of a file as it is, without opening it as ours. */
function rows(file: string, sql: string): unknown[] {
  const database = new DatabaseSync(file);
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => Object.values(row));
  } finally {
    database.close();
  }
}

const LOG = "SELECT doc FROM decision ORDER BY seq, n";
const SCHEMA = "SELECT sql FROM sqlite_schema UNION ALL SELECT v FROM meta WHERE k = 'schema_version'";

describe("files of every version before are brought up in place", () => {
  it.each([
    { state: "state-v1.sql", metrics: "metrics-v1.sql" },
    { state: "state-v2.sql", metrics: "metrics-v1.sql" },
    { state: "state-v3.sql", metrics: "metrics-v2.sql" },
  ])(
    "$state, $metrics",
    async ({ state, metrics }) => {
      using folder = temporaryFolder();
      made(folder.path, state, metrics);
      const file = join(folder.path, "state.db");
      const log = rows(file, LOG).map((row) => String((row as unknown[])[0]));
      const deliveries = rows(file, "SELECT id FROM delivery ORDER BY id").flat();
      const { ledger, store, damaged } = await openSqlite(folder.path);
      expect(damaged).toEqual([]);
      expect(await ledger.decisionLog("web")).toEqual(log);
      expect(log.length).toBeGreaterThan(20);
      expect((await ledger.deliveries({ limit: 999 })).map(({ id }) => id).toSorted()).toEqual(deliveries);
      const about = await ledger.decisions("web", { alarmId: "id-out", limit: 999 });
      expect(about.filter(({ d }) => d === "end").length).toBeGreaterThan(2);
      const inputs = await recordedInputs("web", ledger, store);
      expect(replay("web", inputs).length).toBeGreaterThan(20);
      const past = { ledger, store, pause: async () => {} };
      const explained = await explain("web", "id-out", undefined, past);
      expect(explained).toMatchObject({ alarm_id: "id-out", state: "ok" });
      // What is old enough goes, of files that did not know what was.
      expect(await ledger.trim(0)).toMatchObject({ deleted: 0 });
      await store.close();
      await ledger.close();
      // The service goes on with it, and what it records then is whole.
      const run = await StorageRun.start(folder.path, FIRST + 40);
      expect(run.cluster?.alarms.get("id-out")?.state).toBe("ok");
      for (const load of [30, 90, 90]) {
        await run.tick(load);
        await run.answer("accepted");
      }
      expect(run.cluster?.alarms.get("id-out")?.state).toBe("alarm");
      await run.stop();
      const again = await StorageRun.start(folder.path, FIRST + 50);
      expect(again.damaged).toEqual([]);
      expect(again.degraded()).toEqual([]);
      await again.stop();
    },
    60_000,
  );

  it("an upgrade that is interrupted has not happened", () => {
    using folder = temporaryFolder();
    for (const state of ["state-v1.sql", "state-v2.sql", "state-v3.sql"]) {
      const file = join(folder.path, state);
      const plain = new DatabaseSync(file);
      plain.exec(dumped(state));
      const before = rows(file, SCHEMA);
      const docs = rows(file, LOG);
      const fails = () => {
        throw new Error("the power is gone");
      };
      for (const at of STATE_SCHEMA.upgrades.keys()) {
        const upgrades = STATE_SCHEMA.upgrades.map((step, n) => (n === at ? { ...step, fill: fails } : step));
        const skips = at < Number(state.slice("state-v".length, -".sql".length)) - 1;
        if (skips) continue;
        expect(() => ensureSchema(plain, file, { ...STATE_SCHEMA, upgrades })).toThrow("the power is gone");
        expect(rows(file, SCHEMA)).toEqual(before);
        expect(rows(file, LOG)).toEqual(docs);
      }
      ensureSchema(plain, file, STATE_SCHEMA);
      expect(rows(file, "SELECT v FROM meta WHERE k = 'schema_version'")).toEqual([[STATE_SCHEMA.version]]);
      plain.close();
    }
  });

  it("a row that is not as it was written is not made good by an upgrade", async () => {
    using folder = temporaryFolder();
    made(folder.path, "state-v3.sql", "metrics-v2.sql");
    const database = new DatabaseSync(join(folder.path, "state.db"));
    database.exec("UPDATE delivery SET doc = replace(doc, 'delivered', 'dropped')");
    database.close();
    const { ledger, store, damaged } = await openSqlite(folder.path);
    expect(damaged).toEqual([expect.stringMatching(/^state\.db is damaged \(\d+ rows of delivery not as written\)/)]);
    await store.close();
    await ledger.close();
  });
});
