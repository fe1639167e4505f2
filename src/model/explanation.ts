/** Why an alarm stood where it stood at one tick: recomputed from the record, for people. Words are Aodh's. */

import type { ThresholdRuleView } from "./ruleView.ts";

/** What one source says of a window. */
export interface SourceExplanation {
  readonly name: string;
  /** Seconds of the window that its answers cover. */
  readonly covered: number;
  /** Process at the end of the window; `null`: not recorded. */
  readonly pid: number | null;
  /** Another process than before answered within the window. */
  readonly restarted: boolean;
  /** Raw counters at the window's start and end, summed over rows; `null`: none, or not recorded. */
  readonly raw_start: number | null;
  readonly raw_end: number | null;
}

/** One window that a rule read. */
export interface WindowExplanation {
  /** RFC 3339; the window is half-open: the tick at `from` is outside. */
  readonly from: string;
  readonly to: string;
  /** `unknown` may have a value all the same: what was seen. */
  readonly kind: "value" | "missing" | "unknown";
  readonly value: number | null;
  /** Whether it breaches the threshold, and whether it lies beyond the clear threshold; `null`: neither can be said. */
  readonly breaches: boolean | null;
  readonly clears: boolean | null;
  /** Ticks of it that have a value. */
  readonly samples: number;
  /** Active servers that the statistic was divided by; `null`: it is not divided, or their number is unknown. */
  readonly divisor: number | null;
  /** What is wrong with its evidence, in words; `null`: nothing. */
  readonly problem: string | null;
  /** What the policy made of it: `breaching`, `not_breaching`, or `missing` where silence counts as that. */
  readonly filled: string | null;
  /** It took part in the verdict: a window that holds nothing is passed over, and so is an outlier. */
  readonly used: boolean;
  readonly sources: readonly SourceExplanation[];
}

/** A threshold rule with what it read: the alarm's own, a leaf of its composite, or either for one server. */
export interface RuleExplanation extends ThresholdRuleView {
  /** `rule1`…: of a leaf. */
  readonly name: string | null;
  readonly server: string | null;
  readonly unit: string;
  /** `alarm`, `ok`, `insufficient data`, `undecided` or `unknown`, and why it is the latter. */
  readonly verdict: string;
  readonly verdict_reason: string | null;
  /** Windows that took part and breach. */
  readonly breaching: number;
  /** The newest first. */
  readonly windows: readonly WindowExplanation[];
}

export interface LeafExplanation {
  readonly name: string;
  /** The alarm that it refers to; `null`: it is a rule of its own. */
  readonly alarm: string | null;
  /** `null`: the expression was decided without it. */
  readonly state: string | null;
}

export interface GateExplanation {
  readonly gate: string;
  readonly passed: boolean;
  /** Of a gate that holds: why, in words. */
  readonly reason: string | null;
  /** RFC 3339: when it opens at the latest, if nothing else happens; `null`: that cannot be told, or it is open. */
  readonly opens_at: string | null;
}

/** One send of the alarm's newest transition, as the decision log has it. */
export interface DeliveryExplanation {
  readonly delivery_id: string;
  readonly receiver: string;
  readonly class: string;
  readonly direction: string;
  readonly repeat: number;
  /** RFC 3339: tick of each attempt. */
  readonly sent_at: readonly string[];
  readonly end: string | null;
  readonly ended_at: string | null;
  readonly reason: string | null;
}

/** The smallest change of one thing with which the verdict would be another; every one has been tried. */
export interface Counterfactual {
  readonly change: "threshold" | "datapoints_to_alarm" | "evaluation_periods" | "time";
  /** Leaf that it is about; `null`: the alarm's own rule. */
  readonly rule: string | null;
  /** As it was; of `time`: 0. */
  readonly from: number;
  /** As it would have to be; of `time`: seconds later. */
  readonly to: number;
  /** What the verdict would be. */
  readonly verdict: string;
  /** What moves along: Aodh's word and its value. */
  readonly with: Readonly<Record<string, number>>;
}

export interface Explanation {
  readonly version: 1;
  readonly alarm_id: string;
  readonly name: string;
  readonly type: string;
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly tick: { readonly number: number; readonly timestamp: string; readonly interval: number };
  readonly state: string;
  readonly state_before: string;
  readonly state_reason: string;
  readonly state_timestamp: string | null;
  /** Made at this very tick; `null`: none was. */
  readonly transition: {
    readonly number: number;
    readonly from: string;
    readonly to: string;
    readonly reason: string;
  } | null;
  readonly verdict: string;
  readonly verdict_reason: string | null;
  readonly rules: readonly RuleExplanation[];
  readonly composite: { readonly form: string; readonly leaves: readonly LeafExplanation[] } | null;
  /** What became of the control actions of its state. */
  readonly action: {
    readonly status: "none" | "sent" | "in flight" | "settling" | "held" | "done";
    /** RFC 3339: when the gates that hold it open, if nothing else happens; `null`: that cannot be told. */
    readonly opens_at: string | null;
  };
  /** In the order in which they are asked; empty: the state has no control action. */
  readonly gates: readonly GateExplanation[];
  readonly lane: {
    readonly phase: string;
    readonly alarm: string | null;
    readonly direction: string | null;
    readonly sent_at: string | null;
    readonly until: string | null;
  };
  readonly deliveries: readonly DeliveryExplanation[];
  /** `null`: none is due as things stand. */
  readonly next_repeat: { readonly timestamp: string; readonly limit: number | null; readonly sent: number } | null;
  readonly nearest: readonly Counterfactual[];
  /** What lacks for a verdict, in words. */
  readonly lacks: readonly string[];
}
