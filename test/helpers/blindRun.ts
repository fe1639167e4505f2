/** One true load under one fault: what is hidden from Tocsin, what it sends, and what it should have sent. */

import type { Alarm, Direction, ThresholdRule } from "../../src/model/alarm.ts";
import type { OutcomeKind } from "../../src/model/decision.ts";
import type { ScrapeReport, Tick } from "../../src/model/tick.ts";
import type { Load } from "./plant.ts";
import { noAnswer, PlantSource } from "./plant.ts";
import { theRules } from "./rules.ts";
import type { Truth } from "./trueLoad.ts";
import { LowSide, randomFrom } from "./trueLoad.ts";
import { Watcher } from "./watcher.ts";

export const INTERVAL_S = 10;
const INTERVAL_MS = INTERVAL_S * 1000;
const HOUR_MS = 3_600_000;

export const FAULTS = [
  "sources gone",
  "one of two gone",
  "half of the scrapes lost",
  "HAProxy restarted",
  "reload that leaves sessions behind",
  "all bytes in open sessions",
  "clock jump",
  "restart of ours with a source away",
] as const;
export type Fault = (typeof FAULTS)[number];

/** A true load, and the rules that watch it. */
export interface Plan {
  readonly seed: number;
  readonly version: string;
  readonly servers: number;
  readonly sources: 1 | 2;
  /** Of the traffic that goes through the first of two sources. */
  readonly share: number;
  readonly high: Truth;
  /** Of `high`: where the load is low. */
  readonly low: number;
  readonly alarms: readonly Alarm[];
  /** High from the beginning, or from the fault on. */
  readonly rises: boolean;
  readonly faultTicks: number;
}

export interface BlindResult {
  /** Sends on the low side of alarms whose rule is truly not there; by whether the receiver states a direction. */
  readonly wrong: readonly { readonly alarm: string; readonly tick: number; readonly directed: boolean }[];
  /** Of each alarm: ticks from the end of the fault to its scale-in, beyond its windows; `undefined`: none came. */
  readonly recovery: ReadonlyMap<string, number | undefined>;
  readonly sends: number;
}

function ruleOf(alarm: Alarm): ThresholdRule {
  if (alarm.rule.kind !== "threshold") throw new Error("not a threshold alarm");
  return alarm.rule;
}

/** Ticks that an alarm looks back. */
export function reach(alarm: Alarm): number {
  const { evaluationPeriods, periodS } = ruleOf(alarm);
  return evaluationPeriods * Math.ceil(periodS / INTERVAL_S);
}

function lowState(alarm: Alarm): "alarm" | "ok" {
  const { comparison } = ruleOf(alarm);
  return comparison === "lt" || comparison === "le" ? "alarm" : "ok";
}

function isDirected(alarm: Alarm): boolean {
  return alarm.actions[lowState(alarm)].some(({ direction }: { direction: Direction }) => direction === "in");
}

/** The plant, its truth and the service that watches it, driven tick by tick. */
export class Stage {
  readonly plan: Plan;
  readonly random: () => number;
  readonly sources: readonly PlantSource[];
  readonly watcher: Watcher;
  readonly past: Truth[] = [];
  /** For each tick, by alarm id: whether it may be on its low side. */
  readonly lows: Map<string, boolean[]>;
  number = 1000;
  wallOffMs = 0;
  readonly #sides: readonly (readonly [string, LowSide])[];

  constructor(plan: Plan, generosity: number, answer: (random: number) => OutcomeKind) {
    this.plan = plan;
    this.random = randomFrom(plan.seed);
    const { version, servers, alarms, sources } = plan;
    const options = { version, servers, intervalMs: INTERVAL_MS };
    this.sources = Array.from(
      { length: sources },
      (_, index) => new PlantSource(`s${index}`, this.number * INTERVAL_S, options),
    );
    this.watcher = new Watcher({
      rules: theRules(alarms),
      intervalMs: INTERVAL_MS,
      after: this.#label(),
      answer: () => answer(this.random()),
    });
    this.lows = new Map(alarms.map(({ id }) => [id, []]));
    this.#sides = alarms.map((alarm) => [alarm.id, new LowSide(ruleOf(alarm), servers, INTERVAL_S, generosity)]);
  }

