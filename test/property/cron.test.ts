import fc from "fast-check";
import { expect, it } from "vitest";
import { isWithin, lastStart, nextStart } from "../../src/lib/cron.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const full = process.env.TOCSIN_TEST_FULL !== undefined;

/** Zones with instants at which their clocks jump. */
const JUMPS: readonly { readonly zone: string; readonly jumps: readonly string[] }[] = [
  { zone: "Europe/Berlin", jumps: ["2026-03-29T01:00Z", "2026-10-25T01:00Z"] },
  { zone: "America/New_York", jumps: ["2026-03-08T07:00Z", "2026-11-01T06:00Z"] },
  { zone: "America/Santiago", jumps: ["2026-04-05T03:00Z", "2026-09-06T04:00Z"] },
  { zone: "Australia/Lord_Howe", jumps: ["2026-04-04T15:00Z", "2026-10-03T15:30Z"] },
  { zone: "Africa/Casablanca", jumps: ["2025-02-23T02:00Z", "2025-04-06T02:00Z"] },
  { zone: "America/St_Johns", jumps: ["2010-03-14T03:31Z", "2010-11-07T02:31Z"] },
  { zone: "Antarctica/Troll", jumps: ["2026-03-29T01:00Z", "2026-10-25T01:00Z"] },
  { zone: "Pacific/Apia", jumps: ["2011-12-30T10:00Z"] },
  { zone: "Asia/Shanghai", jumps: ["2026-02-28T16:00Z"] },
  { zone: "UTC", jumps: ["2024-02-29T00:00Z"] },
];

/** The columns as they are written, with the numbers they stand for. */
interface Column {
  readonly text: string;
  readonly values: ReadonlySet<number>;
}

const range = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => from + n * step);

function column(min: number, max: number): fc.Arbitrary<Column> {
  const number = fc.integer({ min, max });
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant({ text: "*", values: new Set(range(min, max)) }) },
    {
      weight: 2,
      arbitrary: fc.uniqueArray(number, { minLength: 1, maxLength: 4 }).map((some) => ({
        text: some.join(","),
        values: new Set(some),
      })),
    },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 20 }).map((step) => ({
        text: `*/${step}`,
        values: new Set(range(min, max, step)),
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(number, number, fc.integer({ min: 1, max: 5 })).map(([one, other, step]) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        return { text: `${from}-${to}/${step}`, values: new Set(range(from, to, step)) };
      }),
    },
  );
}

const everySecond0: Column = { text: "0", values: new Set([0]) };
const MOST_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const columns = fc.record({
  minute: column(0, 59),
  // Near the hours at which clocks jump, more often than not.
  hour: fc.oneof(
    column(0, 23),
    fc.integer({ min: 0, max: 3 }).map((hour) => ({ text: String(hour), values: new Set([hour]) })),
  ),
  day: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ text: "*", values: new Set(range(1, 31)) }) },
    { weight: 1, arbitrary: column(1, 31) },
  ),
  month: fc.oneof(
    { weight: 4, arbitrary: fc.constant({ text: "*", values: new Set(range(1, 12)) }) },
    { weight: 1, arbitrary: column(1, 12) },
  ),
  weekday: fc.oneof(
    { weight: 2, arbitrary: fc.constant({ text: "*", values: new Set(range(0, 6)) }) },
    { weight: 1, arbitrary: column(0, 6) },
  ),
  second: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc
        .uniqueArray(fc.integer({ min: 0, max: 59 }), { minLength: 1, maxLength: 3 })
        .map((some) => ({ text: some.join(","), values: new Set(some) })),
    },
  ),
});
type Cron = typeof columns extends fc.Arbitrary<infer C> ? C : never;
// A day that none of the months has is refused.
const cron = columns.filter(({ day, month }) => {
  const longest = Math.max(...[...month.values].map((one) => MOST_DAYS[one - 1] ?? 0));
  return [...day.values].some((one) => one <= longest);
});

const textOf = ({ minute, hour, day, month, weekday, second }: Cron) =>
  [minute, hour, day, month, weekday, ...(second ? [second] : [])].map(({ text }) => text).join(" ");

function matches({ minute, hour, day, month, weekday }: Cron, local: number): boolean {
  const date = new Date(local);
  const dayFits = day.values.has(date.getUTCDate());
  const weekdayFits = weekday.values.has(date.getUTCDay());
  const both = day.text !== "*" && weekday.text !== "*";
  return (
    minute.values.has(date.getUTCMinutes()) &&
    hour.values.has(date.getUTCHours()) &&
    month.values.has(date.getUTCMonth() + 1) &&
    (both ? dayFits || weekdayFits : dayFits && weekdayFits)
  );
}

