/** What rules about little traffic say of the true load, seen perfectly: the word that a scale-in is measured against. */

import type { ThresholdRule } from "../../src/model/alarm.ts";
import { BYTES, SESSIONS } from "./rules.ts";

export const REQUESTS_RATE = "network.services.lb.requests.rate";

/** The whole cluster's truth over one tick. */
export interface Truth {
  readonly bytesPerS: number;
  readonly requestsPerS: number;
  readonly sessions: number;
}

/** What one window truly is for a rule: rates of the ticks in it, or the gauge at them. */
export function trueValue(rule: ThresholdRule, ticks: readonly Truth[], intervalS: number, servers: number): number {
  const values = ticks.map((tick) => {
    if (rule.meterName === SESSIONS) return tick.sessions;
    return rule.meterName === REQUESTS_RATE ? tick.requestsPerS : tick.bytesPerS;
  });
  const sum = values.reduce((total, value) => total + value, 0);
  const divisor = rule.per === "active_server" ? servers : 1;
  if (rule.meterName === BYTES || rule.statistic === "increase") return (sum * intervalS) / divisor;
  if (rule.statistic === "max") return Math.max(...values) / divisor;
  if (rule.statistic === "sum") return sum / divisor;
  return sum / values.length / divisor;
}

/**
 * Whether a rule is on its low side, tick by tick: alarm for `lt` and `le`, ok for `gt` and `ge`. `generosity` below 1
 * counts windows as low that are a little above the threshold.
 */
export class LowSide {
  low = false;
  readonly #rule: ThresholdRule;
  readonly #servers: number;
  readonly #intervalS: number;
  readonly #generosity: number;

  constructor(rule: ThresholdRule, servers: number, intervalS: number, generosity: number) {
    this.#rule = rule;
    this.#servers = servers;
    this.#intervalS = intervalS;
    this.#generosity = generosity;
  }

  /** All ticks up to the newest, which is the last. */
  at(past: readonly Truth[]): boolean {
    const { evaluationPeriods: windows, datapointsToAlarm: needed, periodS, comparison, threshold } = this.#rule;
    const ticks = Math.ceil(periodS / this.#intervalS);
    let lows = 0;
    for (let index = 0; index < windows; index++) {
      const end = past.length - index * ticks;
      if (end < ticks) break;
      const value = trueValue(this.#rule, past.slice(end - ticks, end), this.#intervalS, this.#servers);
      if (value * this.#generosity <= threshold) lows++;
    }
    const downward = comparison === "lt" || comparison === "le";
    if (lows >= (downward ? needed : windows)) this.low = true;
    else if (downward ? lows === 0 : windows - lows >= needed) this.low = false;
    return this.low;
  }
}

/** A small generator of random numbers in [0, 1), the same for a seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
