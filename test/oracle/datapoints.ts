/** One window of a whole past, as the extensions' oracle reads it (rules E1–E4, J6). */

import type { Comparison, ThresholdRule } from "../../src/model/alarm.ts";
import type { MemberState } from "../../src/model/meters.ts";
import { TICK_S } from "./stage.ts";

/** What one source said at one tick; `failed`: nothing. */
export interface Said {
  readonly failed: boolean;
  /** Seconds that its increases span: a tick, or all those since its last answer. */
  readonly coveredS: number;
  readonly increase: number;
  readonly open: boolean;
  readonly reload: boolean;
}

/** A tick that was seen; those with a number in between were not. */
export interface Past {
  readonly number: number;
  readonly said: readonly Said[];
  /** The gauge's value, of the sources that answered. */
  readonly gauge: number | null;
  readonly members: Readonly<Record<string, MemberState>>;
}

/**
 * How a meter is read. `sum`: a gauge of parts that are never negative. `rate`: increase per second. `mean`: a gauge of
 * which a part says nothing. HAProxy counts the last two when a stream ends.
 */
export type MeterKind = "sum" | "rate" | "mean";

export type Point =
  | { readonly kind: "missing" }
  | { readonly kind: "value"; readonly breaches: boolean; readonly clears: boolean }
  | {
      readonly kind: "unknown";
      /** What a lower bound proves. */
      readonly breaches: boolean | undefined;
      readonly clears: boolean | undefined;
      /** Sources that did not report; `ours`: we did not look, or cannot believe what we saw. */
      readonly cause: "ours" | readonly number[];
    }
  | { readonly kind: "unspecified"; readonly why: string };

/** One datapoint; window 0 is the newest. */
export function pointOf(rule: ThresholdRule, meter: MeterKind, history: readonly Past[], index: number): Point {
  const ticks = rule.periodS / TICK_S;
  const last = (history.at(-1)?.number ?? 0) - index * ticks;
  const start = last - ticks;
  const inside = history.filter(({ number }) => start < number && number <= last);
  const sources = (history.at(-1)?.said ?? []).map((_, source) => source);
  const whole = inside.filter(({ said }) => said.every(({ failed }) => !failed));
  const uncovered = sources.filter((source) => coverage(source, inside, start) < 0.9 * rule.periodS);
  const failing = sources.filter((source) => inside.some(({ said }) => said[source]?.failed));
  const lacksTicks = meter !== "rate" && whole.length < 0.9 * ticks;
  if (uncovered.length === 0 && lacksTicks && failing.length === 0)
    return { kind: "unspecified", why: "every second is covered by answers to ticks that nobody folded" };
  const lacking = uncovered.length > 0 || !lacksTicks ? uncovered : failing;
  const servers = rule.per === "active_server" ? activeServers(inside) : 1;
  if (typeof servers === "object") return servers;
  if (lacking.length > 0) return incomplete(rule, meter, inside, start, last, lacking, servers);

  const total = meter === "rate" ? averageRate(inside, start, sources, 0) : gaugeStatistic(rule, whole);
  if (typeof total === "object") return total;
  const jittered = meter === "rate" ? averageRate(inside, start, sources, JITTER_S) : total;
  if (total === undefined && meter !== "rate" && whole.length === 0) return ours;
  if (total === undefined)
    return servers === 1 || (servers ?? 0) > 0
      ? { kind: "missing" }
      : { kind: "unspecified", why: "no value, and nobody to share it" };
  if (servers === undefined) return ours;
  if (servers === 0)
    return isUpper(rule.comparison) && total > 0 ? { kind: "value", breaches: true, clears: false } : ours;
  const value = total / servers;
  const breaches = holds(value, rule.comparison, rule.threshold);
  const sides = [rule.threshold, rule.clearThreshold].map((limit) => [
    holds(value, rule.comparison, limit),
    holds(Number(jittered) / servers, rule.comparison, limit),
  ]);
  if (sides.some(([one, other]) => one !== other)) return { kind: "unspecified", why: "it depends on the jitter" };
  const low = isUpper(rule.comparison) ? !breaches : isLower(rule.comparison) && breaches;
  if (low && hidesTraffic(inside, sources, meter)) return ours;
  // A sum that lacks ticks must be low even if they had been as the highest that was seen.
  if (low && meter !== "rate" && (rule.statistic === "sum" || rule.statistic === "count")) {
    const most = rule.statistic === "count" ? 1 : Math.max(...whole.map(({ gauge }) => gauge ?? 0));
    const estimate = (total + (ticks - whole.length) * most) / servers;
    if (holds(estimate, rule.comparison, rule.threshold) !== breaches) return ours;
  }
  return { kind: "value", breaches, clears: !holds(value, rule.comparison, rule.clearThreshold) };
}

