/**
 * Watches a lane from outside: it reads inputs, decisions and what is written to receivers, never the state of the fold,
 * and knows the rules of actions and of the lane (A3–A5, L1–L4, D1) in its own words.
 */

import type { Decision, Delivery, Input, Outcome } from "../../src/model/decision.ts";
import type { Group, Told, Watched } from "./laneWorld.ts";
import { asksOut, controlOf, directionOf, LaneWorld, nextSlot, ticksOf } from "./laneWorld.ts";

type Send = Extract<Decision, { readonly d: "send" }>;
type Effect = Extract<Decision, { readonly d: "effect" }>;

export class LaneMonitor {
  readonly violations: string[] = [];
  readonly #world = new LaneWorld();
  #outstanding: { readonly send: Send; readonly told: Told } | undefined;
  readonly #groups: Group[] = [];

  /** An input, what it decided, and the deliveries that changed by it. */
  folded(input: Input, decisions: readonly Decision[], deliveries: readonly Delivery[]): void {
    let goesOn = input.kind === "outcome" ? this.#outcome(input) : undefined;
    this.#world.take(input);
    if (input.kind === "start") this.#lose();
    if (input.kind === "command" && input.command === "rules") this.#soften();
    for (const one of decisions) {
      if (one.d === "transition") this.#world.transition(one);
      else if (one.d === "effect") this.#effect(one);
      else if (one.d === "send" && one.class === "control") {
        if (this.#isShadow(one)) this.#says(`sent, although in shadow: ${one.receiver}`);
        this.#send(one, goesOn);
        goesOn = undefined;
      } else if (one.d === "end" && one.end === "shadow") {
        const [delivery] = deliveries.filter(({ id }) => id === one.delivery);
        if (delivery) goesOn = this.#shadow(delivery, goesOn);
      }
    }
  }

  /** A person's word that the fold did not refuse. */
  asked(command: "retry" | "drop", delivery: Delivery): void {
    const { alarmId, transition, receiver, status, notification } = delivery;
    const watched = this.#world.alarms.get(alarmId);
    const told = watched?.transition === transition ? watched.told.get(receiver) : undefined;
    const what = `${command} of ${receiver}, which is ${status}`;
    if (status === "delivered" || status === "shadow" || status === "claimed") this.#says(`not refused: ${what}`);
    if (command === "drop") {
      // Whatever it was, it is not tried again; what may have run is settled all the same.
      if (told?.delivery === delivery.id) Object.assign(told, { outcome: "rejected", asked: false });
      return;
    }
    if (!watched || !told || watched.state !== notification.current) {
      this.#says(`not refused: ${what}, its state is over`);
      return;
    }
    // What the action waits for otherwise is not waited for either.
    for (const one of watched.told.values()) one.notBefore = Math.min(one.notBefore, this.#world.tick);
    if (status === "waiting") return;
    if (told.delivery !== delivery.id) this.#says(`not refused: ${what}, another was called since`);
    if (told.outcome === "not_run" || told.outcome === "busy" || this.#outstanding?.told === told)
      this.#says(`not refused: ${what}, it is ${told.outcome}`);
    told.asked = true;
  }

  /** The first byte goes out now. */
  written(send: Send): void {
    if (this.#outstanding?.send !== send) this.#says(`written, but not under way: ${send.receiver}`);
    this.#gates(send, "written");
    const { alarmId, current } = send.notification;
    const alarm = this.#world.alarms.get(alarmId)?.alarm;
    const action = alarm && controlOf(alarm, current).find(({ receiver }) => receiver === send.receiver);
    if (this.#isShadow(send)) this.#says(`written, although in shadow: ${send.receiver}`);
    if (!action) this.#says(`written, although the rule does not call it any more: ${send.receiver}`);
    else if (action.direction !== send.direction) this.#says(`written ${send.direction}: ${send.receiver}`);
  }

  /** What is still owed although nothing that lasts holds it: receivers of alarms, and what they last said. */
  owed(): readonly string[] {
    const all = [...this.#world.alarms.values()];
    return all.flatMap((watched) => {
      const { alarm, state, told, evaluated, transition } = watched;
      if (transition === 0 || !alarm.enabled || !evaluated || this.#world.isSuppressed(watched)) return [];
      if (directionOf(watched) !== "out") {
        if (state === "insufficient data") return [];
        // A scale-out goes first, also one that is repeated for ever or is itself held.
        if (all.some((other) => other !== watched && (asksOut(other) || goesFirst(other)))) return [];
      }
      const open = controlOf(alarm, state).filter(({ receiver }) => !isDone(told.get(receiver)));
      return open.map(
        ({ receiver }) => `${alarm.name} → ${receiver}: ${told.get(receiver)?.outcome ?? "never called"}`,
      );
    });
  }

  #says(text: string): void {
    this.violations.push(`tick ${this.#world.tick}: ${text}`);
  }

  /** Of a wait that other rules make shorter, the shorter one counts. */
  #soften(): void {
    for (const group of this.#groups) {
      group.settleTicks = Math.min(group.settleTicks, this.#world.settleTicks);
      group.cooldownTicks = Math.min(group.cooldownTicks, this.#world.cooldownTicks(group.direction));
    }
  }

  #effect({ alarmId, transition, effect, direction, servers }: Effect): void {
    const group = this.#groups.findLast((one) => one.alarmId === alarmId && one.transition === transition);
    if (!group || effect !== "effective") return;
    group.effective = true;
    for (const name of servers) {
      const [was, is] = [group.membersBefore.get(name), this.#world.members.get(name)];
      const came = is === "up" && (was === undefined || was === "maint");
      const went = was === "up" && (is === undefined || is === "draining");
      const fits = direction === "out" ? came : direction === "in" ? went : came || went;
      if (!fits) this.#says(`${name} is called the effect of ${direction}: it was ${was}, it is ${is}`);
    }
    if (servers.length === 0) this.#says("an effect without a server");
  }

  /** Takes an answer; returns the group that may go on with its next receiver. */
  #outcome({ deliveryId, attempt, outcome, retryAfterS }: Outcome): Group | undefined {
    const open = this.#outstanding;
    if (!open || open.send.delivery !== deliveryId || open.send.attempt !== attempt) return undefined;
    this.#outstanding = undefined;
    const { told } = open;
    const { tick } = this.#world;
    told.outcome = outcome;
    if (outcome === "accepted") told.group.acted = true;
    if (outcome === "uncertain") mayHaveRun(told);
    if (outcome === "not_run") {
      const asked = retryAfterS === undefined ? 1 : Math.min(300, Math.max(1, retryAfterS));
      told.notBefore = tick + Math.max(1, ticksOf(asked));
    }
    const watched = this.#world.alarms.get(open.send.notification.alarmId);
    if (outcome === "busy" && watched) {
      told.group.busy = true;
      told.notBefore = nextSlot(watched, tick);
    }
    return outcome === "cancelled" ? undefined : told.group;
  }

  /** The process ended: of what was under way nobody knows whether it ran. */
  #lose(): void {
    if (!this.#outstanding) return;
    const { told } = this.#outstanding;
    told.outcome = "lost";
    mayHaveRun(told);
    this.#outstanding = undefined;
  }

  #send(send: Send, goesOn: Group | undefined): void {
    const { alarmId, current } = send.notification;
    const watched = this.#world.alarms.get(alarmId);
    if (!watched) {
      this.#says(`sent for ${alarmId}, which is gone`);
      return;
    }
    const what = `${watched.alarm.name} → ${send.receiver} (transition ${send.transition}, repeat ${send.repeat})`;
    if (this.#world.stopped) this.#says(`sent after a stop: ${what}`);
    if (this.#outstanding) this.#says(`two under way: ${what}`);
    if (watched.state !== current || watched.transition !== send.transition) this.#says(`its state is over: ${what}`);
    const continues = goesOn !== undefined && goesOn.alarmId === alarmId && goesOn.transition === send.transition;
    if (!continues) {
      this.#gates(send, "sent");
      this.#waits(watched, what);
    }
    const group = continues ? goesOn : this.#newGroup(watched);
    const before = watched.told.get(send.receiver);
    if (before) this.#again(watched, send, before, group, what);
    watched.owesFirst = false;
    const { tick } = this.#world;
    const told: Told = { delivery: send.delivery, outcome: undefined, tick, notBefore: -Infinity, asked: false, group };
    watched.told.set(send.receiver, told);
    this.#outstanding = { send, told };
  }

  #isShadow({ receiver, notification }: Pick<Delivery, "receiver" | "notification">): boolean {
    const alarm = this.#world.alarms.get(notification.alarmId)?.alarm;
    const action = alarm?.actions[notification.current].find((one) => one.receiver === receiver);
    return alarm?.shadow === true || action?.shadow === true;
  }

  /** What is not sent is judged as if it were, and as if it had been accepted at once. */
  #shadow(delivery: Delivery, goesOn: Group | undefined): Group | undefined {
    const { id, alarmId, class: kind, receiver, direction, transition, repeat, createdAt, notification } = delivery;
    if (kind === "notice") return goesOn;
    if (!this.#isShadow(delivery)) this.#says(`in shadow, although nobody says so: ${receiver} of ${alarmId}`);
    const attempt = delivery.attempts + 1;
    const facts = { receiver, class: kind, direction, transition, repeat, notification };
    this.#send({ d: "send", at: createdAt, delivery: id, attempt, ...facts }, goesOn);
    return this.#outcome({ kind: "outcome", deliveryId: id, attempt, outcome: "accepted", reason: "" });
  }

  #newGroup(watched: Watched): Group {
    const direction = directionOf(watched);
    const group: Group = {
      alarmId: watched.alarm.id,
      transition: watched.transition,
      tick: this.#world.tick,
      direction,
      membersBefore: new Map(this.#world.members),
      settleTicks: this.#world.settleTicks,
      cooldownTicks: this.#world.cooldownTicks(direction),
      acted: false,
      unsureTick: -Infinity,
      isRepeat: false,
      busy: false,
      effective: false,
      left: false,
    };
    if (direction === "out") for (const before of this.#groups) if (before.direction !== "out") before.left = true;
    this.#groups.push(group);
    return group;
  }

  /** Settling and cooldown of whatever acted before. */
  #waits(watched: Watched, what: string): void {
    for (const group of this.#groups) {
      if (!group.acted || (directionOf(watched) === "out" && group.direction !== "out")) continue;
      const passed = this.#world.tick - group.tick;
      const settling = this.#world.tick - Math.max(group.tick, group.unsureTick);
      if (settling < group.settleTicks && !group.effective) this.#says(`${settling} ticks into settling: ${what}`);
      if (passed < group.cooldownTicks)
        this.#says(`${passed} ticks into a cooldown of ${group.cooldownTicks}: ${what}`);
    }
  }

  /** A receiver that was called before in this transition: whether, and when, it may be called again. */
  #again(watched: Watched, send: Send, before: Told, group: Group, what: string): void {
    const early = before.notBefore - this.#world.tick;
    if (before.delivery === send.delivery && before.outcome !== "not_run") {
      this.#says(`${before.outcome}, and sent under the same id: ${what}`);
    }
    if (before.asked) return;
    switch (before.outcome) {
      case undefined:
        this.#says(`called again before it answered: ${what}`);
        return;
      case "not_run":
        if (early > 0) this.#says(`tried again ${early} ticks too early: ${what}`);
        return;
      case "busy":
        if (early > 0) this.#says(`busy, and called ${early} ticks before its slot: ${what}`);
        return;
      case "cancelled":
      case "uncertain":
      case "lost":
        if (before.group.effective && before.outcome !== "cancelled") break;
        // What was left of a repeat is dropped with it; the next is a repeat as well.
        if (before.outcome === "cancelled") group.isRepeat = before.group.isRepeat;
        // It may be called again at any time, and be the first of a repeat.
        if (this.#world.isSlot(watched)) watched.repeats.add(send.repeat);
        return;
      case "accepted":
      case "rejected":
        break;
    }
    if (!watched.repeats.has(send.repeat)) this.#repeat(watched, send.repeat, what);
    group.isRepeat = true;
  }

  /** Nothing but a repeat is a reason to call it again. */
  #repeat(watched: Watched, number: number, what: string): void {
    const { alarm, state } = watched;
    if (!alarm.repeatActions || !alarm.repeatStates.includes(state)) this.#says(`sent again without repeats: ${what}`);
    if (!this.#world.isSlot(watched)) this.#says(`repeated beside its slot: ${what}`);
    watched.repeats.add(number);
    watched.limited++;
    if (alarm.maxRepeats !== undefined && watched.limited > alarm.maxRepeats) {
      this.#says(`repeat ${watched.limited} of at most ${alarm.maxRepeats}: ${what}`);
    }
  }

  /** What the world must allow, when it is decided and when it is written. */
  #gates(send: Send, verb: string): void {
    const watched = this.#world.alarms.get(send.notification.alarmId);
    const why = watched ? this.#world.holds(watched) : ["its alarm is gone"];
    for (const one of why) this.#says(`${one}, but ${verb}: ${send.notification.alarmName} → ${send.receiver}`);
  }
}

/** A scale-out that goes ahead of everything else for as long as its state lasts. */
function goesFirst(watched: Watched): boolean {
  const { alarm, state, told, transition } = watched;
  const actions = controlOf(alarm, state);
  if (transition === 0 || actions.length === 0 || directionOf(watched) !== "out") return false;
  const repeats = alarm.repeatActions && alarm.repeatStates.includes(state);
  return repeats || actions.some(({ receiver }) => !isDone(told.get(receiver)));
}

function isDone(told: Told | undefined): boolean {
  if (!told || told.asked) return false;
  if (told.outcome === "accepted" || told.outcome === "rejected") return true;
  // A repeat that was left at the last moment is dropped.
  if (told.outcome === "cancelled" && told.group.isRepeat) return true;
  return (told.outcome === "uncertain" || told.outcome === "lost") && (told.group.effective || told.group.left);
}

/** Nobody knows whether it acted: settling counts from its call. */
function mayHaveRun({ group, tick }: Told): void {
  group.acted = true;
  group.unsureTick = Math.max(group.unsureTick, tick);
}
