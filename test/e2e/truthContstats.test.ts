import { expect, it } from "vitest";
import type { Lane } from "../helpers/trafficLog.ts";
import { runTruth, tellTruth } from "../helpers/truthRun.ts";

const LAST_MS = 10_000;
const LONG: readonly Lane[] = [
  { kind: "download", connections: 4, bytes: 2_000_000, overMs: LAST_MS, pauseMs: 0, perConnection: 1, together: true },
];

it("a reload costs long downloads whole without `option contstats`, and with it what came since HAProxy last counted", async () => {
  // 7 s after they began.
  const moments = { reloads: 1, restarts: 0, apartMs: [5500, 5500] as const, lanes: LONG, random: () => 0 };
  const [off, on] = await Promise.all(
    [false, true].map(async (contstats) => {
      const evidence = await runTruth({ ...moments, contstats });
      const figures = tellTruth("truth of long downloads", evidence, {
        contstats: contstats ? "on" : "off",
        reloads: 1,
      });
      const firstMs = Math.min(...evidence.exchanges.map(({ startMs }) => startMs));
      const counted = evidence.ticks.find(({ values }) => (values["network.services.lb.outgoing.bytes"] ?? 0) > 0);
      return { figures, sawAfterMs: counted && counted.at - firstMs };
    }),
  );
  for (const { figures } of [off!, on!]) {
    expect(figures.generated.bytesOut).toBeGreaterThan(8_000_000);
    expect(Math.abs(figures.bytesOut.error)).toBeLessThan(2);
    expect(figures.ours).toEqual(figures.reported);
    expect(figures.faults.negative).toBe(0);
    expect(figures.faults.longestHole).toBeLessThanOrEqual(1);
  }
  expect(off!.figures.ours.bytesOut).toBe(0);
  expect(off!.figures.bytesOut.draining).toBeCloseTo(100, 0);
  // HAProxy counts every five seconds then: half of ten.
  expect(on!.sawAfterMs).toBeLessThan(LAST_MS - 3000);
  expect(on!.figures.bytesOut.draining).toBeGreaterThan(30);
  expect(on!.figures.bytesOut.draining).toBeLessThan(60);
}, 60_000);
