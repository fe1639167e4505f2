/** What the inputs of a lane say of its world: alarms, ticks, pauses, servers, and which gates they close. */

import type { Action, Alarm, ClusterRules, Direction, State } from "../../src/model/alarm.ts";
import type { Decision, Input, Outcome, PauseDirection } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import type { SealedTick } from "../../src/model/tick.ts";

export const INTERVAL_S = 10;

/** One call of all control receivers of a state. */
export interface Group {
  readonly alarmId: string;
  readonly transition: number;
  readonly tick: number;
  readonly direction: Direction;
  readonly membersBefore: ReadonlyMap<string, MemberState>;
  /** The least that the rules asked for since it was sent. */
  settleTicks: number;
  cooldownTicks: number;
  acted: boolean;
  /** Of the last call that may have run. */
  unsureTick: number;
  isRepeat: boolean;
  /** Some receiver of it was. */
  busy: boolean;
  /** Its effect was seen. */
  effective: boolean;
  /** A scale-out went ahead of its settling or cooldown: it is awaited no longer. */
  left: boolean;
}

/** What is known of one receiver of one transition. */
export interface Told {
  readonly delivery: string;
  /** `undefined`: it has not answered. */
  outcome: Outcome["outcome"] | "lost" | undefined;
  /** When it was called. */
  readonly tick: number;
  /** Not before this tick. */
  notBefore: number;
  /** A person asked that it be called again. */
  asked: boolean;
  readonly group: Group;
}

export interface Watched {
  alarm: Alarm;
  state: State;
  transition: number;
  anchor: number;
  evaluated: boolean;
  /** A first call has still to be made. */
  owesFirst: boolean;
  /** Numbers of the repeats of this transition. */
  repeats: Set<number>;
  /** How many of them were limited. */
  limited: number;
  /** By receiver, of this transition. */
  told: Map<string, Told>;
}

/** Seconds → ticks, rounded up. */
export function ticksOf(seconds: number): number {
  return Math.ceil(seconds / INTERVAL_S - 1e-9);
}

export function controlOf(alarm: Alarm, state: State): readonly Action[] {
  return alarm.actions[state].filter((action) => action.class === "control");
}

/** Direction of the list that an alarm's state calls. */
export function directionOf({ alarm, state }: Pick<Watched, "alarm" | "state">): Direction {
  const actions = controlOf(alarm, state);
  if (actions.every(({ direction }) => direction === "out")) return "out";
  return actions.every(({ direction }) => direction === "in") ? "in" : "unknown";
}

/** Repeats that have been due up to a tick. */
export function slotsAt({ anchor, alarm }: Watched, tick: number): number {
  return Math.floor(((tick - anchor) * INTERVAL_S) / alarm.repeatIntervalS + 1e-9);
}

/** Tick of the next repeat after a tick. */
export function nextSlot(watched: Watched, tick: number): number {
  return watched.anchor + ticksOf((slotsAt(watched, tick) + 1) * watched.alarm.repeatIntervalS);
}

export class LaneWorld {
  readonly alarms = new Map<string, Watched>();
  readonly members = new Map<string, MemberState>();
  tick = 0;
  stopped = false;
  settleTicks = 0;
  #cooldownS = { in: 0, out: 0 };
  #tickBefore = 0;
  /** Ticks in a row at which the source did not answer; a start or a stall leaves nothing judged. */
  #errors = 0;
  #judged = false;
  #absent = new Set<string>();
  readonly #pauses = new Map<PauseDirection, number>();

  take(input: Input): void {
    switch (input.kind) {
      case "tick":
        this.#takeTick(input);
        break;
      case "start":
        this.stopped = false;
        this.#judged = false;
        // The number of a start is a tick that is in the past: repeats up to it are gone.
        this.#tickBefore = input.number;
        break;
      case "stop":
        this.stopped = true;
        break;
      case "stall":
        this.#judged = false;
        break;
      case "command":
        if (input.command === "rules") this.#revise(input.rules);
        else if (input.command === "pause" || input.command === "resume") this.#pause(input);
        break;
      case "outcome":
      case "event":
        break;
    }
  }

  transition({ alarmId, to, transition }: Extract<Decision, { readonly d: "transition" }>): void {
    const watched = this.alarms.get(alarmId);
    if (!watched) return;
    const owesFirst = controlOf(watched.alarm, to).length > 0;
    const fresh = { repeats: new Set(), limited: 0, told: new Map() };
    Object.assign(watched, { state: to, transition, anchor: this.tick, owesFirst, ...fresh });
  }

