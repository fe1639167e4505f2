/** Random schedules of one lane: alarms, values, answers, pauses, restarts and edits, each drawn from a number. */

import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { fold } from "../../src/evaluator/fold.ts";
import type { PersonCommand } from "../../src/evaluator/person.ts";
import { whyNotDeliver } from "../../src/evaluator/person.ts";
import { ClusterRunner } from "../../src/evaluator/runner.ts";
import { Sealer } from "../../src/evaluator/sealing.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Action, Alarm, ClusterRules } from "../../src/model/alarm.ts";
import type { Decision, Delivery, Input, Outcome } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import { FakeClock } from "./fakeClock.ts";
import { inShort } from "./laneLog.ts";
import { LaneMonitor } from "./laneMonitor.ts";
import { laneOf, someRules } from "./laneRules.ts";
import { INTERVAL_S } from "./laneWorld.ts";
import { randomFrom } from "./trueLoad.ts";

type Send = Extract<Decision, { readonly d: "send" }>;

const ports = {
  clock: new FakeClock(),
  log: silentLogger,
  ledger: createMemoryLedger(),
  ticks: { store: createMemoryStore() },
  dispatcher: { dispatch: () => {}, cancel: () => {} },
  sealer: new Sealer(120),
  onDecision: () => {},
  intervalMs: 10_000,
  evaluationDelayMs: 4000,
};

/** Most ticks that it may take until everything owed is sent, when nothing fails any more. */
export const BOUND_TICKS = 120;

export class LaneRun {
  readonly monitor = new LaneMonitor();
  readonly log: string[] = [];
  /** Words of people that were not refused. */
  asked = 0;
  /** Deliveries as they are recorded. */
  readonly #ledger = new Map<string, Delivery>();
  readonly #random: () => number;
  readonly #cluster: ClusterState = emptyCluster("web");
  readonly #runner = new ClusterRunner(this.#cluster, ports);
  #rules: ClusterRules;
  #number = 1000;
  #downTicks = 0;
  #values = new Map<string, number | undefined>();
  #members: Readonly<Record<string, MemberState>> = { s1: "up", s2: "up" };
  #membersTold: Readonly<Record<string, MemberState>> = {};
  #open: { readonly send: Send; written: boolean; cancelAsked: boolean } | undefined;
  #ends = false;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.#rules = someRules(this.#random);
    this.#input({ kind: "start", number: this.#number, at: this.#number * 10_000, intervalMs: INTERVAL_S * 1000 });
    this.#input({ kind: "command", command: "rules", rules: this.#rules });
    for (const { rule } of this.#rules.alarms) if (rule.kind === "threshold") this.#values.set(rule.meterName, 3);
    this.#tick();
  }

  /** One step, drawn from a number. */
  step(seed: number): void {
    const random = randomFrom(seed);
    const kind = random();
    if (kind < 0.46) this.#someTick(random);
    else if (kind < 0.7) this.#goOn(random);
    else if (kind < 0.74) this.#pause(random);
    else if (kind < 0.78) this.#input({ kind: "command", command: "resume", ...directionIn(random) });
    else if (kind < 0.84) this.#effect(random);
    else if (kind < 0.87) this.#restart(Math.floor(4 * random()), random() < 0.3);
    else if (kind < 0.88) this.#input({ kind: "stall" });
    else if (kind < 0.96) this.#person(random);
    else this.#edit(random);
  }

