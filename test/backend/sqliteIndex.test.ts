import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { openSqlite, openSqliteIndex } from "../../src/backend/sqlite/backend.ts";
import { openState } from "../../src/backend/sqlite/openState.ts";
import { commitOf } from "../helpers/logWorld.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

/** Opens an index of two clusters, and closes it in order. */
function made(folder: string): void {
  const { db, close } = openState(folder, 0, "index");
  const process = { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" };
  const baseline = { process, at: 1, open: false, rows: "" };
  db.commit(
    ["web", "db"].map((clusterId) =>
      commitOf(clusterId, 3, { baselines: [{ clusterId, source: "s", seq: 3, baseline }] }),
    ),
  );
  close();
}

async function seqsIn(folder: string, isEmpty = false): Promise<ReadonlyMap<string, number>> {
  const index = await openSqliteIndex(folder, isEmpty);
  try {
    return new Map(await index.seqs());
  } finally {
    await index.close();
  }
}

it("an index is opened as it was, says what it has, and reads some clusters alone", async () => {
  using folder = temporaryFolder();
  made(folder.path);
  const index = await openSqliteIndex(folder.path, false);
  expect(new Map(await index.seqs())).toEqual(
    new Map([
      ["web", 3],
      ["db", 3],
    ]),
  );
  expect((await index.loadOf(["web", "other"])).map(({ snapshot }) => snapshot.clusterId)).toEqual(["web"]);
  expect((await index.baselinesOf(["db"])).map(({ clusterId }) => clusterId)).toEqual(["db"]);
  expect(await index.baselinesOf([])).toEqual([]);
  await index.apply([commitOf("web", 4), commitOf("db", 4)]);
  await index.apply([commitOf("web", 4), commitOf("db", 4)]);
  expect((await index.inputs("web")).map(({ seq }) => seq)).toEqual([3, 4]);
  await index.close();
  expect(await seqsIn(folder.path)).toEqual(
    new Map([
      ["web", 4],
      ["db", 4],
    ]),
  );
  expect(await seqsIn(folder.path, true)).toEqual(new Map());
});

it.each([
  ["is damaged", (folder: string) => writeFileSync(join(folder, "state.db"), "nothing of the kind")],
  ["is another one", (folder: string) => appendFileSync(join(folder, "state.mark"), "x")],
  ["is gone", (folder: string) => rmSync(join(folder, "state.db"))],
  [
    "was in use when the power went",
    (folder: string) => {
      const file = join(folder, "state.mark");
      const [id = "", commits = ""] = readFileSync(file, "utf8").split(" ");
      const body = `${id} ${commits} running another-boot`;
      writeFileSync(file, `${body} ${String(crc32(body)).padStart(10, "0")}\n`);
    },
  ],
])("an index that %s is begun anew, and nothing is set aside", async (_, damage) => {
  using folder = temporaryFolder();
  made(folder.path);
  damage(folder.path);
  expect(await seqsIn(folder.path)).toEqual(new Map());
  made(folder.path);
  expect((await seqsIn(folder.path)).size).toBe(2);
});

it("an index belongs to one process, and its folder must be there to write", async () => {
  using folder = temporaryFolder();
  const index = await openSqliteIndex(folder.path, false);
  await expect(openSqlite(folder.path)).rejects.toMatchObject({ code: "E303" });
  await expect(openSqliteIndex(folder.path, true)).rejects.toMatchObject({ code: "E303" });
  await index.close();
  await expect(openSqliteIndex("/dev/null/index", false)).rejects.toMatchObject({ code: "E301" });
});
