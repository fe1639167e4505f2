import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { docFields, docFrom, nameOf, seriesKey, tagOf, timeOf } from "../../../src/backend/influx/lineProtocol.ts";
import { METERS } from "../../../src/model/meters.ts";
import type { RowSample, SealedTick } from "../../../src/model/tick.ts";
import type { InfluxServer } from "../../helpers/influxServer.ts";
import { startInflux } from "../../helpers/influxServer.ts";
import { openInflux } from "../../helpers/influxStore.ts";

let server: InfluxServer;

beforeAll(async () => {
  server = await startInflux();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Anything that a name may be, and what is hardest. */
const anyName = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(..."a,= \\\"'\n\r\t%$;#{}()[]\0é€😀\ud800"), maxLength: 20 }),
  fc.constantFrom("", " ", "%", "%-", "%41", "\\", "a\\", 'x" OR 1=1 --', "x' OR 'a'='a", "$c", "a\nb c=1 1", "time"),
);
const meters = METERS.map(({ name }) => name);
const anyNumber = fc.oneof(
  fc.double({ noNaN: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 5e-324, 1e308, 1e21, 1e-7, 2 ** 53 + 2, Infinity, -Infinity),
);
const values = fc.dictionary(fc.oneof(fc.constantFrom(...meters), anyName), anyNumber, { maxKeys: 8 });

it("any name is a tag, and comes back; no two are one", () => {
  fc.assert(
    fc.property(anyName, anyName, (one, other) => {
      expect(nameOf(tagOf(one))).toBe(one);
      if (one !== other) expect(tagOf(one)).not.toBe(tagOf(other));
      expect(tagOf(one)).toMatch(/^[^\p{Cc}"'\\]+$/u);
      // Nothing ends the tag but what is written after it.
      expect(seriesKey("m", [["t", one]]).replace(/\\[, =]/g, "")).toMatch(/^m,t=[^, =]*$/);
    }),
    { numRuns: 2000 },
  );
});

it("no field of a meter can be taken for another", () => {
  for (const name of meters) expect(name).toMatch(/^[a-z0-9_]+(\.[a-z0-9_]+)+$/);
  expect(meters.filter((name) => /\.(increase|sum|weight)$/.test(name))).toEqual([]);
});

it("documents of any length come back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(100_000), (value, padding) => {
      const document = { value: value as unknown, padding: '\\"é'.repeat(padding / 3) };
      const fields = docFields(document).match(/doc\d*="(?:\\.|[^\\"])*"/g) ?? [];
      const byName = new Map(
        fields.map((field) => {
          const at = field.indexOf("=");
          return [field.slice(0, at), field.slice(at + 2, -1).replace(/\\(.)/g, "$1")];
        }),
      );
      for (const text of byName.values()) expect(text.length).toBeLessThanOrEqual(60_000);
      expect(docFrom((name) => byName.get(name))).toEqual(JSON.parse(JSON.stringify(document)));
    }),
    { numRuns: 20 },
  );
});

it("labels keep their millisecond, and ticks of one label are apart", () => {
  expect(timeOf(1_770_000_000_123, 177_000_000)).toBe("1770000000123000000");
  expect(timeOf(1_770_000_000_123, 177_000_001)).toBe("1770000000123000001");
  expect(timeOf(0, 5)).toBe("5");
});

it("whatever clusters, rows and sources are called, and whatever values are, they come back from InfluxDB to the bit", async () => {
  await using opened = await openInflux(server.url);
  const { store } = opened;
  const reader = opened.reader();
  const anyTick = fc.record({ clusterId: anyName, source: anyName, values, member: anyName, resource: anyName });
  let number = 177_000_000;
  const exact = fc.asyncProperty(fc.array(anyTick, { minLength: 1, maxLength: 20 }), async (ticks) => {
    const written = ticks.map((one) => {
      number++;
      const tick: SealedTick = {
        kind: "tick",
        number,
        at: number * 10_000,
        values: { ...one.values },
        sources: [{ name: one.source, coveredS: 10.5, error: one.member }],
        members: [[one.member, "up", one.resource]],
        servers: { [one.resource]: {} },
      };
      const row: RowSample = {
        resource: one.resource,
        kind: "server",
        increases: { ...one.values },
        sums: { ...one.values },
        means: Object.fromEntries(Object.entries(one.values).map(([name, sum]) => [name, { sum, weight: 1 }])),
        state: "draining",
      };
      return { ...one, tick, row };
    });
    await Promise.all(written.map(({ clusterId, tick }) => store.put({ clusterId, seq: number, tick, baselines: {} })));
    await store.putRows(
      written.map(({ clusterId, source, tick, row }) => ({
        clusterId,
        source,
        tick: { number: tick.number, at: tick.at },
        coveredS: 10,
        rows: [row],
      })),
    );
    for (const { clusterId, source, tick, row } of written) {
      const [record] = await reader.ticks(clusterId, tick.at - 1, tick.at, 5);
      expect(record?.tick).toEqual(tick);
      expect(record?.clusterId).toBe(clusterId);
      const [point] = await reader.rowPoints(clusterId, row.resource, tick.at - 1, tick.at, 5);
      expect(point?.row).toEqual(row);
      expect(point?.source).toBe(source);
    }
    expect(store.counts().aside).toBe(0);
  });
  await fc.assert(exact, { numRuns: 8 });
  const ids = new Set((await reader.clusters()).map(({ clusterId }) => clusterId));
  expect(ids.size).toBeGreaterThan(5);
  await reader.close();
});
