import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { openSqliteReader } from "../../src/backend/sqlite/reader.ts";
import type { Retention } from "../../src/seriesPorts.ts";
import { ledgerContract } from "../contract/ledger.ts";
import { storeContract } from "../contract/store.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

async function opened(retention?: Retention) {
  const folder = temporaryFolder();
  const backend = await openSqlite(folder.path, retention ? { retention } : {});
  return {
    ...backend,
    reader: () => openSqliteReader(folder.path),
    async [Symbol.asyncDispose]() {
      await backend.store.close();
      await backend.ledger.close();
      folder[Symbol.dispose]();
    },
  };
}

storeContract("sqlite", opened);
ledgerContract("sqlite", () => opened());

describe("the data folder", () => {
  it("R6: belongs to one process at a time, and says to which", async () => {
    using folder = temporaryFolder();
    const first = await openSqlite(folder.path);
    await expect(openSqlite(folder.path)).rejects.toThrow(
      `another tocsin (pid ${process.pid}) works on ${folder.path}`,
    );
    await first.store.close();
    await first.ledger.close();
    const second = await openSqlite(folder.path);
    await second.store.close();
    await second.ledger.close();
  });

  it("is readable by its owner only", async () => {
    using folder = temporaryFolder();
    const backend = await openSqlite(join(folder.path, "data"));
    for (const file of ["state.db", "metrics.db", "lock.db", "tocsin.pid"]) {
      expect(statSync(join(folder.path, "data", file)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(folder.path, "data")).mode & 0o777).toBe(0o700);
    await backend.store.close();
    await backend.ledger.close();
  });

  it("says in a sentence when it cannot be used", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "file"), "");
    await expect(openSqlite(join(folder.path, "file"))).rejects.toMatchObject({ code: "E301" });
  });

  it.each([0, 99])("of another version (%i) is not opened, and not changed", async (version) => {
    using folder = temporaryFolder();
    const file = join(folder.path, "state.db");
    const other = new DatabaseSync(file);
    other.exec(
      `CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT; INSERT INTO meta VALUES('schema_version', ${version})`,
    );
    other.close();
    await expect(openSqlite(folder.path)).rejects.toMatchObject({ code: "E304" });
    expect(readdirSync(folder.path).filter((name) => name.startsWith("damaged"))).toEqual([]);
    const after = new DatabaseSync(file);
    expect(after.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()).toEqual([{ name: "meta" }]);
    after.close();
  });

  it("what was committed is there after it was opened again", async () => {
    using folder = temporaryFolder();
    const first = await openSqlite(folder.path);
    const snapshot = { clusterId: "web", seq: 1, doc: "{}" };
    const input = { kind: "start", number: 1, at: 1, intervalMs: 1000 } as const;
    await first.ledger.commit({
      clusterId: "web",
      inputs: [{ seq: 1, input }],
      decisions: [],
      snapshot,
      deliveries: [],
      attempts: [],
      baselines: [],
    });
    await first.store.close();
    await first.ledger.close();
    const again = await openSqlite(folder.path);
    expect((await again.ledger.load())[0]?.snapshot).toEqual(snapshot);
    await again.store.close();
    await again.ledger.close();
  });
});
