/** The receivers of a scenario, and the notifier's part in it: each claimed call is made at once and answered as was said. */

import type { ClusterState } from "../evaluator/cluster.ts";
import { heldBecause } from "../evaluator/gates.ts";
import type { Decision, Outcome, OutcomeKind } from "../model/decision.ts";
import type { Answer, Answers } from "./scenario.ts";

/** What a status means to the notifier (rule D1). */
export type MeaningOf = (
  status: number,
  control: boolean,
) => { readonly outcome: OutcomeKind; readonly reason: string };

export type Send = Extract<Decision, { readonly d: "send" }>;

const ACCEPTED: Answer = { says: 202, afterS: 0, retryAfterS: undefined };

export class ScenarioReceivers {
  readonly #meaningOf: MeaningOf;
  readonly #answers: ReadonlyMap<string, Answer[]>;
  #underWay: { readonly outcome: Outcome; readonly dueS: number }[] = [];

  constructor(outcomes: readonly Answers[], meaningOf: MeaningOf) {
    this.#meaningOf = meaningOf;
    this.#answers = new Map(outcomes.map(({ receiver, answers }) => [receiver, [...answers]]));
  }

  /** A receiver is called; nothing is written when a gate has closed since the call was decided. */
  call(send: Send, atS: number, cluster: ClusterState): void {
    const { delivery: deliveryId, attempt, receiver } = send;
    const base = { kind: "outcome", deliveryId, attempt } as const;
    const held = heldBecause(cluster, deliveryId);
    if (held !== undefined) {
      this.#underWay.push({ outcome: { ...base, outcome: "cancelled", reason: held }, dueS: atS });
      return;
    }
    const { says, afterS, retryAfterS } = this.#answers.get(receiver)?.shift() ?? ACCEPTED;
    const meaning = this.#meaning(says, send.class === "control");
    if (!meaning) return;
    const outcome: Outcome = { ...base, ...meaning, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
    this.#underWay.push({ outcome, dueS: atS + afterS });
  }

  /** The next answer that comes before a time; `undefined`: none does. */
  next(beforeS: number): Outcome | undefined {
    const index = this.#underWay.findIndex(({ dueS }) => dueS < beforeS);
    return index < 0 ? undefined : this.#underWay.splice(index, 1)[0]?.outcome;
  }

  /** The process ends: whatever is answered now nobody hears. */
  hangUp(): void {
    this.#underWay = [];
  }

  #meaning(says: Answer["says"], control: boolean): Pick<Outcome, "outcome" | "reason" | "status"> | undefined {
    switch (says) {
      case "lost":
        return undefined;
      case "timeout":
        return { outcome: "uncertain", reason: "no answer within 30000 ms" };
      case "reset":
        return { outcome: "uncertain", reason: "no answer: ECONNRESET" };
      case "refused":
        return { outcome: "not_run", reason: "no connection: ECONNREFUSED" };
      default:
        return { ...this.#meaningOf(says, control), status: says };
    }
  }
}
