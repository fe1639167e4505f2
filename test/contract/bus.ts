import { describe, expect, it } from "vitest";
import type { ScrapeReport } from "../../src/model/tick.ts";
import type { SampleBus } from "../../src/ports.ts";
import { aReport } from "../helpers/reports.ts";

/** What every SampleBus does. */
export function busContract(name: string, create: () => Promise<{ readonly bus: SampleBus } & AsyncDisposable>): void {
  describe(`SampleBus: ${name}`, () => {
    it("every subscriber gets every report, in order, from its subscription on", async () => {
      await using opened = await create();
      const { bus } = opened;
      const [first, second]: [ScrapeReport[], ScrapeReport[]] = [[], []];
      bus.subscribe((report) => first.push(report));
      bus.publish(aReport({ number: 1, at: 1 }, 1));
      const stop = bus.subscribe((report) => second.push(report));
      bus.publish(aReport({ number: 2, at: 2 }, 2));
      stop();
      bus.publish(aReport({ number: 3, at: 3 }, 3));
      await expect.poll(() => first.map(({ tick }) => tick.number)).toEqual([1, 2, 3]);
      expect(second.map(({ tick }) => tick.number)).toEqual([2]);
    });
  });
}
