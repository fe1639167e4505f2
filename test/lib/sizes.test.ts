import { expect, it } from "vitest";
import { parseSize } from "../../src/lib/sizes.ts";

it.each([
  [0, 0],
  [67_108_864, 67_108_864],
  ["500MiB", 500 * 2 ** 20],
  ["10GiB", 10 * 2 ** 30],
  ["1GB", 1e9],
  ["1.5 GiB", 1.5 * 2 ** 30],
  ["64kB", 64_000],
  ["12", 12],
  ["12B", 12],
  [-1, undefined],
  ["-1GiB", undefined],
  ["10 gigabytes", undefined],
  ["10GIB", undefined],
  ["iB", undefined],
  ["", undefined],
  [Number.NaN, undefined],
  ["9000000TiB", undefined],
])("%s", (value, bytes) => {
  expect(parseSize(value)).toBe(bytes);
});
