/** What happened in a scenario, and how it differs from what was expected. */

import { isDeepStrictEqual } from "node:util";
import type { AlarmState, ClusterState } from "../evaluator/cluster.ts";
import type { Decision, ReasonData } from "../model/decision.ts";
import type { ExpectedAlarm, ExpectedData, ExpectedDelivery, ExpectedHold, Mismatch, Scenario } from "./scenario.ts";
import type { Send } from "./scenarioReceivers.ts";

/** A fact of an expectation beside what there was; `undefined`: nothing was expected of it. */
type Fact = readonly [label: string, expected: unknown, got: unknown];

interface Happened<T> {
  readonly at: number;
  readonly decision: T;
}

export class ScenarioJournal {
  readonly #scenario: Scenario;
  readonly #sends: Happened<Send>[] = [];
  readonly #holds: Happened<Extract<Decision, { readonly d: "hold" }>>[] = [];
  readonly #effects: Happened<Extract<Decision, { readonly d: "effect" }>>[] = [];
  readonly #mismatches: Mismatch[] = [];

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  hear(at: number, decision: Decision): void {
    if (decision.d === "send") this.#sends.push({ at, decision });
    if (decision.d === "hold") this.#holds.push({ at, decision });
    if (decision.d === "effect") this.#effects.push({ at, decision });
  }

  /** The tick is over: what is expected of alarms at it is compared with how they are now. */
  look(at: number, cluster: ClusterState): void {
    const alarmNamed = (name: string) => [...cluster.alarms.values()].find(({ alarm }) => alarm.name === name);
    for (const expected of this.#scenario.alarms) {
      const alarm = expected.at === at ? alarmNamed(expected.name) : undefined;
      if (alarm) this.#compare(at, expected.name, alarmFacts(expected, alarm));
    }
    for (const expected of this.#scenario.holds) {
      const alarm = expected.at === at ? alarmNamed(expected.alarm) : undefined;
      if (alarm) this.#compare(at, expected.alarm, this.#holdFacts(expected, alarm));
    }
    for (const { alarm: name, effect, at: when } of this.#scenario.effects) {
      const alarm = when === at ? alarmNamed(name) : undefined;
      if (!alarm) continue;
      const found = this.#effects.findLast((one) => one.at === at && one.decision.alarmId === alarm.alarm.id);
      this.#compare(at, name, [["effect", effect, found?.decision.effect ?? "none"]]);
    }
  }

  /** All differences, by time in order. */
  mismatches(): readonly Mismatch[] {
    return [...this.#mismatches, ...this.#deliveries()].sort((a, b) => a.at - b.at);
  }

  #compare(at: number, what: string, facts: readonly Fact[]): void {
    const mismatch = difference(at, what, facts);
    if (mismatch) this.#mismatches.push(mismatch);
  }

  #holdFacts({ at, gate, reason }: ExpectedHold, alarm: AlarmState): readonly Fact[] {
    const last = this.#holds.findLast(({ decision }) => decision.alarmId === alarm.alarm.id);
    // What was held and dropped at this very tick was held all the same.
    const got = (last?.at === at ? last.decision.gate : alarm.held) ?? "none";
    return [
      ["held by", gate, got],
      ["reason", reason, got === "none" ? "none" : (last?.decision.reason ?? "none")],
    ];
  }

  /** Sends against those that were expected: of each tick the same ones, whatever their order within it. */
  #deliveries(): readonly Mismatch[] {
    const { deliveries, only } = this.#scenario;
    if (!deliveries) return [];
    const wanted = new Set(only);
    const sends = this.#sends.filter(({ decision }) => only === undefined || wanted.has(decision.receiver));
    const left = [...deliveries];
    const unexpected = sends.filter((send) => !takeFirst(left, (one) => matches(one, send)));
    const mismatches: Mismatch[] = [];
    for (const send of unexpected) {
      const near = takeFirst(left, (one) => one.at === send.at && isAbout(one, send.decision));
      const mismatch = near && difference(send.at, nameOf(send.decision), sendFacts(near, send.decision));
      mismatches.push(mismatch ?? { at: send.at, expected: undefined, got: described(send.decision) });
    }
    return [...mismatches, ...left.map((one) => ({ at: one.at, expected: wished(one), got: undefined }))];
  }
}

