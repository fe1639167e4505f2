import { describe, expect, it } from "vitest";
import { parseInstant } from "../../src/cli/instant.ts";

const NOW = new Date(2026, 10, 21, 14, 30, 0).getTime();

describe("parseInstant", () => {
  it.each([
    ["2026-11-21T00:53:09Z", Date.UTC(2026, 10, 21, 0, 53, 9)],
    ["2026-11-21t00:53:09.250z", Date.UTC(2026, 10, 21, 0, 53, 9, 250)],
    ["2026-11-21 08:53+08:00", Date.UTC(2026, 10, 21, 0, 53)],
    ["1795222389", 1_795_222_389_000],
    ["1795222389.5", 1_795_222_389_500],
    ["14:03", new Date(2026, 10, 21, 14, 3).getTime()],
    ["14:03:20", new Date(2026, 10, 21, 14, 3, 20).getTime()],
    ["14:30", NOW],
    // It has not come today: yesterday's is meant.
    ["23:58", new Date(2026, 10, 20, 23, 58).getTime()],
    ["10m", NOW - 600_000],
    ["10m ago", NOW - 600_000],
    ["1h30m ago", NOW - 5_400_000],
    [" 90s ", NOW - 90_000],
  ])("%s", (text, at) => expect(parseInstant(text, NOW)).toBe(at));

  it.each(["", "now", "24:00", "14:60", "1:03", "14:03:61", "10", "ago", "-5m", "2026-11-21", "2026-11-21T00:53:09"])(
    "%j is none",
    (text) => expect(parseInstant(text, NOW)).toBeUndefined(),
  );

  it.each(["2026-13-21T00:53:09Z", "2026-11-21T25:53:09Z"])("%s: there is no such time", (text) =>
    expect(parseInstant(text, NOW)).toBeUndefined(),
  );
});
