import { expect, it } from "vitest";
import { formatQuantity, formatTable } from "../../src/cli/table.ts";

it.each([
  [31_234.5, "B/s/server", "31.2 kB/s/server"],
  [120_345.6, "B/s", "120 kB/s"],
  [100.4, "B/s", "100 B/s"],
  [999_700.5, "B/s", "1 MB/s"],
  [200.4, "ms", "200 ms"],
  [1234.5, "ms", "1230 ms"],
  [99.96, "%", "100 %"],
  [12.5, "%", "12.5 %"],
  [4, "member", "4 member"],
  [1500, "request/s", "1.5k request/s"],
  [0, "B/s", "0 B/s"],
  [0.1234, "ms", "0.123 ms"],
])("formatQuantity %s %s", (value, unit, text) => expect(formatQuantity(value, unit)).toBe(text));

it("formatTable aligns columns, and prints the header alone when there is nothing", () => {
  expect(formatTable(["A", "LONG"], [["xx", "y"]])).toBe("A   LONG\nxx  y");
  expect(formatTable(["A", "LONG"], [])).toBe("A  LONG");
});
