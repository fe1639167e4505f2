import { expect, it } from "vitest";
import { sparkline } from "../../src/cli/sparkline.ts";

it.each([
  { name: "nothing", values: [], blocks: "", plain: "" },
  { name: "no value", values: [null, null], blocks: "", plain: "" },
  { name: "each step", values: [0, 1, 2, 3, 4, 5, 6, 7], blocks: "▁▂▃▄▅▆▇█", plain: "_.-:=+*#" },
  { name: "gaps are spaces", values: [null, 0, null, 10], blocks: " ▁ █", plain: " _ #" },
  { name: "what never changes is in the middle", values: [5, 5], blocks: "▄▄", plain: "::" },
  { name: "nothing at all is the lowest mark", values: [0, 0], blocks: "▁▁", plain: "__" },
  { name: "the lowest mark is 0", values: [1000, 1001, 500], blocks: "██▄", plain: "##:" },
  { name: "below zero", values: [-1, 0, 1], blocks: "▁▅█", plain: "_=#" },
])("$name", ({ values, blocks, plain }) => {
  expect(sparkline(values, false)).toBe(blocks);
  expect(sparkline(values, true)).toBe(plain);
});

it("what does not fit is told by the highest of neighbours: no peak is lost, and gaps need all of them", () => {
  const values = Array.from({ length: 720 }, (_, n) => (n === 333 ? 100 : n >= 700 ? null : 0));
  const line = sparkline(values, false);
  expect(line).toBe(`${"▁".repeat(33)}█${"▁".repeat(36)}  `);
});
