import { describe, expect, it } from "vitest";
import type { SealedTick } from "../../src/model/tick.ts";
import { catalogOf } from "../../src/query/catalog.ts";
import { SESSIONS } from "../helpers/rules.ts";
import type { KeptRow } from "./reader.ts";
import { ArrayReader } from "./reader.ts";

const tick: SealedTick = { kind: "tick", number: 1, at: 10_000, values: {}, sources: [], members: [] };
const ids = Array.from({ length: 30 }, (_, n) => `c${String(n).padStart(2, "0")}`);
const rows = ids.flatMap((clusterId) =>
  Array.from({ length: 100 }, (_, n): KeptRow => {
    const row = { resource: `be/s${n}`, kind: "server" as const, increases: {}, sums: { [SESSIONS]: 1 }, means: {} };
    return { clusterId, source: "lb1", tick, coveredS: 10, row };
  }),
);

/** Counts the resources that it was made to look at. */
class CountingReader extends ArrayReader {
  told = 0;

  override async resources(...asked: Parameters<ArrayReader["resources"]>) {
    const resources = await super.resources(...asked);
    this.told += resources.length;
    return resources;
  }
}

describe("what is kept", () => {
  const reader = () => new CountingReader({ ticks: Object.fromEntries(ids.map((id) => [id, [tick]])), rows });

  it("is told as far as 1000 of each, and not looked at much further", async () => {
    const own = reader();
    const { clusters, resources, limit, more } = await catalogOf(own, {});
    expect([clusters.length, resources.length, limit]).toEqual([30, 1000, 1000]);
    expect(more.clusters).toBe(0);
    expect(more.resources).toBeGreaterThan(0);
    expect(own.told).toBeLessThanOrEqual(1100);
    expect(resources[0]?.clusterId).toBe("c00");
    expect(resources.at(-1)?.clusterId).toBe("c09");
  });

  it("is told as far as was asked for", async () => {
    const few = await catalogOf(reader(), { limit: 10 });
    expect([few.clusters.length, few.resources.length, few.limit, few.more.clusters]).toEqual([10, 10, 10, 20]);
    const all = await catalogOf(reader(), { limit: 10_000 });
    expect([all.resources.length, all.more]).toEqual([3000, { clusters: 0, resources: 0 }]);
  });

  it("has the rows of a cluster of which nothing else is kept any more", async () => {
    const { resources } = await catalogOf(new ArrayReader({ ticks: { c00: [tick] }, rows: rows.slice(0, 200) }), {});
    expect(new Set(resources.map(({ clusterId }) => clusterId))).toEqual(new Set(["c00", "c01"]));
    expect(resources).toHaveLength(200);
  });

  it("of one cluster nothing else is looked at", async () => {
    const own = reader();
    const { clusters, resources } = await catalogOf(own, { clusterId: "c07" });
    expect([clusters.length, resources.length, own.told]).toEqual([1, 100, 100]);
  });
});
