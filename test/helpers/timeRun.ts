/** The real ticker over a clock that is pushed about, with the evaluator behind it, and what should have come of it. */

import { Ticker } from "../../src/lib/ticker.ts";
import type { Alarm, TimeConstraint } from "../../src/model/alarm.ts";
import type { ScrapeReport, Tick } from "../../src/model/tick.ts";
import { FakeClock } from "./fakeClock.ts";
import { aReport } from "./reports.ts";
import { anAlarm, control, theRules } from "./rules.ts";
import { Watcher } from "./watcher.ts";

/** Above it an alarm of these runs is in alarm. */
export const THRESHOLD = 5;
const WINDOW_TICKS = 3;
const REPEAT_TICKS = 4;

/** A clock that can be suspended: nothing runs meanwhile, and what was due comes late. */
export class SleepyClock extends FakeClock {
  #asleepMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.#asleepMs;
  }

  /** `counted`: monotonic time goes on in the sleep. */
  sleep(ms: number, counted: boolean): void {
    this.stepWall(ms);
    if (counted) this.#asleepMs += ms;
  }
}

/** An alarm above THRESHOLD over three ticks, within these stretches. */
export function aTimedAlarm(name: string, intervalS: number, timeConstraints: readonly TimeConstraint[]): Alarm {
  return anAlarm({
    name,
    statistic: "max",
    periodS: WINDOW_TICKS * intervalS,
    threshold: THRESHOLD,
    timeConstraints,
    repeatActions: true,
    repeatIntervalS: REPEAT_TICKS * intervalS,
    actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] },
  });
}

export interface TimeOptions {
  readonly startsAt: number;
  readonly intervalMs: number;
  readonly alarm: Alarm;
  /** Whether it is evaluated at an instant of the wall clock: by other means than the program's. */
  readonly isOpen: (wallMs: number) => boolean;
  readonly sessions: () => number;
  /** Changes the reports of a tick on their way; by default they come once, in time. */
  readonly deliver?: (tick: Tick, reports: readonly ScrapeReport[], watcher: Watcher) => void;
}

export class TimeRun {
  readonly clock: SleepyClock;
  readonly watcher: Watcher;
  readonly steps: number[] = [];
  /** True load of each tick that came, by number. */
  readonly seen = new Map<number, number>();
  readonly #ticker: Ticker;
  /** What the alarm should have done. */
  readonly #sends = new Set<number>();
  #state: "alarm" | "ok" | undefined;
  #anchor = Number.NaN;
  #slots = 0;

  constructor(options: TimeOptions) {
    const { startsAt, intervalMs, alarm } = options;
    this.clock = new SleepyClock(startsAt);
    this.#ticker = new Ticker({
      clock: this.clock,
      intervalMs,
      after: undefined,
      onTick: (tick) => this.#tick(tick, options),
      onStep: (byMs) => this.steps.push(byMs),
    });
    const number = this.#ticker.first - 1;
    const after = { number, at: Math.floor(startsAt / intervalMs) * intervalMs };
    // The lane is free again at once: nothing but time decides.
    this.watcher = new Watcher({ rules: theRules([alarm]), intervalMs, after, answer: () => "rejected" });
    this.#ticker.start();
  }

  /** Sends that should not have been, and those that should have and were not. */
  compare(): { readonly falseFires: number; readonly missed: number; readonly rightful: number } {
    const sent = new Set(this.watcher.sent.map(({ tick }) => tick));
    const rightful = this.#sends;
    return {
      falseFires: [...sent].filter((tick) => !rightful.has(tick)).length,
      missed: [...rightful].filter((tick) => !sent.has(tick)).length,
      rightful: rightful.size,
    };
  }

  /** Whether some tick of the window that ends there was truly above the threshold; `undefined`: one did not come. */
  above(number: number): boolean | undefined {
    const seen = Array.from({ length: WINDOW_TICKS }, (_, back) => this.seen.get(number - back));
    if (seen.some((value) => value !== undefined && value > THRESHOLD)) return true;
    return seen.includes(undefined) ? undefined : false;
  }

  #tick(tick: Tick, { intervalMs, isOpen, sessions, deliver }: TimeOptions): void {
    const now = sessions();
    this.seen.set(tick.number, now);
    this.#expect(tick.number, isOpen(Math.round(this.clock.now() / intervalMs) * intervalMs));
    const report = aReport(tick, now);
    const { outcome } = report;
    const slices = outcome.ok ? outcome.slices.map((slice) => ({ ...slice, coveredS: intervalMs / 1000 })) : [];
    const reports = [{ ...report, outcome: { ok: true as const, slices } }];
    if (deliver) deliver(tick, reports, this.watcher);
    else this.watcher.tick(tick, reports);
  }

  /** The window goes by tick numbers; one above the threshold is enough, and to be below all of it must have been seen. */
  #expect(number: number, open: boolean): void {
    const slots = Math.floor((number - this.#anchor) / REPEAT_TICKS);
    const due = slots > this.#slots;
    if (due) this.#slots = slots;
    const above = this.above(number);
    if (!open || above === undefined) return;
    const state = above ? "alarm" : "ok";
    if (state === this.#state) {
      if (above && due) this.#sends.add(number);
      return;
    }
    this.#state = state;
    this.#anchor = number;
    this.#slots = 0;
    if (above) this.#sends.add(number);
  }
}

/** What a zone's clock shows, as the epoch ms that would read the same in UTC. */
function shownBy(zone: Intl.DateTimeFormat, at: number): number {
  const part = new Map(zone.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? 0;
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
}

/** A daily local time, or one on a day of the year (month from 1). */
export interface Daily {
  readonly hour: number;
  readonly minute: number;
  readonly on?: { readonly day: number; readonly month: number };
}

/**
 * When a stretch begins, found minute by minute on the zone's clock: at the first minute at which it shows the time or,
 * where it skips it, has passed it; once, where it shows it twice.
 */
export function startsOf(timeZone: string, { hour, minute, on }: Daily, from: number, to: number): readonly number[] {
  const zone = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const starts: number[] = [];
  let latest = shownBy(zone, from);
  for (let at = from + 60_000; at <= to; at += 60_000) {
    const shown = shownBy(zone, at);
    if (shown <= latest) continue;
    for (let local = latest + 60_000; local <= shown; local += 60_000) {
      const date = new Date(local);
      const isDay = !on || (date.getUTCDate() === on.day && date.getUTCMonth() + 1 === on.month);
      if (isDay && date.getUTCHours() === hour && date.getUTCMinutes() === minute) starts.push(at);
    }
    latest = shown;
  }
  return starts;
}

/** The same as cron text. */
export function cronOf({ hour, minute, on }: Daily): string {
  return `${minute} ${hour} ${on ? `${on.day} ${on.month}` : "* *"} *`;
}
