import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SampleMessage, WireReport } from "../../../../src/backend/nats/samples/wire.ts";
import { decodeMessage, encodeMessage, sinceOf } from "../../../../src/backend/nats/samples/wire.ts";
import { ServerLines } from "../../../../src/backend/nats/samples/wireUnpack.ts";
import type { ClusterSlice } from "../../../../src/model/tick.ts";
import { aSlice } from "../../../helpers/reports.ts";

const message = (reports: readonly WireReport[]): SampleMessage => ({
  agent: "web1",
  run: "r",
  seq: 3,
  intervalMs: 10_000,
  tick: { number: 7, at: 70_000 },
  mapping: 12,
  reports,
});
const decode = (data: Uint8Array) => decodeMessage(data, new ServerLines());
const ofSlices = (slices: readonly ClusterSlice[]): WireReport => ({
  source: "web1/s",
  durationMs: 1.5,
  outcome: { ok: true, slices },
});

// `__proto__` is no name of a meter, but may be one of a server.
const meter = fc.string({ minLength: 1, maxLength: 12 }).filter((name) => name !== "__proto__");
const name = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constant("__proto__"));
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value));
const amount = number.map(Math.abs);
const record = <T>(key: fc.Arbitrary<string>, value: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries) as Record<string, T>);
const state = fc.constantFrom("up", "standby", "draining", "down", "maint", "unknown" as const);
const parts = {
  increases: record(meter, amount),
  sums: record(meter, number),
  means: record(meter, fc.record({ sum: number, weight: number })),
};
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const slice = fc
  .record(
    {
      clusterId: name,
      coveredS: amount,
      ...parts,
      members: record(name, state),
      reload: fc.boolean(),
      gap: fc.boolean(),
      open: fc.boolean(),
      moved: fc.boolean(),
      baseline: fc.record({
        process: fc.record({
          pid: optional(fc.nat()),
          uptimeS: optional(amount),
          startTimeS: optional(amount),
          version: fc.string(),
        }),
        at: fc.nat(),
        open: fc.boolean(),
        rows: fc.constant(""),
      }),
      servers: record(name, fc.record(parts)),
      raw: record(meter, number),
      rowCount: fc.nat(),
      resets: fc.nat(),
      skipped: fc.nat(),
      kept: fc.array(
        fc.record(
          { resource: name, kind: fc.constantFrom("frontend", "backend", "server", "listener"), ...parts, state },
          { requiredKeys: ["resource", "kind", "increases", "sums", "means"] },
        ),
        { maxLength: 4 },
      ),
      fresh: fc.boolean(),
      stale: fc.constant(true as const),
    },
    {
      requiredKeys: [
        ...(["clusterId", "coveredS", "increases", "sums", "means", "members"] as const),
        ...(["reload", "gap", "open", "moved", "baseline"] as const),
      ],
    },
  )
  .chain((own) => {
    const names = Object.keys(own.members);
    const proxies = fc.tuple(...names.map((one) => fc.option(name).map((proxy) => [one, proxy] as const)));
    return fc.option(proxies, { nil: undefined }).map((found) => {
      const entries = found?.filter(([, proxy]) => proxy !== null);
      return (entries ? { ...own, proxies: Object.fromEntries(entries) } : own) as ClusterSlice;
    });
  });
const report = fc.record({
  source: name,
  durationMs: amount,
  outcome: fc.oneof(
    fc.record({ ok: fc.constant(true as const), slices: fc.array(slice, { maxLength: 3 }) }),
    fc.record(
      { ok: fc.constant(false as const), code: name, reason: fc.string(), away: fc.constant(true as const) },
      { requiredKeys: ["ok", "code", "reason"] },
    ),
  ),
}) as fc.Arbitrary<WireReport>;

it("whatever is said is read as it was said", () => {
  fc.assert(
    fc.property(fc.array(report, { maxLength: 3 }), (reports) => {
      const bytes = encodeMessage(message(reports), Infinity);
      expect(bytes && decode(bytes)).toEqual(message(reports));
    }),
    { numRuns: 200 },
  );
});

it("names and servers that come again are the same objects", () => {
  const members = { a: "up", b: "down" } as const;
  const lines = new ServerLines();
  const read = [1, 2].map(() => {
    const bytes = encodeMessage(message([ofSlices([aSlice({ members }), aSlice({ clusterId: "b", members })])]), 1e6);
    const decoded = decodeMessage(bytes!, lines);
    return typeof decoded === "string" || !decoded.reports[0]?.outcome.ok ? [] : decoded.reports[0].outcome.slices;
  });
  expect(read[0]![0]!.members).toEqual(members);
  expect(read.flat().every((own) => own.members === read[0]![0]!.members)).toBe(true);
});

it("a value that is no number is none, and the rest is there", () => {
  const odd = aSlice({ sums: { a: Number.NaN, b: 2 }, increases: { c: Infinity, d: 1 } });
  const decoded = decode(encodeMessage(message([ofSlices([odd])]), 1e6)!);
  expect(decoded).toMatchObject({ reports: [{ outcome: { slices: [{ sums: { b: 2 }, increases: { d: 1 } }] } }] });
});

