import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { examine } from "../../src/backend/sqlite/examine.ts";
import { isLost, setAside } from "../../src/backend/sqlite/setAside.ts";
import { STATE_SCHEMA } from "../../src/backend/sqlite/stateSchema.ts";
import type { Delivery } from "../../src/model/decision.ts";
import type { Commit } from "../../src/ports.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const AT = Date.UTC(2026, 10, 21, 7, 30);
const ASIDE = "damaged-2026-11-21T073000.000Z";
const LOST = /Lost to the service: .*insufficient data.*lanes.*notices/;

const aCommit = (seq: number): Commit => ({
  clusterId: "web",
  inputs: [{ seq, input: { kind: "start", number: seq, at: seq, intervalMs: 1000 } }],
  decisions: [],
  snapshot: { clusterId: "web", seq, doc: `{"seq":${seq}}` },
  deliveries: [{ id: `d${seq}`, createdAt: seq, status: "claimed" } as Delivery],
  attempts: [],
  baselines: [],
});

/** Opens a folder, commits, and closes it in order. */
async function session(path: string, ...seqs: number[]) {
  const { ledger, store, damaged, covered } = await openSqlite(path, { at: AT });
  for (const seq of seqs) await ledger.commit(aCommit(seq));
  covered();
  const loaded = (await ledger.load()).map(({ snapshot }) => snapshot.seq);
  await store.close();
  await ledger.close();
  return { damaged, loaded };
}

/** Opens a folder, and ends before what protects from a loss is recorded. */
async function startThatFails(path: string) {
  const { ledger, store, damaged, lost } = await openSqlite(path, { at: AT });
  await store.close();
  await ledger.close();
  return { damaged, lost };
}

function edit(file: string, sql: string): void {
  const other = new DatabaseSync(file);
  other.exec(sql);
  other.close();
}

describe("a damaged record is set aside whole, with a sentence that says what is lost", () => {
  it.each<readonly [name: string, reason: string, damage: (path: string) => void]>([
    [
      "no database",
      "file is not a database",
      (path) => writeFileSync(join(path, "state.db"), "no database".repeat(999)),
    ],
    ["empty", "it is missing or empty", (path) => writeFileSync(join(path, "state.db"), "")],
    ["gone", "it is missing or empty", (path) => rmSync(join(path, "state.db"))],
    [
      "gone, with its mark",
      "metrics.db is not",
      (path) => {
        rmSync(join(path, "state.db"));
        rmSync(join(path, "state.mark"));
      },
    ],
    ["a row", "1 row of cluster not as written", (path) => edit(join(path, "state.db"), "UPDATE cluster SET seq = 1")],
    ["fewer rows", "its last 2 commits are missing", (path) => edit(join(path, "state.db"), "DELETE FROM cluster")],
    ["a table", "its tables are not those", (path) => edit(join(path, "state.db"), "DROP TABLE attempt")],
    ["an index", "its tables are not those", (path) => edit(join(path, "state.db"), "DROP INDEX input_tick")],
    [
      "another file's id",
      "not as written",
      (path) => edit(join(path, "state.db"), "UPDATE meta SET v='x' WHERE k='id'"),
    ],
    [
      "version",
      "its tables are not those",
      (path) => edit(join(path, "state.db"), "UPDATE meta SET v=2 WHERE k LIKE 's%n'"),
    ],
  ])("%s: %s", async (_name, reason, damage) => {
    using folder = temporaryFolder();
    await session(folder.path, 1, 2);
    damage(folder.path);
    const { damaged, loaded } = await session(folder.path, 7);
    expect(damaged).toHaveLength(1);
    expect(damaged[0]).toContain(reason);
    expect(damaged[0]).toContain(join(folder.path, ASIDE));
    expect(damaged[0]).toMatch(LOST);
    expect(loaded).toEqual([7]);
    expect(existsSync(join(folder.path, ASIDE, "metrics.db"))).toBe(true);
    expect(await session(folder.path)).toEqual({ damaged: [], loaded: [7] });
  });

  it("a -wal that is gone loses commits, and that is seen", async () => {
    using folder = temporaryFolder();
    await session(folder.path, 1);
    const { ledger, store } = await openSqlite(folder.path, { at: AT });
    await ledger.commit(aCommit(2));
    const crashed = join(folder.path, "crashed");
    mkdirSync(crashed);
    for (const name of ["state.db", "state.mark", "metrics.db"])
      writeFileSync(join(crashed, name), readFileSync(join(folder.path, name)));
    await store.close();
    await ledger.close();
    expect((await session(crashed)).damaged[0]).toContain("its last 1 commits are missing");
  });

  it("nothing that was set aside is written over", async () => {
    using folder = temporaryFolder();
    for (const _ of [1, 2, 3]) {
      await session(folder.path, 1);
      writeFileSync(join(folder.path, "state.db"), "");
      await session(folder.path);
    }
    expect(readdirSync(folder.path).filter((name) => name.startsWith("damaged"))).toEqual([
      ASIDE,
      `${ASIDE}-2`,
      `${ASIDE}-3`,
    ]);
  });

  it("damaged series go alone, and the record stays", async () => {
    using folder = temporaryFolder();
    await session(folder.path, 1);
    writeFileSync(join(folder.path, "metrics.db"), "no database".repeat(999));
    const { damaged, loaded } = await session(folder.path);
    expect(damaged).toEqual([expect.stringMatching(/^metrics\.db is damaged .*all windows fill anew$/)]);
    expect(loaded).toEqual([1]);
    rmSync(join(folder.path, "metrics.db"));
    expect((await session(folder.path)).damaged[0]).toContain("nothing is left of it");
  });

  it("the series of another record are not taken for its own", async () => {
    using folder = temporaryFolder();
    await session(join(folder.path, "one"), 1);
    await session(join(folder.path, "other"), 1);
    writeFileSync(join(folder.path, "one/metrics.db"), readFileSync(join(folder.path, "other/metrics.db")));
    expect((await session(join(folder.path, "one"))).damaged[0]).toContain("it belongs to another state.db");
  });
});

