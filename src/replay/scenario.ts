/**
 * A scenario: what a cluster's sources, servers, receivers and operators do, and what is expected of its alarms.
 * All times are seconds since tick 0 and count ticks: a step of the wall clock does not move them.
 */

import type { ClusterRules, State } from "../model/alarm.ts";
import type { EffectLabel, Gate, PauseDirection } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import type { SeriesValue } from "./seriesNotation.ts";

export interface Scenario {
  readonly name: string;
  readonly rules: ClusterRules;
  readonly intervalMs: number;
  /** Label of tick 0, epoch ms, a multiple of the interval. */
  readonly startMs: number;
  readonly sources: readonly string[];
  /** Proxy that the servers are said to be of. */
  readonly proxy: string;
  readonly inputSeries: readonly InputSeries[];
  readonly servers: readonly ServersAt[];
  readonly faults: readonly Fault[];
  readonly events: readonly EventAt[];
  readonly commands: readonly CommandAt[];
  readonly outcomes: readonly Answers[];
  readonly restarts: readonly RestartAt[];
  readonly alarms: readonly ExpectedAlarm[];
  /** `undefined`: sends are not looked at. */
  readonly deliveries: readonly ExpectedDelivery[] | undefined;
  /** Deliveries of other receivers are not looked at; `undefined`: of all. */
  readonly only: readonly string[] | undefined;
  readonly holds: readonly ExpectedHold[];
  readonly effects: readonly ExpectedEffect[];
  /** The last tick, seconds. */
  readonly untilS: number;
}

/** One value for each tick of a meter: of the cluster, of one source, of one server. */
export interface InputSeries {
  readonly meter: string;
  /** `undefined`: it is the cluster's, and the sources share it. */
  readonly source: string | undefined;
  readonly server: string | undefined;
  readonly values: readonly SeriesValue[];
}

/** Servers that change at a time; the others stay as they are. */
export interface ServersAt {
  readonly at: number;
  readonly states: ReadonlyMap<string, MemberState | "gone">;
}

/**
 * `lost`: no answer. `away`: its socket is gone. `late`: the answer comes when the tick is sealed. `duplicate`: it
 * comes twice. `restarted`: no answer, and another process afterwards. `reloaded`: another process answers at once, and
 * the old one has sessions open.
 * `clock_step`: the wall clock steps by so much.
 */
export type FaultKind = "lost" | "away" | "late" | "duplicate" | "restarted" | "reloaded" | "clock_step";

export interface Fault {
  readonly what: FaultKind;
  /** `undefined`: all sources. */
  readonly source: string | undefined;
  /** The first tick that it is about; `to` is the first one that it is not. */
  readonly from: number;
  readonly to: number;
  /** Of a clock step, ms. */
  readonly byMs: number;
}

export interface EventAt {
  readonly at: number;
  readonly eventType: string;
  readonly traits: Readonly<Record<string, string | number | boolean>>;
  readonly messageId: string | undefined;
}

export interface CommandAt {
  readonly at: number;
  readonly command: "pause" | "resume" | "forget";
  readonly direction: PauseDirection | undefined;
  readonly forS: number | undefined;
  readonly source: string | undefined;
}

/** What a receiver does with its calls, the first first; when they are used up it answers 202. */
export interface Answers {
  readonly receiver: string;
  readonly answers: readonly Answer[];
}

export interface Answer {
  /** A status, or what became of the call; `lost`: nobody will ever know. */
  readonly says: number | "timeout" | "refused" | "reset" | "lost";
  /** So long after the call; 0: before anything else happens. */
  readonly afterS: number;
  readonly retryAfterS: number | undefined;
}

/** The process ends after the tick at `at` and begins again `downS` later; the ticks between are seen by nobody. */
export interface RestartAt {
  readonly at: number;
  readonly downS: number;
  /** It has no time to record that it ends. */
  readonly crash: boolean;
}

export interface ExpectedAlarm {
  readonly at: number;
  readonly name: string;
  readonly state: State | undefined;
  readonly verdict: string | undefined;
  readonly reason: string | undefined;
  readonly reasonData: ExpectedData | undefined;
}

/** Members of a `reason_data`; those that are not named may be anything. */
export type ExpectedData = Readonly<Record<string, unknown>>;

/** One call of a receiver. What is `undefined` may be anything. */
export interface ExpectedDelivery {
  readonly at: number;
  readonly alarm: string;
  readonly receiver: string;
  readonly state: State | undefined;
  readonly previous: State | undefined;
  readonly repeat: number | undefined;
  readonly attempt: number | undefined;
  readonly reason: string | undefined;
  readonly reasonData: ExpectedData | undefined;
}

export interface ExpectedHold {
  readonly at: number;
  readonly alarm: string;
  /** `none`: nothing is held. */
  readonly gate: Gate | "none";
  readonly reason: string | undefined;
}

export interface ExpectedEffect {
  readonly at: number;
  readonly alarm: string;
  readonly effect: EffectLabel;
}

/** One thing that was expected and did not happen, or the other way round; `undefined`: nothing. */
export interface Mismatch {
  /** Seconds since tick 0. */
  readonly at: number;
  readonly expected: string | undefined;
  readonly got: string | undefined;
}
