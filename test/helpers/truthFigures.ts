/** Pure: what was counted by us, by the load generator and by HAProxy itself, set against each other. */

import type { ScrapeReport, SealedTick } from "../../src/model/tick.ts";
import type { Exchange } from "./trafficLog.ts";
import type { Counted } from "./truthHaproxy.ts";

export const TRUE_METERS = {
  requests: "network.services.lb.requests",
  bytesIn: "network.services.lb.incoming.bytes",
  bytesOut: "network.services.lb.outgoing.bytes",
} as const satisfies Record<keyof Counted, string>;

export type Counter = keyof Counted;
const COUNTERS = Object.keys(TRUE_METERS) as readonly Counter[];

/** One process at the end of a run. */
export interface WorkerEnd {
  readonly pid: number;
  /** When it answered first, epoch ms. */
  readonly bornMs: number;
  /** Immediately before another took its place. */
  readonly before: { readonly counted: Counted; readonly atMs: number } | undefined;
  /** Ended with its sessions: `final` is then what it had counted before that. */
  readonly killed: boolean;
  readonly final: Counted;
}

export interface Evidence {
  readonly exchanges: readonly Exchange[];
  readonly workers: readonly WorkerEnd[];
  readonly reports: readonly ScrapeReport[];
  readonly ticks: readonly SealedTick[];
  readonly intervalMs: number;
}

/** One successful answer of a process: what it added, and when it was asked and had answered. */
interface Answer {
  readonly pid: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly number: number;
  readonly coveredS: number;
  readonly grown: Counted;
}

/** So far apart may the generator and HAProxy see the end of one exchange, ms. */
const SLACK_MS = 200;

const ZERO: Counted = { requests: 0, bytesIn: 0, bytesOut: 0 };

function add(a: Counted, b: Counted, times = 1): Counted {
  return {
    requests: a.requests + times * b.requests,
    bytesIn: a.bytesIn + times * b.bytesIn,
    bytesOut: a.bytesOut + times * b.bytesOut,
  };
}

const sumOf = (parts: readonly Counted[]) => parts.reduce((sum, part) => add(sum, part), ZERO);

const asCounted = ({ bytesIn, bytesOut }: Exchange): Counted => ({ requests: 1, bytesIn, bytesOut });

const isUnderWay = ({ startMs, endMs }: Exchange, atMs: number) => startMs <= atMs && atMs <= endMs;

/** What the generator's exchanges that ended in that span add up to. */
function endedIn(exchanges: readonly Exchange[], fromMs: number, toMs: number): Counted {
  return sumOf(exchanges.filter(({ endMs }) => endMs > fromMs && endMs <= toMs).map(asCounted));
}

/** As HAProxy counts in that span: a request when it begins, whatever becomes of it; its bytes when it ends. */
function movedIn(exchanges: readonly Exchange[], fromMs: number, toMs: number): Counted {
  const complete = exchanges.filter((one) => one.complete);
  const begun = exchanges.filter(({ startMs }) => startMs > fromMs && startMs <= toMs);
  return { ...endedIn(complete, fromMs, toMs), requests: begun.length };
}

export function answersOf(reports: readonly ScrapeReport[]): readonly Answer[] {
  return reports.flatMap(({ outcome, tick, durationMs }) => {
    const slice = outcome.ok ? outcome.slices[0] : undefined;
    if (!slice) return [];
    const grown = Object.fromEntries(COUNTERS.map((name) => [name, slice.increases[TRUE_METERS[name]] ?? 0]));
    const { at, process } = slice.baseline;
    const span = { fromMs: at, toMs: at + durationMs, number: tick.number, coveredS: slice.coveredS };
    return [{ pid: process.pid ?? 0, ...span, grown: grown as unknown as Counted }];
  });
}

