import { expect, it } from "vitest";
import { Pieces, roomForPieces } from "../../../../src/backend/nats/samples/pieces.ts";
import type { WireReport } from "../../../../src/backend/nats/samples/wire.ts";
import type { ClusterSlice } from "../../../../src/model/tick.ts";
import { aSlice } from "../../../helpers/reports.ts";

/** Of 100 values and a little more. */
const sums = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, index]));
const piece = (
  index: number,
  count: number,
  { source = "a/s", slices = 1, fields = { sums } as Partial<ClusterSlice> } = {},
): WireReport => ({
  source,
  durationMs: 1,
  outcome: { ok: true, slices: Array.from({ length: slices }, () => aSlice({ clusterId: `c${index}`, ...fields })) },
  piece: [index, count],
});
const idsOf = (report: WireReport | "large" | undefined): readonly string[] | string | undefined => {
  if (typeof report !== "object") return report;
  return report.outcome.ok ? report.outcome.slices.map(({ clusterId }) => clusterId) : "a failure";
};

it("pieces in order are one report; a gap, another tick or another run begins anew", () => {
  const pieces = new Pieces(roomForPieces());
  expect(pieces.join("r", 1, { ...piece(0, 1), piece: undefined } as unknown as WireReport)).toBeDefined();
  expect(idsOf(pieces.join("r", 1, piece(0, 2)))).toBeUndefined();
  expect(idsOf(pieces.join("r", 1, piece(1, 2)))).toEqual(["c0", "c1"]);
  for (const [run, number, index] of [
    ["r", 1, 0],
    ["r", 1, 2],
    ["r", 1, 0],
    ["r", 2, 1],
    ["r", 2, 0],
    ["q", 2, 1],
  ] as const)
    expect(idsOf(pieces.join(run, number, piece(index, 3)))).toBeUndefined();
});

it("a report of more than there is room for is dropped whole, and said once; the next one is taken", () => {
  const pieces = new Pieces({ each: 1000, all: 2000, taken: 0 });
  const said = [0, 1, 2, 3].map((index) => idsOf(pieces.join("r", 1, piece(index, 4, { slices: 4 }))));
  expect(said).toEqual([undefined, undefined, "large", undefined]);
  expect(pieces.join("r", 2, piece(0, 2, { slices: 9 }))).toBe("large");
  expect(pieces.join("r", 3, piece(0, 2))).toBeUndefined();
  expect(idsOf(pieces.join("r", 3, piece(1, 2)))).toEqual(["c0", "c1"]);
});

it("of open reports of more than there is room for together the oldest go; what is whole or over takes no room", () => {
  const pieces = new Pieces({ each: 1000, all: 2000, taken: 0 });
  for (const source of ["a", "b", "c", "d"]) pieces.join("r", 1, piece(0, 2, { source, slices: 5 }));
  expect(["a", "b", "c", "d"].map((source) => idsOf(pieces.join("r", 1, piece(1, 2, { source })))?.length)).toEqual([
    undefined,
    6,
    6,
    6,
  ]);
  for (let number = 0; number < 100; number++) {
    pieces.join("r", number, piece(0, 3, { slices: 5 }));
    pieces.join("q", number, piece(0, 2, { slices: 5 }));
    expect(idsOf(pieces.join("q", number, piece(1, 2)))).toHaveLength(6);
    if (number % 3 === 0) pieces.join("q", number, piece(1, 2));
  }
});

it("partitions of one process share the room; one that is ended gives its back", () => {
  const room = { each: 1000, all: 2000, taken: 0 };
  const [one, two] = [new Pieces(room), new Pieces(room)];
  for (const source of ["a", "b", "c"]) one.join("r", 1, piece(0, 2, { source, slices: 5 }));
  expect(two.join("r", 1, piece(0, 2, { slices: 5 }))).toBe("large");
  one.clear();
  expect(room.taken).toBe(0);
  expect(two.join("r", 2, piece(0, 2, { slices: 5 }))).toBeUndefined();
  expect(idsOf(two.join("r", 2, piece(1, 2)))).toHaveLength(6);
  expect(room.taken).toBe(0);
});

it.each([
  { name: "slices", fields: {} },
  { name: "rows by themselves", fields: { kept: [{ resource: "s", kind: "server" as const, ...parts() }] } },
  { name: "servers", fields: { servers: { a: parts(), b: parts() } } },
  { name: "members", fields: { members: { a: "up" as const, b: "up" as const }, proxies: { a: "p" } } },
  { name: "raw counters", fields: { raw: { a: 1 } } },
  { name: "long names", fields: { clusterId: "x".repeat(8000) } },
])("$name count", ({ fields }) => {
  const room = { each: 1e9, all: 1e9, taken: 0 };
  const pieces = new Pieces(room);
  pieces.join("r", 1, piece(0, 2, { slices: 10, fields }));
  const plain = { each: 1e9, all: 1e9, taken: 0 };
  new Pieces(plain).join("r", 1, piece(0, 2, { slices: 9, fields: {} }));
  expect(room.taken).toBeGreaterThan(plain.taken);
  expect(room.taken).toBeGreaterThanOrEqual(200);
});

function parts() {
  return { increases: { a: 1 }, sums: { b: 1 }, means: { c: { sum: 1, weight: 1 } } };
}
