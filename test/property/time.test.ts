import { describe, expect, it } from "vitest";
import type { Alarm } from "../../src/model/alarm.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import { aSlice } from "../helpers/reports.ts";
import { BYTES, withRule } from "../helpers/rules.ts";
import type { Daily } from "../helpers/timeRun.ts";
import { aTimedAlarm, cronOf, startsOf, TimeRun } from "../helpers/timeRun.ts";
import { randomFrom } from "../helpers/trueLoad.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const runs = process.env.TOCSIN_TEST_FULL ? 20 : 1;
const seed = Math.floor(Math.random() * 2 ** 31);

/** Load that is high for a while and low for a while. */
function aLoad(random: () => number): () => number {
  let [left, high] = [0, false];
  return () => {
    if (left-- <= 0) [left, high] = [Math.floor(12 * random()), !high];
    return high ? 9 : 1;
  };
}

interface Total {
  ticks: number;
  rightful: number;
  falseFires: number;
  missed: number;
}

function nothing(): Total {
  return { ticks: 0, rightful: 0, falseFires: 0, missed: 0 };
}

function add(total: Total, time: TimeRun): void {
  const { rightful, falseFires, missed } = time.compare();
  total.ticks += time.seen.size;
  total.rightful += rightful;
  total.falseFires += falseFires;
  total.missed += missed;
}

function verify(what: string, { ticks, rightful, falseFires, missed }: Total): void {
  console.log(
    `time: ${what} seed=${seed} ticks=${ticks} rightful=${rightful} false_fires=${falseFires} missed=${missed}`,
  );
  expect({ falseFires, missed }).toEqual({ falseFires: 0, missed: 0 });
  expect(rightful).toBeGreaterThan(0);
}

interface Stretch {
  readonly zone: string;
  readonly daily: Daily;
  readonly hours: number;
}

/** An alarm within a stretch, and when it is open by the zone's clock. */
function within({ zone, daily, hours }: Stretch, intervalS: number, from: number, to: number) {
  const starts = startsOf(zone || "UTC", daily, from - 3 * DAY_MS, to + 2 * HOUR_MS);
  const constraint = { name: "c", description: "", start: cronOf(daily), durationS: hours * 3600, timezone: zone };
  const isOpen = (wallMs: number) => starts.some((start) => start <= wallMs && wallMs <= start + hours * HOUR_MS);
  return { alarm: aTimedAlarm("a", intervalS, [constraint]), isOpen };
}

describe("T1: time constraints follow the zone's clock over its jumps", () => {
  it.each([
    { zone: "Europe/Berlin", change: "2027-03-28T01:00Z", way: "forward" },
    { zone: "Europe/Berlin", change: "2027-10-31T01:00Z", way: "back" },
    { zone: "America/New_York", change: "2027-03-14T07:00Z", way: "forward" },
    { zone: "America/New_York", change: "2027-11-07T06:00Z", way: "back" },
    { zone: "Australia/Lord_Howe", change: "2027-10-02T15:30Z", way: "forward" },
    { zone: "Australia/Lord_Howe", change: "2027-04-03T15:00Z", way: "back" },
  ])("$zone $way", ({ zone, change, way }) => {
    const total = nothing();
    for (let run = 0; run < runs; run++) {
      const random = randomFrom(seed + run);
      const startsAt = Date.parse(change) - 30 * HOUR_MS + Math.floor(60_000 * random());
      const minute = Math.floor(startsAt / 60_000) * 60_000;
      const stretches: Stretch[] = [
        { zone, daily: { hour: 2, minute: 15 }, hours: 1 },
        { zone, daily: { hour: 1, minute: 30 }, hours: 2 },
        { zone, daily: { hour: 22, minute: 0 }, hours: 8 },
        { zone, daily: { hour: 1 + Math.floor(3 * random()), minute: Math.floor(60 * random()) }, hours: 0.5 },
      ];
      for (const stretch of stretches) {
        const opens = within(stretch, 60, minute, minute + 60 * HOUR_MS);
        const time = new TimeRun({ startsAt, intervalMs: 60_000, ...opens, sessions: aLoad(random) });
        time.clock.advance(60 * HOUR_MS);
        add(total, time);
      }
    }
    verify(`${zone} ${way}`, total);
  });

  it("the leap day, and the year that has none", () => {
    const random = randomFrom(seed);
    const stretch: Stretch = { zone: "", daily: { hour: 0, minute: 0, on: { day: 29, month: 2 } }, hours: 24 };
    const [leap, plain] = ["2028-02-28T12:00Z", "2027-02-28T00:00Z"].map((text) => {
      const startsAt = Date.parse(text);
      const opens = within(stretch, 60, startsAt, startsAt + 2 * DAY_MS);
      const time = new TimeRun({ startsAt, intervalMs: 60_000, ...opens, sessions: aLoad(random) });
      time.clock.advance(2 * DAY_MS);
      return time;
    });
    expect(plain!.watcher.sent).toEqual([]);
    const total = nothing();
    add(total, leap!);
    verify("leap day", total);
  });
});