const ours: Point = { kind: "unknown", breaches: undefined, clears: undefined, cause: "ours" };

/** E3: only what a lower bound proves; E5: and whose the missing seconds are. */
function incomplete(
  rule: ThresholdRule,
  meter: MeterKind,
  inside: readonly Past[],
  start: number,
  last: number,
  lacking: readonly number[],
  servers: number | undefined,
): Point {
  const sources = (inside[0]?.said ?? []).map((_, source) => source);
  const covered = lacking.every((source) => coverage(source, inside, start) >= 0.9 * rule.periodS);
  const cause = !covered && lacking.some((source) => lacksOurs(source, inside, start, last)) ? "ours" : lacking;
  if (cause !== "ours" && meter !== "sum" && hidesTraffic(inside, sources, meter))
    return { kind: "unspecified", why: "a source is silent, and what was seen cannot be believed either" };
  const bound = lowerBound(rule, meter, inside, start);
  if (typeof bound === "object") return bound;
  if (servers === 0 && bound === undefined)
    return { kind: "unspecified", why: "no active server, and a statistic that proves nothing" };
  const unproved: Point = { kind: "unknown", breaches: undefined, clears: undefined, cause };
  if (bound === undefined || servers === undefined) return unproved;
  if (servers === 0 && isUpper(rule.comparison) && bound > 0) return { ...unproved, breaches: true, clears: false };
  if (servers === 0)
    return cause === "ours" ? unproved : { kind: "unspecified", why: "a source is silent, and no server is active" };
  const least = bound / servers;
  const breaches = holds(least, rule.comparison, rule.threshold);
  const holdsClear = holds(least, rule.comparison, rule.clearThreshold);
  if (isUpper(rule.comparison))
    return { ...unproved, breaches: breaches ? true : undefined, clears: holdsClear ? false : undefined };
  if (isLower(rule.comparison))
    return { ...unproved, breaches: breaches ? undefined : false, clears: holdsClear ? undefined : true };
  return unproved;
}

function lowerBound(
  rule: ThresholdRule,
  meter: MeterKind,
  inside: readonly Past[],
  start: number,
): number | undefined | Point {
  if (meter === "mean") return undefined;
  if (meter === "rate") {
    const spans = inside.some((past) => past.said.some((said) => spansStart(said, past, start)));
    if (spans) return { kind: "unspecified", why: "a lower bound of which part lies outside" };
    return rule.statistic === "avg"
      ? total(inside.flatMap(({ said }) => said.map(({ increase }) => increase))) / rule.periodS
      : undefined;
  }
  return rule.statistic === "sum" || rule.statistic === "count" || rule.statistic === "max"
    ? (gaugeStatistic(rule, inside) ?? 0)
    : undefined;
}

/** Seconds of the window that a source's answers span. */
function coverage(source: number, inside: readonly Past[], start: number, slackS = 0): number {
  return total(
    inside.map(({ number, said }) => Math.min(said[source]?.coveredS ?? 0, (number - start) * TICK_S + slackS)),
  );
}

/** Whether a source lacks the seconds of a tick that nobody folded. */
function lacksOurs(source: number, inside: readonly Past[], start: number, last: number): boolean {
  const numbers = Array.from({ length: last - start }, (_, index) => start + 1 + index);
  return numbers.some((number) => {
    const folded = inside.some((past) => past.number === number);
    const spanned = inside.some((past) => {
      const first = past.number - (past.said[source]?.coveredS ?? 0) / TICK_S;
      return first < number && number <= past.number;
    });
    return !folded && !spanned;
  });
}

