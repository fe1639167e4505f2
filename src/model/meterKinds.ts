/** The kinds of meters: how each is made of rows, and what may be concluded from it. */

import type { MemberState } from "./memberState.ts";

/**
 * Which rows of a cluster feed a meter.
 * `traffic`: its FRONTEND rows, or its BACKEND rows where no frontend is mapped (never both: a `listen`
 * section has both and would count twice). `frontend`: FRONTEND rows alone. `queue`: BACKEND and server rows (each
 * counts other requests).
 */
export type RowSet = "traffic" | "frontend" | "backend" | "server" | "queue";

interface MeterBase {
  readonly name: string;
  /** Ceilometer's unit, e.g. `B`, `connection`, `ms`. */
  readonly unit: string;
  readonly description: string;
  /** Grows with what users ask of the cluster, so that `gt` on it means "scale out" (rule A2). */
  readonly load: boolean;
}

/** A cumulative meter: the sum of the increases of counter columns. Has a `.rate` twin. */
export interface CounterMeter extends MeterBase {
  readonly kind: "counter";
  readonly columns: readonly string[];
  readonly rows: RowSet;
  /** Does not exist in TCP mode, where HAProxy prints 0 or nothing. */
  readonly httpOnly: boolean;
}

/** The increase of a counter meter per second. */
export interface RateMeter extends MeterBase {
  readonly kind: "rate";
  /** Name of the counter meter it is the rate of. */
  readonly of: string;
}

/** A gauge whose rows add up. */
export interface SumMeter extends MeterBase {
  readonly kind: "sum";
  readonly columns: readonly string[];
  readonly rows: RowSet;
}

/** A gauge that is a weighted mean over rows; without weight there is no value. */
export interface MeanMeter extends MeterBase {
  readonly kind: "mean";
  readonly column: string;
  /** `increase`: weight is the row's increase of `stot`, so that frozen averages do not count. */
  readonly weight: "increase";
  readonly rows: RowSet;
  readonly httpOnly: boolean;
}

/**
 * How full something is: 100 × the sum of a column ÷ the sum of its limit, over the rows that have one. Travels as a
 * `MeanPart`: `sum` is 100 × the column's, `weight` the limit's.
 */
export interface ShareMeter extends MeterBase {
  readonly kind: "share";
  readonly column: string;
  readonly limit: string;
  readonly rows: RowSet;
}

/** The highest of the rows with new sessions, of all sources. Travels among the sums of a slice. */
export interface MostMeter extends MeterBase {
  readonly kind: "most";
  readonly column: string;
  readonly rows: RowSet;
}

/** What a `sum` meter rose by between two successive ticks, per second; below zero where it fell. */
export interface ChangeMeter extends MeterBase {
  readonly kind: "change";
  /** Name of the sum meter whose change it is. */
  readonly of: string;
}

/** 100 × the increase of some counter meters ÷ the increase of others; no value when nothing increased. */
export interface RatioMeter extends MeterBase {
  readonly kind: "ratio";
  readonly of: readonly string[];
  readonly over: readonly string[];
}

/** A count of the cluster's servers, each name once, or their share in percent of all. */
export interface MembersMeter extends MeterBase {
  readonly kind: "members";
  /** Which states count; `undefined`: all. */
  readonly states: readonly MemberState[] | undefined;
  readonly as: "count" | "percent";
}

/** The state of one server as a number: there is none of a cluster. Travels among the sums of a server's parts. */
export interface StateMeter extends MeterBase {
  readonly kind: "state";
}

/** Made by Tocsin itself at every seal, whatever the sources say (rule E6). */
export interface OwnMeter extends MeterBase {
  readonly kind: "own";
  /** Counts on for as long as the cluster is known. */
  readonly cumulative: boolean;
}

export type Meter =
  | CounterMeter
  | RateMeter
  | SumMeter
  | ShareMeter
  | MostMeter
  | ChangeMeter
  | MeanMeter
  | RatioMeter
  | MembersMeter
  | StateMeter
  | OwnMeter;

/** Ceilometer's type of a meter. */
export function meterType(meter: Meter): "cumulative" | "gauge" {
  return meter.kind === "counter" || (meter.kind === "own" && meter.cumulative) ? "cumulative" : "gauge";
}

/**
 * A sum, or the highest, of parts none of which is below zero: what is seen of it is a lower bound of what there is
 * (rule E3). Of a share, a mean, a change or a state a part says nothing of the whole.
 */
export function isLowerBounded({ kind }: Meter): boolean {
  return kind === "counter" || kind === "rate" || kind === "sum" || kind === "most";
}

/**
 * HAProxy counts it when a stream ends, so that open sessions can hide it (rule E4): bytes, requests, responses,
 * times, and what is computed from them. Open sessions themselves are seen at once.
 */
export function countsAtStreamEnd({ kind }: Meter): boolean {
  return kind === "counter" || kind === "rate" || kind === "mean" || kind === "most" || kind === "ratio";
}

/** What servers are, not what passes through them: no session can hide it (rule E4). */
export function isOfMembers({ kind }: Meter): boolean {
  return kind === "members" || kind === "state";
}
