import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { METERS } from "../../src/model/meters.ts";
import type { Baseline, SealedTick } from "../../src/model/tick.ts";
import type { SampleStore } from "../../src/ports.ts";
import { RATE, SESSIONS } from "../helpers/rules.ts";

const baseline = (pid: number): Baseline => ({
  process: { pid, uptimeS: 12.345678, startTimeS: 5, version: "2.6.12" },
  at: 7,
  open: false,
  rows: { "web/FRONTEND/frontend": { bin: "18446744073709551615" } },
});

function aTick(number: number, values: Readonly<Record<string, number>> = {}): SealedTick {
  return {
    kind: "tick",
    number,
    at: number * 10_000,
    values,
    sources: [{ name: "s", coveredS: 10.000001, moved: true }],
    members: [
      ["a", "up"],
      ["b", null],
    ],
  };
}

/** What every SampleStore does. */
export function storeContract(
  name: string,
  create: () => Promise<{ readonly store: SampleStore } & AsyncDisposable>,
): void {
  describe(`SampleStore: ${name}`, () => {
    it("gives back ticks as they were, to the bit, by seq, above a number and of one cluster", async () => {
      await using opened = await create();
      const { store } = opened;
      const values = { [RATE]: 0.1 + 0.2, [SESSIONS]: 5e-324, "network.services.lb.incoming.bytes": 2 ** 53 + 2 };
      await Promise.all([
        store.put({ clusterId: "web", seq: 3, tick: aTick(12, values), baselines: {} }),
        store.put({ clusterId: "web", seq: 1, tick: aTick(10), baselines: {} }),
        store.put({ clusterId: "web", seq: 2, tick: aTick(11, { [RATE]: 0 }), baselines: {} }),
        store.put({ clusterId: "other", seq: 1, tick: aTick(12), baselines: {} }),
      ]);
      const read = await store.ticks("web", 10);
      expect(read.map(({ seq, tick }) => ({ seq, tick }))).toEqual([
        { seq: 2, tick: aTick(11, { [RATE]: 0 }) },
        { seq: 3, tick: aTick(12, values) },
      ]);
      expect(await store.ticks("web", -Infinity)).toHaveLength(3);
      expect(await store.ticks("nobody", -Infinity)).toEqual([]);
    });

    it("any values of any meters come back exactly", async () => {
      await using opened = await create();
      const { store } = opened;
      const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
      const value = fc.dictionary(fc.constantFrom(...METERS.map((meter) => meter.name)), number);
      let seq = 0;
      const exact = fc.asyncProperty(value, async (values) => {
        seq++;
        const tick = aTick(seq, Object.fromEntries(Object.entries(values)));
        await store.put({ clusterId: "web", seq, tick, baselines: {} });
        const [record] = await store.ticks("web", seq - 1);
        expect(record?.tick).toEqual(tick);
      });
      await fc.assert(exact, { numRuns: 50 });
    });

    it("gives the oldest of many, and what servers said by themselves", async () => {
      await using opened = await create();
      const { store } = opened;
      const servers = { a: { [SESSIONS]: 2 }, b: {} };
      await store.put({ clusterId: "other", seq: 1, tick: aTick(9), baselines: {} });
      for (const number of [10, 11, 19, 20]) {
        await store.put({ clusterId: "web", seq: number, tick: { ...aTick(number), servers }, baselines: {} });
      }
      const read = await store.ticks("web", 10, 2);
      expect(read.map(({ tick }) => tick)).toEqual([11, 19].map((number) => ({ ...aTick(number), servers })));
      expect(await store.ticks("web", 20, 2)).toEqual([]);
      expect(await store.ticks("web", 5, 2)).toHaveLength(2);
    });

    it("the same record twice is one", async () => {
      await using opened = await create();
      const { store } = opened;
      const record = { clusterId: "web", seq: 1, tick: aTick(10), baselines: {} };
      await store.put(record);
      await store.put(record);
      expect(await store.ticks("web", 0)).toHaveLength(1);
    });

    it("keeps the newest raw counters of each source of each cluster", async () => {
      await using opened = await create();
      const { store } = opened;
      await store.put({ clusterId: "web", seq: 1, tick: aTick(10), baselines: { s: baseline(1), t: baseline(2) } });
      await store.put({ clusterId: "web", seq: 3, tick: aTick(12), baselines: { s: baseline(3) } });
      // Tried again, and late: no newer one.
      await store.put({ clusterId: "web", seq: 2, tick: aTick(11), baselines: { s: baseline(4) } });
      const kept = (await store.baselines()).toSorted((a, b) => (a.source < b.source ? -1 : 1));
      expect(kept).toEqual([
        { clusterId: "web", source: "s", seq: 3, baseline: baseline(3) },
        { clusterId: "web", source: "t", seq: 1, baseline: baseline(2) },
      ]);
    });
  });
}
