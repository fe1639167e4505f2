import { describe, expect, it } from "vitest";
import type { ScrapeReport } from "../../src/model/tick.ts";
import { aFailure, aReport } from "../helpers/reports.ts";

/** A bus as the contract sees it: a SampleBus, or its two ends. */
export interface BusUnderTest {
  publish(report: ScrapeReport): void;
  /** Resolves when it listens. */
  subscribe(handle: (report: ScrapeReport) => void): (() => void) | Promise<() => void>;
}

const tick = (number: number) => ({ number, at: number * 10_000 });

/** What every bus of samples does. `number`: that of a tick of now. */
export function busContract(
  name: string,
  create: () => Promise<{ readonly bus: BusUnderTest } & AsyncDisposable>,
  number = 1,
): void {
  describe(`SampleBus: ${name}`, () => {
    it("every subscriber gets every report, in order, from its subscription on", async () => {
      await using opened = await create();
      const { bus } = opened;
      const [first, second]: [ScrapeReport[], ScrapeReport[]] = [[], []];
      const numbers = (reports: readonly ScrapeReport[]) => reports.map((report) => report.tick.number);
      await bus.subscribe((report) => first.push(report));
      bus.publish(aReport(tick(number), 1));
      await expect.poll(() => numbers(first)).toEqual([number]);
      const stop = await bus.subscribe((report) => second.push(report));
      bus.publish(aReport(tick(number + 1), 2));
      await expect.poll(() => numbers(second)).toContain(number + 1);
      stop();
      bus.publish(aReport(tick(number + 2), 3));
      await expect.poll(() => numbers(first)).toEqual([number, number + 1, number + 2]);
      expect(numbers(second)).toEqual([number + 1]);
    });

    it("what a report says arrives as it was said", async () => {
      await using opened = await create();
      const { bus } = opened;
      const got: ScrapeReport[] = [];
      await bus.subscribe((report) => got.push(report));
      const said = [aReport(tick(number), 7, { a: "up", b: "maint" }), aFailure(tick(number + 1))];
      for (const report of said) bus.publish(report);
      await expect.poll(() => got.length).toBe(2);
      expect(got.map(({ tick: own, durationMs, outcome }) => ({ tick: own, durationMs, outcome }))).toEqual(
        said.map(({ tick: own, durationMs, outcome }) => ({ tick: own, durationMs, outcome })),
      );
      expect(got.every(({ source }) => source.endsWith("s"))).toBe(true);
    });
  });
}