  /** Nothing fails any more. Returns the ticks until nothing was owed; `undefined`: it never came to that. */
  end(): number | undefined {
    this.#ends = true;
    this.#input({ kind: "command", command: "resume" });
    for (const [name, value] of this.#values) this.#values.set(name, value ?? 3);
    for (let tick = 0; tick <= BOUND_TICKS; tick++) {
      while (this.#open) this.#answer("accepted");
      // The first tick judges; what nobody saw before needs some more.
      if (tick > 5 && this.monitor.owed().length === 0) return tick;
      this.#tick();
    }
    return undefined;
  }

  #input(input: Input): readonly Decision[] {
    const { decisions, deliveries } = fold(this.#cluster, input);
    for (const one of deliveries) this.#ledger.set(one.id, one);
    this.log.push(inShort(input), ...decisions.map((one) => `    ${inShort(one)}`));
    this.monitor.folded(input, decisions, deliveries);
    this.#lookForLost();
    if (input.kind === "start") this.#open = undefined;
    for (const one of decisions) {
      if (one.d === "cancel" && this.#open?.send.delivery === one.delivery) this.#open.cancelAsked = true;
      if (one.d === "send" && one.class === "control") this.#open = { send: one, written: false, cancelAsked: false };
    }
    return decisions;
  }

  /** Every call that waits is one that something still waits for. */
  #lookForLost(): void {
    const { lane, alarms, deliveries } = this.#cluster;
    for (const { alarmId, receiver, repeat, status } of deliveries.values()) {
      const own = lane.phase === "in flight" && lane.alarmId === alarmId ? lane : undefined;
      const waiting = [
        ...(alarms.get(alarmId)?.owed?.receivers ?? []),
        ...(own ? [own.current, ...own.rest, ...own.called.map(({ pending }) => pending)] : []),
      ];
      if (!waiting.some((one) => one.action.receiver === receiver && one.repeat === repeat))
        this.monitor.violations.push(`${status}, and nothing waits for it: ${receiver} of ${alarmId}`);
    }
  }

  /** A person asks that something be made again, or given up. */
  #person(random: () => number): void {
    const deliveries = [...this.#ledger.values()].slice(-12);
    const delivery = deliveries[Math.floor(deliveries.length * random())];
    if (!delivery) return;
    const command: PersonCommand = { kind: "command", command: random() < 0.7 ? "retry" : "drop", delivery };
    const refused = whyNotDeliver(this.#cluster, command);
    if (refused === undefined) {
      this.asked++;
      this.monitor.asked(command.command, delivery);
    }
    const decided = this.#input(command).filter(({ d }) => d === "send" || d === "end" || d === "release");
    if (refused !== undefined && decided.length > 0)
      this.monitor.violations.push(`refused (${refused}), and yet: ${decided.map(inShort)}`);
  }

  #tick(failed = false): void {
    this.#number += 1 + this.#downTicks;
    const coveredS = INTERVAL_S * (1 + this.#downTicks);
    this.#downTicks = 0;
    const names = [...new Set([...Object.keys(this.#membersTold), ...Object.keys(this.#members)])].sort();
    const before = this.#membersTold;
    if (!failed) this.#membersTold = this.#members;
    const values = failed
      ? []
      : [...this.#values].flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
    this.#input({
      kind: "tick",
      number: this.#number,
      at: this.#number * 10_000,
      values: Object.fromEntries(values),
      sources: [failed ? { name: "s", coveredS: 0, error: "refused" } : { name: "s", coveredS }],
      members: failed
        ? []
        : names
            .filter((name) => before[name] !== this.#members[name])
            .map((name) => [name, this.#members[name] ?? null]),
    });
  }

  #someTick(random: () => number): void {
    for (const name of this.#values.keys()) {
      if (random() < 0.3) this.#values.set(name, [1, 3, 9, 1, 9, undefined][Math.floor(6 * random())]);
    }
    if (random() < 0.05) this.#downTicks = Math.floor(3 * random());
    this.#tick(random() < 0.08);
    if (random() < 0.6) this.#goOn(random);
  }

  /** What is under way goes one step further. */
  #goOn(random: () => number): void {
    if (!this.#open) return;
    if (!this.#open.written && random() < 0.3) {
      this.#write();
      return;
    }
    const drawn = random();
    if (drawn < 0.5) this.#answer("accepted");
    else if (drawn < 0.6) this.#answer("busy");
    else if (drawn < 0.68) this.#answer("not_run", { status: 503 });
    else if (drawn < 0.75) this.#answer("not_run", { status: 503, retryAfterS: Math.floor(60 * random()) });
    else if (drawn < 0.77) this.#answer("not_run", { status: 403 });
    else if (drawn < 0.79) this.#told("not_run", { retryAfterS: 1 });
    else if (drawn < 0.9) this.#answer("uncertain");
    else this.#answer("rejected");
  }

  /** The notifier reads the gates once more, and then nothing can be taken back. */
  #write(): void {
    const open = this.#open;
    if (!open || open.written) return;
    const held = open.cancelAsked || this.#runner.heldBecause(open.send.delivery) !== undefined;
    if (held) {
      this.#told("cancelled");
      return;
    }
    open.written = true;
    this.log.push(`    written ${open.send.receiver}`);
    this.monitor.written(open.send);
  }

  #answer(outcome: Outcome["outcome"], fields: Partial<Outcome> = {}): void {
    this.#write();
    if (this.#open?.written) this.#told(outcome, fields);
  }

  #told(outcome: Outcome["outcome"], fields: Partial<Outcome> = {}): void {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const { delivery: deliveryId, attempt } = open.send;
    this.#input({ kind: "outcome", deliveryId, attempt, outcome, reason: outcome, ...fields });
  }

  #pause(random: () => number): void {
    const forS = random() < 0.5 ? { forS: Math.ceil(60 * random()) } : {};
    this.#input({ kind: "command", command: "pause", ...directionIn(random), ...forS });
  }

  /** A server comes, goes, falls ill or is drained. */
  #effect(random: () => number): void {
    const name = `s${1 + Math.floor(4 * random())}`;
    const states = ["up", "up", undefined, "draining", "down", "maint"] as const;
    const { [name]: _, ...others } = this.#members;
    const state = states[Math.floor(states.length * random())];
    this.#members = state ? { ...others, [name]: state } : others;
  }

  #restart(downTicks: number, stops: boolean): void {
    if (this.#ends) return;
    if (stops) {
      this.#input({ kind: "stop" });
      if (this.#open && this.#random() < 0.5) this.#answer("accepted");
    }
    this.#downTicks = 0;
    this.#number += downTicks;
    this.#input({ kind: "start", number: this.#number, at: this.#number * 10_000, intervalMs: INTERVAL_S * 1000 });
  }

  #edit(random: () => number): void {
    const drawn = random();
    const which = Math.floor(this.#rules.alarms.length * random());
    const change = (one: Alarm): Alarm => {
      if (drawn < 0.3) return { ...one, enabled: !one.enabled };
      if (drawn < 0.45) return { ...one, repeatIntervalS: [10, 20, 25, 40][Math.floor(4 * random())]! };
      if (drawn < 0.5) return withShadow(one, !one.shadow);
      if (drawn < 0.6) return { ...one, maxRepeats: random() < 0.5 ? undefined : Math.floor(4 * random()) };
      return { ...one, repeatActions: !one.repeatActions };
    };
    let alarms = this.#rules.alarms.map((one, index) => (index === which ? change(one) : one));
    if (drawn > 0.9) alarms = alarms.map((one, index) => (index === which ? withOtherReceivers(one, random) : one));
    if (drawn > 0.95 && alarms.length > 1) alarms = alarms.filter((_, index) => index !== which);
    const lane = drawn > 0.7 && drawn < 0.9 ? laneOf(random) : {};
    this.#rules = { ...this.#rules, ...lane, alarms };
    this.#input({ kind: "command", command: "rules", rules: this.#rules });
  }
}

/** A receiver of the alarm is called no more, or in shadow, or for another direction. */
function withOtherReceivers(alarm: Alarm, random: () => number): Alarm {
  const drawn = random();
  const list = alarm.actions.alarm;
  const which = Math.floor(list.length * random());
  const changed = list.flatMap((one, index): Action[] => {
    if (index !== which) return [one];
    if (drawn < 0.3) return list.length > 1 ? [] : [one];
    if (drawn < 0.6) return [{ ...one, shadow: true }];
    return [{ ...one, direction: one.direction === "out" ? "in" : "out" }];
  });
  return { ...alarm, actions: { ...alarm.actions, alarm: changed } };
}

function withShadow({ shadow: _, ...alarm }: Alarm, shadow: boolean): Alarm {
  return shadow ? { ...alarm, shadow } : alarm;
}

function directionIn(random: () => number): { readonly direction?: "in" | "out" } {
  const drawn = random();
  return drawn < 0.34 ? {} : { direction: drawn < 0.67 ? "in" : "out" };
}
