import { expect, it } from "vitest";
import { rateHeader, rateLines } from "../../src/cli/collectTables.ts";

const gauged = (cluster_name: string, second: number) => ({
  cluster_id: cluster_name,
  cluster_name,
  timestamp: `2026-11-21T00:00:0${second}.000Z`,
  values: { "network.services.lb.active.connections": 3 },
  servers: { a: "up", b: "maint" },
  sources: [],
});

it("the time of a tick stands at its first line, and all fits into 100 columns", () => {
  const lineOf = rateLines();
  const lines = [gauged("a", 1), gauged("x".repeat(40), 1), gauged("a", 2)].map(lineOf);
  expect(lines.map((line) => line.slice(0, 12))).toEqual(["00:00:01  a ", "          xx", "00:00:02  a "]);
  for (const line of [...lines, rateHeader()]) expect(line.length).toBeLessThanOrEqual(100);
});
