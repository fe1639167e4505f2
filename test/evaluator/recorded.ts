/** A fold whose deliveries are kept as a ledger keeps them, and what a person may do with them. */

import { expect } from "vitest";
import { fold } from "../../src/evaluator/fold.ts";
import { whyNotDeliver } from "../../src/evaluator/person.ts";
import type { Decision, Delivery } from "../../src/model/decision.ts";
import { Folded } from "../helpers/folded.ts";

export class Recorded extends Folded {
  /** The newest that the fold said of each delivery. */
  readonly ledger = new Map<string, Delivery>();

  override input(input: Parameters<Folded["input"]>[0]): readonly Decision[] {
    const before = structuredClone(input);
    this.inputs.push(before);
    const { decisions, deliveries } = fold(this.cluster, before);
    // Its constructor folds before there is a ledger.
    for (const one of deliveries) this.ledger?.set(one.id, one);
    this.log.push(...decisions);
    return decisions;
  }

  delivery(receiver: string): Delivery {
    const found = [...this.ledger.values()].findLast((one) => one.receiver === receiver);
    if (!found) throw new Error(`nothing was sent to ${receiver}`);
    return found;
  }

  why(command: "retry" | "drop", receiver: string): string | undefined {
    const delivery = this.delivery(receiver);
    return whyNotDeliver(this.cluster, { kind: "command", command, delivery });
  }

  /** Does as it is told, or throws as the service would. */
  person(command: "retry" | "drop", receiver: string): readonly Decision[] {
    const why = this.why(command, receiver);
    const delivery = this.delivery(receiver);
    const decisions = this.input({ kind: "command", command, delivery });
    if (why === undefined) return decisions;
    expect(decisions).toEqual([]);
    throw new Error(why);
  }
}