function takeFirst<T>(list: T[], test: (one: T) => boolean): T | undefined {
  const index = list.findIndex(test);
  return index < 0 ? undefined : list.splice(index, 1)[0];
}

function isAbout(expected: ExpectedDelivery, send: Send): boolean {
  return expected.alarm === send.notification.alarmName && expected.receiver === send.receiver;
}

function matches(expected: ExpectedDelivery, { at, decision }: Happened<Send>): boolean {
  return expected.at === at && isAbout(expected, decision) && sendFacts(expected, decision).every(agrees);
}

function nameOf({ notification, receiver }: Send): string {
  return `${notification.alarmName} -> ${receiver}`;
}

function described(send: Send): string {
  const { notification, repeat, attempt } = send;
  const more = `${repeat > 0 ? `, repeat ${repeat}` : ""}${attempt > 1 ? `, attempt ${attempt}` : ""}`;
  return `${nameOf(send)}: state ${notification.current}${more}`;
}

function wished({ alarm, receiver, state, repeat, attempt }: ExpectedDelivery): string {
  const facts = [
    ...(state === undefined ? [] : [`state ${state}`]),
    ...(repeat === undefined ? [] : [`repeat ${repeat}`]),
    ...(attempt === undefined ? [] : [`attempt ${attempt}`]),
  ];
  return `${alarm} -> ${receiver}${facts.length > 0 ? `: ${facts.join(", ")}` : ""}`;
}

function sendFacts(expected: ExpectedDelivery, { notification, repeat, attempt }: Send): readonly Fact[] {
  return [
    ["state", expected.state, notification.current],
    ["previous", expected.previous, notification.previous],
    ["repeat", expected.repeat, repeat],
    ["attempt", expected.attempt, attempt],
    ["reason", expected.reason, notification.reason],
    ["reason_data", expected.reasonData, seen(expected.reasonData, notification.reasonData)],
  ];
}

function alarmFacts(expected: ExpectedAlarm, alarm: AlarmState): readonly Fact[] {
  return [
    ["state", expected.state, alarm.state],
    ["verdict", expected.verdict, alarm.verdict.kind],
    ["reason", expected.reason, alarm.reason],
    ["reason_data", expected.reasonData, seen(expected.reasonData, alarm.reasonData)],
  ];
}

/** A `reason_data` as receivers get it, cut down to what an expectation names. */
function seen(expected: ExpectedData | undefined, data: ReasonData | undefined): ExpectedData | undefined {
  if (!expected || !data) return undefined;
  const whole = wireOf(data);
  return Object.fromEntries(Object.keys(expected).map((key) => [key, whole[key]]));
}

function wireOf(data: ReasonData): Readonly<Record<string, unknown>> {
  switch (data.type) {
    case "threshold": {
      const { type, disposition, count, mostRecent, server } = data;
      return { type, disposition, count, most_recent: mostRecent, server };
    }
    case "composite":
      return { type: data.type, composition_form: data.form, causative_rules: Object.fromEntries(data.causes) };
    case "event":
      return { type: data.type, event: data.event };
  }
}

function agrees([, expected, got]: Fact): boolean {
  return expected === undefined || isDeepStrictEqual(expected, got);
}

function difference(at: number, what: string, facts: readonly Fact[]): Mismatch | undefined {
  const wrong = facts.filter((fact) => !agrees(fact));
  if (wrong.length === 0) return undefined;
  const side = (pick: (fact: Fact) => unknown) =>
    `${what}: ${wrong.map((fact) => `${fact[0]} ${text(pick(fact))}`).join(", ")}`;
  return { at, expected: side((fact) => fact[1]), got: side((fact) => fact[2]) };
}

function text(value: unknown): string {
  return typeof value === "string"
    ? value.includes(" ") && value !== "insufficient data"
      ? `"${value}"`
      : value
    : String(JSON.stringify(value));
}
