import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { fold } from "../../src/evaluator/fold.ts";
import type { Alarm, ClusterRules } from "../../src/model/alarm.ts";
import type { Decision, Input, Outcome } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import type { SealedTick, SourceAtTick } from "../../src/model/tick.ts";
import { BYTES, RATE, SESSIONS, theRules } from "./rules.ts";

export const INTERVAL_S = 10;

export interface TickFields {
  /** Sessions open: the gauge that test alarms read; `null`: no value. */
  readonly sessions?: number | null;
  /** Bytes a second. */
  readonly rate?: number;
  /** Sources that failed, by name. */
  readonly failed?: readonly string[];
  /** Marks and covered seconds of source `s`. */
  readonly source?: Partial<SourceAtTick>;
  /** Servers as they are now. */
  readonly members?: Readonly<Record<string, MemberState>>;
}

/** A cluster under the fold, told what happens tick by tick: the way scenarios read. */
export class Folded {
  readonly cluster: ClusterState;
  readonly inputs: Input[] = [];
  readonly log: Decision[] = [];
  readonly sources: readonly string[];
  #number = 1000;
  #members: Readonly<Record<string, MemberState>> = {};
  #total = 0;

  constructor(rules: ClusterRules | readonly Alarm[], sources: readonly string[] = ["s"]) {
    this.cluster = emptyCluster("web");
    this.sources = sources;
    this.input({ kind: "start", number: this.#number, at: this.#number * 10_000, intervalMs: INTERVAL_S * 1000 });
    this.input({ kind: "command", command: "rules", rules: "alarms" in rules ? rules : theRules(rules) });
  }

  /** Folds an input; returns what it decided. */
  input(input: Input): readonly Decision[] {
    this.inputs.push(input);
    const { decisions } = fold(this.cluster, structuredClone(input));
    this.log.push(...decisions);
    return decisions;
  }

  /** One tick. */
  tick(fields: TickFields = {}): readonly Decision[] {
    return this.input(this.sealed(fields));
  }

  /** The same tick so many times. */
  ticks(count: number, fields: TickFields = {}): readonly Decision[] {
    return Array.from({ length: count }, () => this.tick(fields)).flat();
  }

  /** Ticks that nobody saw. */
  skip(count: number): void {
    this.#number += count;
  }

  restart(downTicks = 0): readonly Decision[] {
    this.skip(downTicks);
    return this.input({
      kind: "start",
      number: this.#number,
      at: this.#number * 10_000,
      intervalMs: INTERVAL_S * 1000,
    });
  }

  /** The outcome of the newest claimed attempt, or of the one of a receiver. */
  outcome(outcome: Outcome["outcome"], fields: Partial<Outcome> & { receiver?: string } = {}): readonly Decision[] {
    const { receiver, ...rest } = fields;
    const delivery = [...this.cluster.deliveries.values()].findLast(
      (one) => one.status === "claimed" && (receiver === undefined || one.receiver === receiver),
    );
    if (!delivery) throw new Error("nothing is under way");
    return this.input({
      kind: "outcome",
      deliveryId: delivery.id,
      attempt: delivery.attempts,
      outcome,
      reason: outcome,
      ...rest,
    });
  }

  sealed({ sessions = 0, rate = 0, failed = [], source = {}, members = this.#members }: TickFields): SealedTick {
    this.#number++;
    const blind = this.sources.length > 0 && this.sources.every((name) => failed.includes(name));
    const covered = source.coveredS ?? INTERVAL_S;
    if (!blind) this.#total += rate * covered;
    const names = [...new Set([...Object.keys(this.#members), ...Object.keys(members)])].sort();
    const before = this.#members;
    this.#members = members;
    const up = Object.values(members).filter((state) => state === "up").length;
    return {
      kind: "tick",
      number: this.#number,
      at: this.#number * 10_000,
      values: {
        ...(sessions === null || blind ? {} : { [SESSIONS]: sessions }),
        ...(blind ? {} : { [RATE]: rate }),
        [BYTES]: this.#total,
        ...(Object.keys(members).length > 0 ? { "network.services.lb.members.up": up } : {}),
      },
      sources: this.sources.map((name) =>
        failed.includes(name)
          ? { name, coveredS: 0, error: "refused" }
          : { name, coveredS: INTERVAL_S, ...(rate > 0 ? { moved: true as const } : {}), ...source },
      ),
      members: names
        .filter((name) => before[name] !== members[name])
        .map((name) => [name, members[name] ?? null] as const),
    };
  }

  state(name: string): string {
    return this.cluster.alarms.get(`id-${name}`)?.state ?? "gone";
  }

  verdict(name: string): string {
    return this.cluster.alarms.get(`id-${name}`)?.verdict.kind ?? "gone";
  }
}

/** Receivers of the sends among decisions. */
export function sends(decisions: readonly Decision[]): string[] {
  return decisions.flatMap((one) => (one.d === "send" ? [one.receiver] : []));
}

/** `end` of each delivery that ended among decisions. */
export function ends(decisions: readonly Decision[]): string[] {
  return decisions.flatMap((one) => (one.d === "end" ? [one.end] : []));
}

/** Gates that were journalled as holding. */
export function holds(decisions: readonly Decision[]): string[] {
  return decisions.flatMap((one) => (one.d === "hold" ? [one.gate] : []));
}
