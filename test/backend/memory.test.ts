import { expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import { busContract } from "../contract/bus.ts";
import { ledgerContract } from "../contract/ledger.ts";
import { storeContract } from "../contract/store.ts";
import { aReport } from "../helpers/reports.ts";

const nothing = { async [Symbol.asyncDispose]() {} };

busContract("memory", async () => ({ bus: createMemoryBus(), ...nothing }));

it("SampleBus: memory: a report is delivered before `publish` returns, to those who subscribe at that moment", () => {
  const bus = createMemoryBus();
  const [first, second]: [ScrapeReport[], ScrapeReport[]] = [[], []];
  bus.subscribe((report) => first.push(report));
  bus.publish(aReport({ number: 1, at: 1 }, 1));
  const stop = bus.subscribe((report) => second.push(report));
  bus.publish(aReport({ number: 2, at: 2 }, 2));
  stop();
  bus.publish(aReport({ number: 3, at: 3 }, 3));
  expect(first.map(({ tick }) => tick.number)).toEqual([1, 2, 3]);
  expect(second.map(({ tick }) => tick.number)).toEqual([2]);
});

storeContract("memory", async (retention) => {
  const store = createMemoryStore(retention);
  return { store, reader: () => store.reader, ...nothing };
});
ledgerContract("memory", async () => ({ ledger: createMemoryLedger(), ...nothing }));