/** What became of everything that was counted somewhere. */
export function balance({ exchanges, workers, reports, ticks }: Evidence) {
  const answers = answersOf(reports);
  const complete = exchanges.filter((one) => one.complete);
  const last = ticks.at(-1)?.values ?? {};
  const ours: Counted = {
    requests: last[TRUE_METERS.requests] ?? 0,
    bytesIn: last[TRUE_METERS.bytesIn] ?? 0,
    bytesOut: last[TRUE_METERS.bytesOut] ?? 0,
  };
  const lives = workers.map(({ pid, before, killed, final }, index) => {
    const own = answers.filter((answer) => answer.pid === pid);
    const seen = sumOf(own.map(({ grown }) => grown));
    // One that was never asked is unread since it began.
    const lastMs = own.at(-1)?.fromMs ?? workers[index - 1]?.before?.atMs ?? -Infinity;
    const mine = complete.filter(({ worker }) => worker === pid);
    // Nobody can ask a process that was ended at once: what it did between the last reading and its end the generator knows.
    const dying = killed && before ? endedIn(mine, before.atMs, Infinity) : ZERO;
    return {
      pid,
      seen,
      final,
      unread: before ? add(before.counted, seen, -1) : ZERO,
      draining: before && !killed ? add(final, before.counted, -1) : dying,
      /** What the generator says was never read: all of it between the last answer and the reading before the end. */
      unreadByGenerator: before ? movedIn(exchanges, lastMs - SLACK_MS, before.atMs + SLACK_MS) : ZERO,
      unreadMs: before ? before.atMs - lastMs : 0,
    };
  });
  // HAProxy counts a request when it begins: also one that it takes along to its end.
  const takenAlong = workers.flatMap(({ killed, before }) =>
    killed && before ? exchanges.filter((one) => !one.complete && isUnderWay(one, before.atMs)) : [],
  );
  const generated = add(sumOf(complete.map(asCounted)), { ...ZERO, requests: takenAlong.length });
  const unread = sumOf(lives.map((life) => life.unread));
  const draining = sumOf(lives.map((life) => life.draining));
  return { ours, generated, unread, draining, lives, reported: sumOf(answers.map(({ grown }) => grown)) };
}

/** Percent of what the generator counted. */
export function percent(part: number, of: number): number {
  return of === 0 ? 0 : (100 * part) / of;
}

export interface RateFaults {
  readonly negative: number;
  readonly spikes: readonly string[];
  /** Most ticks in a row without a rate, counted anew where another change of processes explains one. */
  readonly longestHole: number;
}

/** Rates that fell below nothing, that exceed what truly happened, and ticks without one. */
export function rateFaults({ exchanges, workers, reports, ticks, intervalMs }: Evidence): RateFaults {
  const answers = answersOf(reports);
  const askedAt = (tick: SealedTick | undefined) =>
    answers.find(({ number }) => number === tick?.number)?.fromMs ?? tick?.at ?? -Infinity;
  /** A process took another's place between the questions of the tick before and of this one. */
  const isChange = (index: number) => {
    const [fromMs, toMs] = [askedAt(ticks[index - 1]), askedAt(ticks[index])];
    return workers.some(({ bornMs }, own) => {
      const before = workers[own - 1]?.before;
      return before !== undefined && before.atMs <= toMs && bornMs > fromMs;
    });
  };
  let negative = 0;
  const spikes: string[] = [];
  const first = ticks.findIndex(({ values }) => values[`${TRUE_METERS.requests}.rate`] !== undefined);
  let hole = 0;
  let longestHole = 0;
  for (const [index, tick] of ticks.entries()) {
    if (index < first) continue;
    const answer = answers.find(({ number }) => number === tick.number);
    if (tick.values[`${TRUE_METERS.requests}.rate`] !== undefined) hole = 0;
    else hole = isChange(index) ? 1 : hole + 1;
    longestHole = Math.max(longestHole, hole);
    for (const counter of COUNTERS) {
      const rate = tick.values[`${TRUE_METERS[counter]}.rate`];
      const total = tick.values[TRUE_METERS[counter]] ?? 0;
      if ((rate ?? 0) < 0 || total < (ticks[index - 1]?.values[TRUE_METERS[counter]] ?? 0)) negative++;
      if (rate === undefined || !answer) continue;
      const previous = answers.findLast(({ number }) => number < tick.number);
      const fromMs = previous?.fromMs ?? answer.fromMs - intervalMs;
      const truth = movedIn(exchanges, fromMs - SLACK_MS, answer.toMs + SLACK_MS)[counter];
      const trueRate = (1000 * truth) / (answer.fromMs - fromMs);
      if (rate > 1.5 * trueRate) {
        const over = `${Math.round(rate)} instead of ${Math.round(trueRate)}`;
        spikes.push(`tick ${tick.number - (ticks[0]?.number ?? 0)}: ${counter} ${over}, covered ${answer.coveredS} s`);
      }
    }
  }
  return { negative, spikes, longestHole };
}
