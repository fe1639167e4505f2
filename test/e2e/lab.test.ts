import { join } from "node:path";
import { expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { tocsin } from "../helpers/service.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

it("the lab scales a real HAProxy out and in, and its record decides the same again, to the byte (R5)", async () => {
  using folder = temporaryFolder();
  const { code, out, err } = await tocsin(["lab", "--data", folder.path], { cwd: folder.path });
  expect(err).toBe("");
  expect(code).toBe(0);
  expect(out).toMatch(/^scale-out: [1-9]\d* delivered, [1-9]\d* effective$/m);
  expect(out).toMatch(/^scale-in: [1-9]\d* delivered, [1-9]\d* effective$/m);
  expect(out).toMatch(/ 0 failed, \d+ s$/m);

  const { ledger, store } = await openSqlite(join(folder.path, "data"));
  const inputs = await recordedInputs("lab", ledger, store);
  const log = await ledger.decisionLog("lab");
  expect(log.length).toBeGreaterThanOrEqual(10);
  expect(replay("lab", inputs).join("\n")).toBe(log.join("\n"));
  // The sequence has no gap: nothing that was folded is missing from the record.
  expect(inputs.map(({ seq }) => seq)).toEqual(inputs.map((_, index) => index + 1));
  await store.close();
  await ledger.close();
}, 120_000);
