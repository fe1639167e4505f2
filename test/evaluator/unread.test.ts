import { expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { Unread } from "../../src/lib/refused.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { anAlarm, theRules } from "../helpers/rules.ts";

it("a cluster whose last record cannot be read is left alone and told, and the others work", async () => {
  const ledger = createMemoryLedger();
  const evaluator = new Evaluator({
    clock: new FakeClock(),
    log: silentLogger,
    bus: createMemoryBus(),
    ledger: {
      ...ledger,
      commit: (commit) => (commit.clusterId === "web" ? Promise.reject(new Unread("web")) : ledger.commit(commit)),
    },
    ticksPerCommit: 6,
    dispatcher: { dispatch: () => {}, cancel: () => {} },
    intervalMs: 10_000,
    evaluationDelayMs: 4000,
  });
  const web = theRules([anAlarm({ name: "busy" })]);
  await evaluator.start(
    [web, { ...web, clusterId: "db" }],
    { kind: "start", number: 1, at: 10_000, intervalMs: 10_000 },
    () => true,
  );
  expect((await ledger.inputs("db")).map(({ input }) => input.kind)).toEqual(["start", "command"]);
  expect(await ledger.inputs("web")).toEqual([]);
  expect(evaluator.degraded()).toEqual([expect.stringContaining("web: the last record of cluster web in the log")]);
  const resume = { kind: "command", command: "resume", direction: "in" } as const;
  await expect(evaluator.command("web", resume)).rejects.toMatchObject({ code: "E404" });
  await evaluator.close();
});