const walks = new Map<string, Map<number, number>>();

/** What a clock on the wall shows, minute by minute: each local minute with the first instant that shows it. */
function walk(zone: string, from: number, to: number): ReadonlyMap<number, number> {
  const key = `${zone} ${from}`;
  const known = walks.get(key);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const shown = new Map<number, number>();
  for (let at = from; at <= to; at += MINUTE_MS) {
    const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const local = Date.UTC(part.year ?? 0, (part.month ?? 0) - 1, part.day, part.hour, part.minute);
    if (!shown.has(local)) shown.set(local, at);
  }
  // The places are few, the instants anywhere are not.
  if (walks.size < 100) walks.set(key, shown);
  return shown;
}

/** Every start of a text within what was walked, in order. */
function startsOf(one: Cron, shown: ReadonlyMap<number, number>): readonly number[] {
  const locals = [...shown.keys()];
  const [first, last] = [Math.min(...locals), Math.max(...locals)];
  const starts = new Set<number>();
  for (let local = first; local <= last; local += MINUTE_MS) {
    if (!matches(one, local)) continue;
    const seconds = [...(one.second ?? everySecond0).values];
    let next = local;
    while (!shown.has(next)) next += MINUTE_MS;
    const at = shown.get(next)!;
    for (const second of seconds) starts.add(next === local ? at + second * 1000 : at);
  }
  return [...starts].sort((a, b) => a - b);
}

it("the starts around any instant are those that a walk through the minutes finds", () => {
  let asked = 0;
  const seed = Math.floor(Math.random() * 2 ** 31);
  const place = fc.constantFrom(...JUMPS.flatMap(({ zone, jumps }) => jumps.map((jump) => ({ zone, jump }))));
  const anywhere = fc.integer({ min: Date.parse("2000-01-01"), max: Date.parse("2037-01-01") });
  const where = fc.oneof(
    { weight: 3, arbitrary: place.map(({ zone, jump }) => ({ zone, around: Date.parse(jump) })) },
    {
      weight: 1,
      arbitrary: fc.tuple(place, anywhere).map(([{ zone }, at]) => ({ zone, around: at - (at % MINUTE_MS) })),
    },
  );
  const near = fc.oneof(
    fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }),
    fc.integer({ min: -3 * 3_600_000, max: 3 * 3_600_000 }),
    fc.integer({ min: -120, max: 120 }).map((minutes) => minutes * MINUTE_MS),
  );
  const holds = fc.property(
    where,
    fc.array(cron, { minLength: 5, maxLength: 20 }),
    fc.array(near, { minLength: 5, maxLength: 20 }),
    fc.integer({ min: 0, max: 100_000 }),
    ({ zone, around }, crons, offsets, durationS) => {
      // Wider than what is asked by more than any clock is put back or forth.
      const [from, to] = [around - 4 * DAY_MS, around + 4 * DAY_MS];
      const shown = walk(zone, from, to);
      for (const one of crons) {
        const start = textOf(one);
        // What begins with the walk may have begun before it: such starts are not compared.
        const starts = startsOf(one, shown).filter((at) => at > from + DAY_MS && at < to - DAY_MS);
        for (const offset of offsets) {
          const at = around + offset;
          const last = starts.findLast((other) => other <= at);
          const next = starts.find((other) => other > at);
          const got = lastStart(start, zone, at);
          const gotNext = nextStart(start, zone, at);
          const where = `'${start}' in ${zone} at ${new Date(at).toISOString()}`;
          expect(got !== undefined && got > from + DAY_MS ? got : undefined, `last of ${where}`).toBe(last);
          expect(gotNext !== undefined && gotNext < to - DAY_MS ? gotNext : undefined, `next of ${where}`).toBe(next);
          // Every stretch is looked at, not the newest alone.
          const inside = starts.some((other) => other <= at && at <= other + durationS * 1000);
          const within = isWithin([{ start, durationS, timezone: zone }], at);
          if (last !== undefined) expect(within, `inside of ${where} for ${durationS} s`).toBe(inside);
          asked++;
        }
      }
    },
  );
  const runs = full ? 2000 : 30;
  fc.assert(holds, { numRuns: runs, seed });
  console.log(`cron runs=${runs} asked=${asked} seed=${seed}`);
}, 900_000);
