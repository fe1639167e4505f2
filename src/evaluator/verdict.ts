/** What the newest tick says of an alarm, whatever its type, before its state is looked at. */

import type { CompositeVerdict } from "./composite.ts";
import type { Judged } from "./judge.ts";

/** What texts say of a composite's leaves. */
export interface CompositePoints extends Pick<CompositeVerdict, "form" | "leaves"> {
  readonly type: "composite";
  readonly assumed?: true;
}

export type Points = Judged | CompositePoints;

export type Verdict =
  | { readonly kind: "alarm" | "ok" | "insufficient data"; readonly points: Points }
  /** Neither; `newest` is the side of the newest datapoint (Aodh's trend). */
  | { readonly kind: "undecided"; readonly newest: "alarm" | "ok"; readonly points: Points }
  /** Not enough evidence: the state is kept, control actions are held. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** The alarm is not evaluated (rule A5). */
  | { readonly kind: "stopped"; readonly gate: "enabled" | "time_constraint"; readonly reason: string }
  /** An event alarm: its state changes with events, and with time, never with datapoints. */
  | { readonly kind: "event" };

/** What is kept of a verdict until the next tick: all that gates, references and people ask of it. */
export type Standing =
  | {
      readonly kind: "alarm" | "ok" | "undecided" | "insufficient data" | "event";
      /** It rests on what the policy takes a source's silence for. */
      readonly assumed: boolean;
    }
  | Extract<Verdict, { readonly kind: "unknown" | "stopped" }>;

const standings = (assumed: boolean) =>
  ({
    alarm: { kind: "alarm", assumed },
    ok: { kind: "ok", assumed },
    undecided: { kind: "undecided", assumed },
    "insufficient data": { kind: "insufficient data", assumed },
    event: { kind: "event", assumed },
  }) as const;
const SEEN = standings(false);
const ASSUMED = standings(true);

/** The verdict without its datapoints: alarms that stand alike share it. */
export function standingOf(verdict: Verdict): Standing {
  if (verdict.kind === "unknown" || verdict.kind === "stopped") return verdict;
  const assumed = verdict.kind !== "event" && verdict.points.assumed === true;
  return (assumed ? ASSUMED : SEEN)[verdict.kind];
}

export const NOT_JUDGED: Standing = {
  kind: "unknown",
  reason: "no tick has been judged since the service began to work",
};

/** Why nothing is known of the alarm at this tick, in words; `undefined`: something is. */
export function unknownBecause(standing: Standing): string | undefined {
  return standing.kind === "unknown" || standing.kind === "stopped" ? standing.reason : undefined;
}
