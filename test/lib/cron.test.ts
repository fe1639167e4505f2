import { describe, expect, it } from "vitest";
import { cronError, isWithin, isZone, lastStart, nextStart } from "../../src/lib/cron.ts";

const at = (text: string) => Date.parse(text);
const shown = (start: number | undefined) => start && new Date(start).toISOString().replace(".000", "");

describe("cronError", () => {
  it.each([
    "* * * * *",
    "  0 22 * * *  ",
    "*/15 8-18/2 1,15 jan-MAR Mon-Fri",
    "0 0 29 2 *",
    "0 22 * * * 30",
    "0 0 l * *",
    "0 0 * * L5",
    "0 0 * * 5#2",
    "0 0 ? * sat-sun",
    "5/15 * * * *",
  ])("'%s' is fine", (start) => expect(cronError(start)).toBeUndefined());

  it.each([
    { start: "", says: "Exactly 5 or 6 columns" },
    { start: "11:00am", says: "Exactly 5 or 6 columns" },
    { start: "@daily", says: "Exactly 5 or 6 columns" },
    { start: "* * * *", says: "Exactly 5 or 6 columns" },
    { start: "* * * * * * *", says: "Exactly 5 or 6 columns" },
    { start: "60 * * * *", says: "expected range 0-59" },
    { start: "* 24 * * *", says: "expected range 0-23" },
    { start: "* * * * * 60", says: "expected range 0-59" },
    { start: "H * * * *", says: "'H' is no minute" },
    { start: "* * 15L * *", says: "'15L' is no day of month" },
    { start: "* * * fri *", says: "'fri' is no month" },
    { start: "* * * * 8", says: "'8' is no day of week" },
    { start: "? * * * *", says: "'?' is no minute" },
    { start: "*/0 * * * *", says: "'*/0' is no minute" },
    { start: "1,,2 * * * *", says: "'' is no minute" },
    { start: "-5 * * * *", says: "'-5' is no minute" },
    { start: "30-10 * * * *", says: "30-10" },
    { start: "0 0 30 2 *", says: "day of month" },
    { start: "0 0 31 4,6 *", says: "day of month" },
  ])("'$start': $says", ({ start, says }) => expect(cronError(start)).toContain(says));
});

describe("isZone", () => {
  it.each(["", "UTC", "Asia/Shanghai", "Europe/Berlin", "Etc/GMT+5", "EST5EDT"])("'%s' is one", (zone) =>
    expect(isZone(zone)).toBe(true),
  );
  it.each(["aaaa", "Europe/Nowhere", "+02:00", " ", "Europe/Berlin "])("'%s' is none", (zone) =>
    expect(isZone(zone)).toBe(false),
  );
});