function spansStart(said: Said, past: Past, start: number): boolean {
  return said.coveredS > (past.number - start) * TICK_S;
}

/** How early before the window's start an answer may begin and still be wholly inside. */
const JITTER_S = TICK_S / 10;

/** Increase ÷ seconds in which it was counted; of an answer that spans the start, the share inside. */
function averageRate(
  inside: readonly Past[],
  start: number,
  sources: readonly number[],
  slackS: number,
): number | undefined | Point {
  const covered = sources.map((source) => coverage(source, inside, start, slackS));
  if (covered.some((seconds) => seconds !== covered[0]))
    return { kind: "unspecified", why: "sources covered unequal stretches" };
  for (const past of inside) {
    const spans = past.said.filter((said) => spansStart(said, past, start));
    const equal = spans.every(({ coveredS }) => coveredS === spans[0]?.coveredS);
    if (spans.length > 0 && !(equal && spans.length === past.said.length))
      return { kind: "unspecified", why: "only some answers span the start" };
  }
  const increase = total(
    inside.flatMap((past) =>
      past.said.map((said) => {
        const room = (past.number - start) * TICK_S + slackS;
        return said.coveredS > room ? (said.increase * room) / said.coveredS : said.increase;
      }),
    ),
  );
  const seconds = covered[0] ?? 0;
  return seconds === 0 ? undefined : increase / seconds;
}

function gaugeStatistic(rule: ThresholdRule, inside: readonly Past[]): number | undefined {
  const values = inside.flatMap(({ gauge }) => (gauge === null ? [] : [gauge]));
  if (values.length === 0) return undefined;
  switch (rule.statistic) {
    case "avg":
      return total(values) / values.length;
    case "max":
      return Math.max(...values);
    case "min":
      return Math.min(...values);
    case "sum":
      return total(values);
    case "count":
      return values.length;
    case "last":
      return values.at(-1);
    default:
      throw new Error(`the oracle has no ${rule.statistic}`);
  }
}

/** E4: a reload left sessions behind; or, of what is counted at a stream's end, some are open of which no byte was. */
function hidesTraffic(inside: readonly Past[], sources: readonly number[], meter: MeterKind): boolean {
  return sources.some((source) => {
    const said = inside.flatMap((past) => past.said[source] ?? []).filter(({ failed }) => !failed);
    if (said.some(({ reload }) => reload)) return true;
    return meter !== "sum" && said.at(-1)?.open === true && said.every(({ increase }) => increase === 0);
  });
}

/** J6: median of the last three ticks at which everyone reported; `undefined`: there is none, or no server was ever seen. */
function activeServers(inside: readonly Past[]): number | undefined | Point {
  const seen = inside.filter(({ said }) => said.every(({ failed }) => !failed)).slice(-3);
  const counts = seen
    .map(({ members }) => Object.values(members).filter((state) => state === "up").length)
    .sort((a, b) => a - b);
  if (seen.length === 0) return undefined;
  const rows = seen.filter(({ members }) => Object.keys(members).length > 0).length;
  if (rows === 0) return undefined;
  if (rows < seen.length) return { kind: "unspecified", why: "server rows came or went" };
  const [low = 0, middle = low, high = middle] = counts;
  return counts.length === 2 ? (low + middle) / 2 : counts.length === 3 ? middle : high;
}

function isUpper(comparison: Comparison): boolean {
  return comparison === "gt" || comparison === "ge";
}

function isLower(comparison: Comparison): boolean {
  return comparison === "lt" || comparison === "le";
}

function holds(value: number, comparison: Comparison, threshold: number): boolean {
  if (comparison === "eq") return value === threshold;
  if (comparison === "ne") return value !== threshold;
  if (isUpper(comparison)) return value > threshold || (comparison === "ge" && value === threshold);
  return value < threshold || (comparison === "le" && value === threshold);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