describe("a start that ends before scaling is paused", () => {
  it.each([
    { file: "state.db", lost: "record", says: /^state\.db was set aside by a start that ended.*tocsin resume/ },
    { file: "metrics.db", lost: "series", says: /^metrics\.db was set aside by a start that ended/ },
  ])("leaves it to the next one: $file", async ({ file, lost, says }) => {
    using folder = temporaryFolder();
    await session(folder.path, 1, 2);
    writeFileSync(join(folder.path, file), "no database".repeat(999));
    expect(await startThatFails(folder.path)).toEqual({ damaged: [expect.stringContaining("moved to")], lost });
    expect(await startThatFails(folder.path)).toEqual({ damaged: [expect.stringMatching(says)], lost });
    expect((await session(folder.path)).damaged).toHaveLength(1);
    expect(await startThatFails(folder.path)).toEqual({ damaged: [], lost: undefined });
  });

  it("is told of before anything is moved", async () => {
    using folder = temporaryFolder();
    await session(folder.path, 1);
    // No folder can be named after this instant: it ends in the middle of its work.
    expect(() => setAside(folder.path, ["state", "metrics"], Number.NaN)).toThrow();
    expect(existsSync(join(folder.path, "state.db"))).toBe(true);
    expect(isLost(folder.path, "state")).toBe(true);
  });
});

describe("damage that comes while the service runs", () => {
  it("is E306 for who reads it, and the next start sets the file aside", async () => {
    using folder = temporaryFolder();
    const { ledger, store } = await openSqlite(folder.path, { at: AT });
    await ledger.commit(aCommit(1));
    await ledger.commit(aCommit(2));
    edit(join(folder.path, "state.db"), "UPDATE delivery SET doc = replace(doc, 'claimed', 'dropped') WHERE id = 'd1'");
    await expect(ledger.delivery("d1")).rejects.toMatchObject({ code: "E306" });
    await expect(ledger.deliveries({ limit: 10 })).rejects.toMatchObject({ code: "E306" });
    expect((await ledger.delivery("d2"))?.delivery.id).toBe("d2");
    // What is decided about a damaged delivery is not recorded from it.
    const end = { d: "end", at: 3, delivery: "d1", end: "delivered", reason: "" } as const;
    await expect(ledger.commit({ ...aCommit(3), decisions: [end] })).rejects.toThrow(
      "delivery is not what was written",
    );
    expect((await ledger.load())[0]?.snapshot.seq).toBe(2);
    await store.close();
    await ledger.close();
    expect((await session(folder.path)).damaged[0]).toContain("1 row of delivery not as written");
  });

  it("large files are looked at whole only when something makes them suspect; what begins the service, always", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "state.db");
    await session(folder.path, 1, 2);
    edit(file, "UPDATE input SET doc = '{}'");
    expect(examine(file, STATE_SCHEMA, false, 0)).toMatchObject({ kind: "intact", commits: 2 });
    expect(examine(file, STATE_SCHEMA, true, 0)).toMatchObject({ kind: "damaged" });
    edit(file, "UPDATE cluster SET doc = '{}'");
    expect(examine(file, STATE_SCHEMA, false, 0)).toMatchObject({ kind: "damaged" });
  });
});

describe("a folder of the version before", () => {
  const made = (path: string) => {
    mkdirSync(path, { recursive: true });
    for (const [name, dump] of [
      ["state.db", "state-v2.sql"],
      ["metrics.db", "metrics-v1.sql"],
    ] as const) {
      edit(join(path, name), readFileSync(new URL(`../fixtures/${dump}`, import.meta.url), "utf8"));
    }
  };

  it("is brought up in place, and says what it said", async () => {
    using folder = temporaryFolder();
    made(folder.path);
    const plain = new DatabaseSync(join(folder.path, "state.db"));
    const before = plain
      .prepare("SELECT doc FROM decision ORDER BY seq, n")
      .all()
      .map(({ doc }) => String(doc));
    const doc = plain.prepare("SELECT doc FROM cluster").get()?.doc;
    plain.close();
    const { ledger, store, damaged } = await openSqlite(folder.path, { at: AT });
    expect(damaged).toEqual([]);
    expect((await ledger.load())[0]?.snapshot).toEqual({ clusterId: "web", seq: 24, doc });
    expect(await ledger.decisionLog("web")).toEqual(before);
    expect(before.length).toBeGreaterThan(20);
    const inputs = await recordedInputs("web", ledger, store);
    expect(inputs.map(({ seq }) => seq)).toEqual(Array.from({ length: 24 }, (_, n) => n + 1));
    expect(replay("web", inputs).length).toBeGreaterThan(20);
    expect((await ledger.delivery("msg_81f24c36-f995-5898-81b0-8994658f424d"))?.attempts).toHaveLength(1);
    await ledger.commit(aCommit(25));
    await store.close();
    await ledger.close();
    expect(await session(folder.path)).toEqual({ damaged: [], loaded: [25] });
  });

  it("is not, where it is damaged", async () => {
    using folder = temporaryFolder();
    made(folder.path);
    const file = join(folder.path, "state.db");
    const bytes = readFileSync(file);
    bytes.fill(0, 4096 * 3, 4096 * 4);
    writeFileSync(file, bytes);
    expect((await session(folder.path)).damaged[0]).toMatch(/^state\.db is damaged/);
  });
});