  /**
   * One tick of true load at `level` of the high one. `asked`: whether a source is reached; `held`: streams do not
   * end; `replaced`: a new process takes over after that share of the interval; `elsewhere`: its traffic is still
   * with a process that nobody asks; `down`: ours does not run.
   */
  tick(level: number, world: World = {}): void {
    const { asked = () => true, held = false, replaced, elsewhere = false, down = false } = world;
    this.number++;
    const noise = 0.95 + 0.1 * this.random();
    const { bytesPerS, requestsPerS, sessions } = this.plan.high;
    const factor = level * noise;
    const truth = {
      bytesPerS: bytesPerS * factor,
      requestsPerS: requestsPerS * factor,
      sessions: Math.round(sessions * factor),
    };
    this.past.push(truth);
    for (const [id, side] of this.#sides) this.lows.get(id)?.push(side.at(this.past));
    const tick = this.#label();
    const reports: ScrapeReport[] = [];
    this.sources.forEach((source, index) => {
      const load = elsewhere ? { bytesPerS: 0, requestsPerS: 0, sessions: 0 } : this.#shareOf(truth, index);
      const endS = this.number * INTERVAL_S + 0.2 * index + 0.1 * this.random();
      if (replaced?.source === index || replaced?.source === "all") {
        source.run((this.number - 1 + replaced.after) * INTERVAL_S + 0.4, this.#shareOf(truth, index), false);
        source.replace();
      }
      source.run(endS, load, held);
      if (down) return;
      reports.push(asked(index) ? source.scrape(tick, endS * 1000 + this.wallOffMs) : noAnswer(tick, source.name));
    });
    if (!down) this.watcher.tick(tick, reports);
  }

  /** Our process ends here and begins again. */
  restart(): void {
    for (const source of this.sources) source.restartTocsin(this.watcher.baselines.get(source.name));
    this.watcher.restart(this.#label());
  }

  #label(): Tick {
    return { number: this.number, at: this.number * INTERVAL_MS + this.wallOffMs };
  }

  #shareOf({ bytesPerS, requestsPerS, sessions }: Truth, index: number): Load {
    const { sources, share } = this.plan;
    const part = sources === 1 ? 1 : index === 0 ? share : 1 - share;
    const own = index === 0 ? Math.round(sessions * part) : sessions - Math.round(sessions * (1 - part));
    return { bytesPerS: bytesPerS * part, requestsPerS: requestsPerS * part, sessions: own };
  }
}

interface World {
  readonly asked?: (source: number) => boolean;
  readonly held?: boolean;
  readonly replaced?: { readonly source: number | "all"; readonly after: number };
  readonly elsewhere?: boolean;
  readonly down?: boolean;
}

/** High load (or low, until the fault makes it high), the fault, and then low load until every rule must have acted. */
export function runUnder(fault: Fault, plan: Plan): BlindResult {
  // After either answer the lane is free again at once, so that every alarm speaks for itself.
  const stage = new Stage(plan, 0.9, (random) => (random < 0.2 ? "not_run" : "rejected"));
  const longest = Math.max(...plan.alarms.map(reach));
  for (let tick = 0; tick < longest + 6; tick++) stage.tick(plan.rises ? plan.low : 1);
  const first = stage.number + 1;
  play(fault, stage);
  const cleared = stage.number;
  for (let tick = 0; tick < longest + 4; tick++) stage.tick(plan.rises ? 1 : plan.low);
  return resultOf(stage, first, cleared);
}

function play(fault: Fault, stage: Stage): void {
  const { faultTicks: ticks, sources } = stage.plan;
  const repeat = (world: (tick: number) => World) => {
    for (let tick = 0; tick < ticks; tick++) stage.tick(1, world(tick));
  };
  switch (fault) {
    case "sources gone":
      repeat(() => ({ asked: () => false }));
      return;
    case "one of two gone":
      repeat(() => ({ asked: (source) => source !== sources - 1 }));
      return;
    case "half of the scrapes lost":
      repeat(() => ({ asked: () => stage.random() < 0.5 }));
      return;
    case "HAProxy restarted": {
      const source = stage.random() < 0.5 ? "all" : 0;
      repeat((tick) => (tick === 0 ? { replaced: { source, after: 0.9 * stage.random() } } : {}));
      return;
    }
    case "reload that leaves sessions behind": {
      // What they still carry is unknown for one period (rule E4), and so long it is with the old process.
      const period = Math.ceil(ruleOf(stage.plan.alarms[0]!).periodS / INTERVAL_S);
      for (let tick = 0; tick < period; tick++) {
        stage.tick(1, { elsewhere: true, ...(tick === 0 ? { replaced: { source: "all", after: 0 } } : {}) });
      }
      return;
    }
    case "all bytes in open sessions":
      repeat(() => ({ held: true }));
      return;
    case "clock jump": {
      const byMs = stage.random() < 0.5 ? HOUR_MS : -HOUR_MS;
      stage.wallOffMs += byMs;
      repeat(() => ({ asked: () => stage.random() < 0.8 }));
      stage.wallOffMs -= byMs;
      return;
    }
    case "restart of ours with a source away": {
      const away = { asked: (source: number) => source !== sources - 1 };
      const down = Math.min(ticks - 1, Math.floor(6 * stage.random()));
      for (let tick = 0; tick < down; tick++) stage.tick(1, { down: true });
      stage.restart();
      for (let tick = down; tick < ticks; tick++) stage.tick(1, away);
    }
  }
}

function resultOf(stage: Stage, first: number, cleared: number): BlindResult {
  const { alarms } = stage.plan;
  const wrong: { alarm: string; tick: number; directed: boolean }[] = [];
  const recovery = new Map<string, number | undefined>();
  for (const alarm of alarms) {
    const lows = stage.lows.get(alarm.id) ?? [];
    const mayBeLow = (tick: number) => [-1, 0, 1].some((by) => lows[tick + by - 1001]);
    let came: number | undefined;
    for (const { send, tick } of stage.watcher.sent) {
      if (send.notification.alarmId !== alarm.id) continue;
      const blind = send.notification.current === "insufficient data";
      if (!blind && send.notification.current !== lowState(alarm)) continue;
      const isLowAgain = tick > cleared && !stage.plan.rises;
      if (blind || (!isLowAgain && !mayBeLow(tick))) {
        wrong.push({ alarm: alarm.name, tick: tick - first, directed: isDirected(alarm) });
      } else if (isLowAgain) came ??= tick;
    }
    if (!stage.plan.rises) recovery.set(alarm.name, came === undefined ? undefined : came - cleared - reach(alarm));
  }
  return { wrong, recovery, sends: stage.watcher.sent.length };
}

/** Of the scale-ins that are right, how many come although one poll in a hundred is missed. */
export function runAlive(plan: Plan, ticks: number): { readonly rightful: Count; readonly sent: Count } {
  const stage = new Stage(plan, 1, () => "rejected");
  const longest = Math.max(...plan.alarms.map(reach));
  const asked = () => stage.random() >= 0.01;
  for (let tick = 0; tick < longest + 6; tick++) stage.tick(1, { asked });
  for (let tick = 0; tick < ticks; tick++) stage.tick(plan.low, { asked });
  const rightful = { first: 0, repeats: 0 };
  const sent = { first: 0, repeats: 0 };
  for (const alarm of plan.alarms) {
    const lows = stage.lows.get(alarm.id) ?? [];
    const seen = stage.watcher.sent.flatMap(({ send, tick }) =>
      send.notification.alarmId === alarm.id && send.attempt === 1 && send.notification.current === lowState(alarm)
        ? [{ tick: tick - 1001, repeat: send.repeat > 0 }]
        : [],
    );
    const patience = Math.max(3, reach(alarm) + 1);
    // The last few are left out: what comes a tick late would come after the end.
    const due = rightfulTicks(alarm, lows).filter(
      ({ tick, repeat }) => tick < lows.length - (repeat ? 4 : patience + 1),
    );
    for (const { tick, repeat } of due) {
      const kind = repeat ? "repeats" : "first";
      rightful[kind]++;
      const at = seen.findIndex(
        (one) => one.repeat === repeat && one.tick >= tick - 2 && one.tick <= tick + (repeat ? 3 : patience),
      );
      if (at < 0) continue;
      seen.splice(at, 1);
      sent[kind]++;
    }
  }
  return { rightful, sent };
}

export interface Count {
  first: number;
  repeats: number;
}

/** When perfect data would send: as the low side is entered, and then at each repeat. */
function rightfulTicks(alarm: Alarm, lows: readonly boolean[]): { tick: number; repeat: boolean }[] {
  const due: { tick: number; repeat: boolean }[] = [];
  const every = Math.ceil(alarm.repeatIntervalS / INTERVAL_S);
  const repeats = alarm.repeatActions && alarm.repeatStates.includes(lowState(alarm));
  let entered: number | undefined;
  lows.forEach((low, tick) => {
    if (!low) entered = undefined;
    else if (entered === undefined) {
      entered = tick;
      due.push({ tick, repeat: false });
    } else if (repeats && (tick - entered) % every === 0) due.push({ tick, repeat: true });
  });
  return due;
}