describe("lastStart and nextStart", () => {
  it.each([
    {
      start: "0 22 * * *",
      zone: "",
      now: "2026-11-21T22:00:00Z",
      last: "2026-11-21T22:00:00Z",
      next: "2026-11-22T22:00:00Z",
    },
    {
      start: "0 22 * * *",
      zone: "",
      now: "2026-11-21T21:59:59.999Z",
      last: "2026-11-20T22:00:00Z",
      next: "2026-11-21T22:00:00Z",
    },
    {
      start: "0 22 * * *",
      zone: "",
      now: "2026-11-21T22:00:00.001Z",
      last: "2026-11-21T22:00:00Z",
      next: "2026-11-22T22:00:00Z",
    },
    {
      start: "0 22 * * *",
      zone: "Asia/Shanghai",
      now: "2026-07-01T00:00:00Z",
      last: "2026-06-30T14:00:00Z",
      next: "2026-07-01T14:00:00Z",
    },
    {
      start: "0 22 * * * 30",
      zone: "",
      now: "2026-11-21T22:00:29Z",
      last: "2026-11-20T22:00:30Z",
      next: "2026-11-21T22:00:30Z",
    },
    {
      start: "* * * * * */20",
      zone: "",
      now: "2026-11-21T22:00:39.999Z",
      last: "2026-11-21T22:00:20Z",
      next: "2026-11-21T22:00:40Z",
    },
    {
      start: "* * * * *",
      zone: "Europe/Berlin",
      now: "2026-11-21T22:00:00Z",
      last: "2026-11-21T22:00:00Z",
      next: "2026-11-21T22:01:00Z",
    },
    // The clock has shown 02:59 and been put back to 02:30.
    {
      start: "59 2 * * *",
      zone: "Europe/Berlin",
      now: "2026-10-25T01:30:00Z",
      last: "2026-10-25T00:59:00Z",
      next: "2026-10-26T01:59:00Z",
    },
    {
      start: "0 0 29 2 *",
      zone: "",
      now: "2026-11-21T22:00:00Z",
      last: "2024-02-29T00:00:00Z",
      next: "2028-02-29T00:00:00Z",
    },
    { start: "0 0 29 2 *", zone: "", now: "2102-06-01T00:00:00Z", last: undefined, next: "2104-02-29T00:00:00Z" },
    { start: "0 0 29 2 *", zone: "", now: "2098-06-01T00:00:00Z", last: "2096-02-29T00:00:00Z", next: undefined },
    // Either of both days, when both are given: the 13th is a Sunday, the Friday before it the 11th.
    {
      start: "0 0 13 * fri",
      zone: "",
      now: "2026-09-12T00:00:00Z",
      last: "2026-09-11T00:00:00Z",
      next: "2026-09-13T00:00:00Z",
    },
    {
      start: "0 0 13 * *",
      zone: "",
      now: "2026-09-12T00:00:00Z",
      last: "2026-08-13T00:00:00Z",
      next: "2026-09-13T00:00:00Z",
    },
    {
      start: "0 0 * * fri",
      zone: "",
      now: "2026-09-12T00:00:00Z",
      last: "2026-09-11T00:00:00Z",
      next: "2026-09-18T00:00:00Z",
    },
    {
      start: "0 0 L * *",
      zone: "",
      now: "2028-02-29T00:00:00Z",
      last: "2028-02-29T00:00:00Z",
      next: "2028-03-31T00:00:00Z",
    },
    {
      start: "0 0 * * L5",
      zone: "",
      now: "2026-11-21T00:00:00Z",
      last: "2026-10-30T00:00:00Z",
      next: "2026-11-27T00:00:00Z",
    },
    {
      start: "0 0 * * 5#2",
      zone: "",
      now: "2026-11-21T00:00:00Z",
      last: "2026-11-13T00:00:00Z",
      next: "2026-12-11T00:00:00Z",
    },
    {
      start: "0 0 * * 7",
      zone: "",
      now: "2026-11-21T00:00:00Z",
      last: "2026-11-15T00:00:00Z",
      next: "2026-11-22T00:00:00Z",
    },
  ])("'$start' in '$zone' around $now", ({ start, zone, now, last, next }) => {
    expect([shown(lastStart(start, zone, at(now))), shown(nextStart(start, zone, at(now)))]).toEqual([last, next]);
  });

  it.each([
    {
      name: "Berlin, skipped",
      start: "30 2 * * *",
      zone: "Europe/Berlin",
      from: "2026-03-28T12:00Z",
      starts: ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    },
    {
      name: "Berlin, the first minute after",
      start: "0 3 * * *",
      zone: "Europe/Berlin",
      from: "2026-03-28T12:00Z",
      starts: ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
    },
    {
      name: "Berlin, several skipped are one",
      start: "*/15 2-3 * * *",
      zone: "Europe/Berlin",
      from: "2026-03-29T00:59Z",
      starts: ["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"],
    },
    {
      name: "Berlin, twice",
      start: "30 2 * * *",
      zone: "Europe/Berlin",
      from: "2026-10-24T12:00Z",
      starts: ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    },
    {
      name: "Berlin, every half hour",
      start: "*/30 * * * *",
      zone: "Europe/Berlin",
      from: "2026-10-25T00:00Z",
      starts: ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
    },
    {
      name: "New York, skipped",
      start: "30 2 * * *",
      zone: "America/New_York",
      from: "2026-03-07T12:00Z",
      starts: ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
    },
    {
      name: "New York, twice",
      start: "30 1 * * *",
      zone: "America/New_York",
      from: "2026-10-31T12:00Z",
      starts: ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
    },
    {
      name: "Lord Howe, skipped",
      start: "15 2 * * *",
      zone: "Australia/Lord_Howe",
      from: "2026-10-03T12:00Z",
      starts: ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
    },
    {
      name: "Lord Howe, twice",
      start: "45 1 * * *",
      zone: "Australia/Lord_Howe",
      from: "2026-04-04T12:00Z",
      starts: ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
    },
    {
      name: "Shanghai has none",
      start: "30 2 * * *",
      zone: "Asia/Shanghai",
      from: "2026-03-28T12:00Z",
      starts: ["2026-03-28T18:30:00Z", "2026-03-29T18:30:00Z"],
    },
    {
      name: "Samoa left out a day",
      start: "0 12 * * *",
      zone: "Pacific/Apia",
      from: "2011-12-29T23:00Z",
      starts: ["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
    },
  ])("$name", ({ start, zone, from, starts }) => {
    const first = nextStart(start, zone, at(from));
    expect([shown(first), shown(nextStart(start, zone, first ?? 0))]).toEqual(starts);
    // Looking back finds the same, to the millisecond.
    const [one = "", two = ""] = starts;
    expect(shown(lastStart(start, zone, at(one)))).toBe(one);
    expect(shown(lastStart(start, zone, at(two) - 1))).toBe(one);
    expect(shown(nextStart(start, zone, at(one) - 1))).toBe(one);
  });

  it("a clock that steps back and forth gets the same answers", () => {
    const instants = ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2031-01-01T00:00:00Z"];
    const ask = (text: string) => shown(lastStart("30 2 * * *", "Europe/Berlin", at(text)));
    const forwards = instants.map(ask);
    expect(forwards).toEqual([
      "2026-03-28T01:30:00Z",
      "2026-03-29T01:00:00Z",
      "2026-03-30T00:30:00Z",
      "2030-12-31T01:30:00Z",
    ]);
    expect(instants.toReversed().map(ask).toReversed()).toEqual(forwards);
  });

  it("more texts than are remembered get the same answers", () => {
    const texts = Array.from(
      { length: 10_050 },
      (_, n) => `${n % 60} * * * * ${Math.floor(n / 60) % 60}-59/${1 + Math.floor(n / 3600)}`,
    );
    const now = at("2026-11-21T00:00:00Z");
    const ask = () => [texts[0], texts[1], texts.at(-1)].map((text) => shown(lastStart(text ?? "", "", now)));
    const before = ask();
    for (const text of texts) lastStart(text, "", now);
    expect(ask()).toEqual(before);
    expect(before).toEqual(["2026-11-21T00:00:00Z", "2026-11-20T23:01:59Z", "2026-11-20T23:29:59Z"]);
  });

  it.each([
    { what: "text", start: "nonsense", zone: "" },
    { what: "zone", start: "* * * * *", zone: "Europe/Nowhere" },
  ])("a wrong $what throws", ({ start, zone }) => expect(() => lastStart(start, zone, 0)).toThrow());
});

describe("isWithin", () => {
  const nights = { start: "0 22 * * *", durationS: 8 * 3600, timezone: "Europe/Berlin" };
  const noon = { start: "0 12 * * *", durationS: 0, timezone: "" };

  it.each([
    { name: "no constraint at all", constraints: [], now: "2026-11-21T12:00:00Z", inside: true },
    { name: "just before", constraints: [nights], now: "2026-11-21T20:59:59.999Z", inside: false },
    { name: "the start itself", constraints: [nights], now: "2026-11-21T21:00:00Z", inside: true },
    { name: "the end itself", constraints: [nights], now: "2026-11-22T05:00:00Z", inside: true },
    { name: "just after", constraints: [nights], now: "2026-11-22T05:00:00.001Z", inside: false },
    { name: "either of two", constraints: [nights, noon], now: "2026-11-21T12:00:00Z", inside: true },
    { name: "none of two", constraints: [nights, noon], now: "2026-11-21T13:00:00Z", inside: false },
    { name: "no length: the instant", constraints: [noon], now: "2026-11-21T12:00:00Z", inside: true },
    { name: "no length: not a moment more", constraints: [noon], now: "2026-11-21T12:00:00.001Z", inside: false },
    {
      name: "longer than from one start to the next: always",
      constraints: [{ ...noon, durationS: 86_400 }],
      now: "2026-11-21T11:59:59.999Z",
      inside: true,
    },
    // Durations are elapsed time: eight hours of a night with an hour more end an hour earlier on the clock.
    { name: "a night that is longer", constraints: [nights], now: "2026-10-25T04:00:00Z", inside: true },
    { name: "a night that is longer, over", constraints: [nights], now: "2026-10-25T04:00:00.001Z", inside: false },
  ])("$name: $inside", ({ constraints, now, inside }) => expect(isWithin(constraints, at(now))).toBe(inside));
});