describe("what is no message is told apart, and never thrown", () => {
  const good = JSON.parse(
    Buffer.from(encodeMessage(message([ofSlices([aSlice()])]), 1e6)!)
      .toString()
      .split("\n")[0]!,
  );
  const line = '[["a"],"5",null]';
  const encoded = (value: unknown, ...lines: string[]) => Buffer.from([JSON.stringify(value), ...lines].join("\n"));
  const withSlice = (change: (slice: unknown[]) => void) => {
    const copy = structuredClone(good);
    change(copy.reports[0][2][0]);
    return encoded(copy, line);
  };

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["binary", Buffer.from([0x78, 1, 2, 3])],
    ["half of it", deflateSync(Buffer.alloc(2000, "{")).subarray(0, 10)],
    ["a list", Buffer.from("{}")],
    ["another version", encoded({ ...good, v: 2 }, line)],
    ["no agent", encoded({ ...good, agent: "" }, line)],
    ["a number for an agent", encoded({ ...good, agent: 5 }, line)],
    ["a sequence that is none", encoded({ ...good, seq: 1.5 }, line)],
    ["a tick without a label", encoded({ ...good, tick: { number: 1 } }, line)],
    ["a mapping below zero", encoded({ ...good, mapping: -1 }, line)],
    ["no shapes", encoded({ ...good, shapes: undefined }, line)],
    ["a shape with __proto__", encoded({ ...good, shapes: [[["__proto__"], [], []]] }, line)],
    ["reports that are none", encoded({ ...good, reports: [[]] }, line)],
    ["servers that are missing", encoded(good)],
    ["servers that are no JSON", encoded(good, "[")],
    ["servers without states", encoded(good, '[["a"],"",null]')],
    ["servers in no state", encoded(good, '[["a"],"9",null]')],
    ["more proxies than servers", encoded(good, '[["a"],"5",[["p",1000000000]]]')],
    ["an increase below zero", withSlice((own) => own.splice(3, 1, [0, -1]))],
    ["a text for a number", withSlice((own) => own.splice(1, 1, "5"))],
    ["values of another shape", withSlice((own) => own.splice(3, 1, [7]))],
    ["flags that are none", withSlice((own) => own.splice(2, 1, null))],
    ["a kept row of no kind", withSlice((own) => own.splice(9, 1, [["r", "x", [0]]]))],
    ["a very long name", withSlice((own) => own.splice(0, 1, "x".repeat(10_000)))],
  ])("%s", (_, bytes) => {
    expect(decode(bytes)).toBeTypeOf("string");
  });

  it("what inflates without end", () => {
    expect(decode(deflateSync(Buffer.alloc(64 * 1024 * 1024, "{")))).toBeTypeOf("string");
  });

  it("any JSON, and any change of a good one", () => {
    fc.assert(fc.property(fc.json(), (text) => void decode(Buffer.from(text))));
    const text = encoded(good, line);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(255), (index, byte) => {
        const changed = Buffer.from(text);
        changed[index] = byte;
        expect(["string", "object"]).toContain(typeof decode(changed));
      }),
      { numRuns: 1000 },
    );
  });
});

it.each([
  ["12.5", 12.5],
  ["-3", -3],
  ["", undefined],
  [undefined, undefined],
  ["soon", undefined],
  ["Infinity", undefined],
  ["1e300", undefined],
])("%s ms since the tick", (header, expected) => {
  expect(sinceOf(header)).toBe(expected);
});

describe.each(["x\0", "x\ud800"])("a text that no database gives back: %j", (odd) => {
  const read = (report: WireReport, fields: Partial<SampleMessage> = {}) =>
    decode(encodeMessage({ ...message([report]), ...fields }, 1e6) ?? new Uint8Array());

  it.each([
    ["a source", { ...ofSlices([]), source: `web1/${odd}` }],
    ["a cluster", ofSlices([aSlice({ clusterId: odd })])],
    ["a meter", ofSlices([aSlice({ sums: { [odd]: 1 } })])],
    ["a raw counter", ofSlices([aSlice({ raw: { [odd]: 1 } })])],
  ])("names nothing that is kept under it: %s", (_, report) => {
    expect(read(report)).toBe("a name is no text that can be kept");
    expect(read(ofSlices([]), { agent: odd })).toBe("it does not say whose it is");
  });

  it("is mended where HAProxy says it", () => {
    const failure: WireReport = { ...ofSlices([]), outcome: { ok: false, code: "refused", reason: odd } };
    const members = { [odd]: "up" as const };
    const kept = [{ resource: odd, kind: "server" as const, increases: {}, sums: {}, means: {} }];
    expect(read(failure)).toMatchObject({ reports: [{ outcome: { reason: "x\ufffd" } }] });
    expect(read(ofSlices([aSlice({ members, kept })]))).toMatchObject({
      reports: [{ outcome: { slices: [{ members: { "x\ufffd": "up" }, kept: [{ resource: "x\ufffd" }] }] } }],
    });
  });
});