describe("T1: a clock that is pushed about", () => {
  const pushes = [
    { what: "wall clock an hour forward", push: (time: TimeRun) => time.clock.stepWall(HOUR_MS), steps: true },
    { what: "wall clock an hour back", push: (time: TimeRun) => time.clock.stepWall(-HOUR_MS), steps: true },
    { what: "ten minutes of sleep, counted", push: (time: TimeRun) => time.clock.sleep(600_000, true), steps: false },
    {
      what: "ten minutes of sleep, not counted",
      push: (time: TimeRun) => time.clock.sleep(600_000, false),
      steps: true,
    },
  ];
  it.each(pushes)(
    "$what",
    ({ what, push, steps }) => {
      const total = nothing();
      const stretches: Stretch[] = [
        { zone: "Asia/Shanghai", daily: { hour: 15, minute: 0 }, hours: 1 },
        { zone: "", daily: { hour: 0, minute: 0 }, hours: 24 },
        { zone: "Asia/Kolkata", daily: { hour: 12, minute: 10 }, hours: 0.25 },
      ];
      for (let run = 0; run < runs * 5; run++) {
        const random = randomFrom(seed + run);
        const startsAt = Date.parse("2027-05-05T06:00Z");
        for (const stretch of stretches) {
          const opens = within(stretch, 10, startsAt, startsAt + 4 * HOUR_MS);
          const time = new TimeRun({ startsAt, intervalMs: 10_000, ...opens, sessions: aLoad(random) });
          for (let times = 0; times < 3; times++) {
            time.clock.advance(Math.floor(random() * 200) * 10_000);
            push(time);
            time.clock.advance(60_000);
          }
          time.clock.advance(600_000);
          expect(time.steps).toHaveLength(steps ? 3 : 0);
          add(total, time);
        }
      }
      verify(what, total);
    },
    600_000,
  );
});

describe("T3: reports that come late, or twice", () => {
  /** Source `s` carries all of the load, and some of its reports come twice; `t` carries none, and some come late. */
  function play(
    random: () => number,
    alarm: Alarm,
    twice: "before the seal" | "after it",
    late = new Set<number>(),
  ): TimeRun {
    let later: ScrapeReport[] = [];
    const time = new TimeRun({
      startsAt: Date.parse("2027-05-05T06:00Z"),
      intervalMs: 10_000,
      alarm,
      isOpen: () => true,
      sessions: aLoad(random),
      deliver(tick, reports, watcher) {
        watcher.begin(tick);
        for (const report of later.splice(0)) watcher.report(report);
        const slices = [aSlice({ increases: { [BYTES]: 0 } })];
        const quiet: ScrapeReport = { tick, source: "t", durationMs: 1, outcome: { ok: true, slices } };
        const isLate = random() < 0.1;
        const isTwice = random() < 0.2;
        for (const report of reports) watcher.report(report);
        if (isTwice && twice === "before the seal") for (const report of reports) watcher.report(report);
        if (isLate) late.add(tick.number);
        else watcher.report(quiet);
        watcher.deadline(tick.number);
        later = [...(isLate ? [quiet] : []), ...(isTwice && twice === "after it" ? reports : [])];
      },
    });
    time.clock.advance(2 * HOUR_MS);
    return time;
  }

  /** A tick with a late word is not known to be low: what follows from that comes up to so many ticks late. */
  const PATIENCE = 4;

  it.each(["before the seal", "after it"] as const)("nothing is invented and nothing missed, twice %s", (twice) => {
    const total = nothing();
    for (let run = 0; run < runs * 5; run++) {
      const late = new Set<number>();
      const time = play(randomFrom(seed + run), aTimedAlarm("a", 10, []), twice, late);
      // What was low is known where no word of the window came late.
      const isKnown = (tick: number) => [tick, tick - 1, tick - 2].every((one) => !late.has(one));
      const sent = time.watcher.sent.map(({ tick }) => tick);
      total.ticks += time.seen.size;
      total.falseFires += sent.filter((tick) => time.above(tick) !== true).length;
      let wasOk = false;
      for (const tick of time.seen.keys()) {
        if (time.above(tick) === true && wasOk) {
          total.rightful++;
          if (!sent.some((at) => at >= tick && at <= tick + PATIENCE)) total.missed++;
        }
        wasOk = time.above(tick) === false && (wasOk || isKnown(tick));
      }
    }
    verify(`late, and twice ${twice}`, total);
  });

  /** 1,000 bytes a tick, or 9,000 where the load is high: only two high ticks of three make more than 15,000. */
  const increase = withRule(aTimedAlarm("a", 10, []), {
    meterName: BYTES,
    statistic: "increase",
    threshold: 15_000,
    clearThreshold: 15_000,
  });
  function falseIncreases(twice: "before the seal" | "after it"): number {
    let wrong = 0;
    for (let run = 0; run < runs * 5; run++) {
      const time = play(randomFrom(seed + run), increase, twice);
      for (const { tick } of time.watcher.sent) {
        const sum = [0, 1, 2].reduce((total, back) => total + (time.seen.get(tick - back) ?? 0), 0);
        if (sum * 1000 <= 15_000) wrong++;
      }
    }
    return wrong;
  }

  it.each(["before the seal", "after it"] as const)("what comes twice, %s, is counted once", (twice) => {
    expect(falseIncreases(twice)).toBe(0);
  });
});
