import { expect } from "vitest";
import type { tellTruth } from "./truthRun.ts";

/** What must hold of every run: totals within 1 % and 2 % of the truth, nothing counted twice, no rate that was not. */
export function checkTruth(figures: ReturnType<typeof tellTruth>): void {
  const { requests, bytesIn, bytesOut, faults, ours, reported, lives, generated } = figures;
  expect(Math.abs(requests.error)).toBeLessThan(1);
  expect(Math.abs(bytesIn.error)).toBeLessThan(2);
  expect(Math.abs(bytesOut.error)).toBeLessThan(2);
  // Whatever was read from HAProxy is in the totals, to the byte.
  expect(ours).toEqual(reported);
  for (const { pid, seen, final, unread, unreadByGenerator } of lives) {
    for (const counter of ["requests", "bytesIn", "bytesOut"] as const) {
      // Of no process more than it counted, and what it took along unread is what the generator saw end after our last question.
      expect(seen[counter], `${counter} of process ${pid}`).toBeLessThanOrEqual(final[counter]);
      expect(unread[counter], `unread ${counter} of process ${pid}`).toBeLessThanOrEqual(unreadByGenerator[counter]);
    }
  }
  expect(generated.requests).toBeGreaterThan(500);
  expect(faults).toEqual({ negative: 0, spikes: [], longestHole: expect.toSatisfy((ticks: number) => ticks <= 1) });
}
