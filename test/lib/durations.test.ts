import { describe, expect, it } from "vitest";
import { formatDuration, parseDurationS } from "../../src/lib/durations.ts";

describe("parseDurationS", () => {
  it.each([
    [60, 60],
    ["90", 90],
    ["500ms", 0.5],
    ["90s", 90],
    ["3m", 180],
    ["1h30m", 5400],
    ["7d", 604_800],
    ["1.5h", 5400],
  ])("%s is %s s", (text, seconds) => expect(parseDurationS(text)).toBe(seconds));

  it.each(["", "x", "3 m", "-1s", "1w", "m", -1, Number.NaN, "1h x"])("%s is none", (text) =>
    expect(parseDurationS(text)).toBeUndefined(),
  );
});

it.each([
  [850, "850ms"],
  [12_000, "12s"],
  [252_000, "4m12s"],
  [7_500_000, "2h5m"],
  [273_600_000, "3d4h"],
])("formatDuration %s", (ms, text) => expect(formatDuration(ms)).toBe(text));