  cooldownTicks(direction: Direction): number {
    return ticksOf(direction === "out" ? this.#cooldownS.out : this.#cooldownS.in);
  }

  /** A repeat is due at this tick. */
  isSlot(watched: Watched): boolean {
    const slots = slotsAt(watched, this.tick);
    return slots >= 1 && slots > slotsAt(watched, this.#tickBefore);
  }

  /** What does not allow that an alarm's receivers be called. */
  holds(watched: Watched): readonly string[] {
    const { alarm, state } = watched;
    const direction = directionOf(watched);
    const why: string[] = [];
    for (const paused of direction === "unknown" ? (["in", "out"] as const) : [direction]) {
      if ((this.#pauses.get(paused) ?? -Infinity) > this.tick) why.push(`paused ${paused}`);
    }
    if (this.isSuppressed(watched)) why.push("suppressed");
    if (state === "insufficient data" && direction !== "out") why.push("without data");
    // An alarm that is disabled between ticks is known to be at the next.
    if (!watched.evaluated) why.push("not evaluated");
    if (!this.#judged) why.push("nothing is judged");
    if (this.#errors > 0 && (this.#errors <= 3 || state !== "insufficient data")) why.push("blind");
    const ignores = alarm.rule.kind === "threshold" && alarm.rule.treatMissingData === "ignore";
    if (ignores && this.#absent.has(alarm.id)) why.push("its datapoint is missing");
    if (direction === "out") return why;
    for (const other of this.alarms.values()) {
      if (other !== watched && asksOut(other)) why.push(`${other.alarm.name} asks for a scale-out`);
    }
    return why;
  }

  isSuppressed({ alarm }: Watched): boolean {
    return alarm.suppressedBy.some((id) => {
      const suppressor = this.alarms.get(id);
      return suppressor?.state === "alarm" && suppressor.alarm.enabled;
    });
  }

  #takeTick({ number, sources, values, members }: SealedTick): void {
    this.#tickBefore = this.tick;
    this.tick = number;
    this.#judged = true;
    this.#errors = sources.some(({ error }) => error !== undefined) ? this.#errors + 1 : 0;
    this.#absent = new Set();
    for (const [id, watched] of this.alarms) {
      watched.evaluated = watched.alarm.enabled;
      const { rule } = watched.alarm;
      if (rule.kind === "threshold" && values[rule.meterName] === undefined) this.#absent.add(id);
    }
    for (const [name, state] of members) {
      if (state === null) this.members.delete(name);
      else this.members.set(name, state);
    }
  }

  #revise({ alarms, settleS, cooldownS }: ClusterRules): void {
    this.settleTicks = ticksOf(settleS);
    this.#cooldownS = cooldownS;
    const ids = new Set(alarms.map(({ id }) => id));
    for (const id of this.alarms.keys()) if (!ids.has(id)) this.alarms.delete(id);
    for (const alarm of alarms) {
      const known = this.alarms.get(alarm.id);
      if (known) {
        known.alarm = alarm;
        // Slots are counted in the interval of now.
        const slot = nextSlot(known, this.tick);
        for (const told of known.told.values()) {
          if (told.outcome === "busy") told.notBefore = Math.min(told.notBefore, slot);
        }
        continue;
      }
      this.alarms.set(alarm.id, {
        alarm,
        state: "insufficient data",
        transition: 0,
        anchor: -Infinity,
        evaluated: true,
        owesFirst: false,
        repeats: new Set(),
        limited: 0,
        told: new Map(),
      });
    }
  }

  #pause(input: Extract<Input, { readonly command: "pause" | "resume" }>): void {
    for (const direction of input.direction === undefined ? (["in", "out"] as const) : [input.direction]) {
      if (input.command === "resume") this.#pauses.delete(direction);
      else this.#pauses.set(direction, input.forS === undefined ? Infinity : this.tick + ticksOf(input.forS));
    }
  }
}

/** Rule L1: in alarm with a scale-out receiver, or owing a scale-out. */
export function asksOut(watched: Watched): boolean {
  const { alarm, state, evaluated, owesFirst, told } = watched;
  if (!evaluated) return false;
  if (state === "alarm" && controlOf(alarm, "alarm").some(({ direction }) => direction === "out")) return true;
  if (controlOf(alarm, state).length === 0 || directionOf(watched) !== "out") return false;
  return owesFirst || [...told.values()].some(isOwedAgain);
}

function isOwedAgain({ outcome, asked, group }: Told): boolean {
  return asked || outcome === "not_run" || outcome === "busy" || (outcome === "cancelled" && !group.isRepeat);
}
