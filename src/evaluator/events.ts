/**
 * Events: those that a sealed tick itself tells (servers and sources that come and go, other processes), and what
 * event alarms make of any (aodh evaluator/event.py).
 */

import { rfc3339 } from "../lib/clock.ts";
import { matchesGlob } from "../lib/globs.ts";
import { pythonJson } from "../lib/python.ts";
import { uuidV5 } from "../lib/uuid.ts";
import type { Comparison, EventQuery, EventRule, Json } from "../model/alarm.ts";
import type { EventInput } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import type { SealedTick } from "../model/tick.ts";
import { LOST_TICKS } from "./sources.ts";
import type { Said } from "./transition.ts";

type Event = Omit<EventInput, "kind">;

/** What the cluster was at the tick before. */
export interface Past {
  readonly clusterId: string;
  readonly clusterName: string;
  /** Sequence of the tick's input: makes ids that a replay makes again. */
  readonly seq: number;
  readonly members: ReadonlyMap<string, MemberState>;
  /** For how many ticks each source has not answered. */
  readonly failing: ReadonlyMap<string, number>;
  /** Sources that have answered before, and were not forgotten since. */
  readonly lastOk: ReadonlyMap<string, number>;
}

const SERVER_EVENTS: Partial<Readonly<Record<MemberState, string>>> = {
  up: "haproxy.server.up",
  down: "haproxy.server.down",
  draining: "haproxy.server.drain",
  maint: "haproxy.server.maint",
};

/**
 * Events that a tick tells, servers first, each in order of name. What is simply there when a source is seen for the first
 * time is no news: neither its servers nor its process.
 */
export function eventsOf(tick: SealedTick, past: Past): Event[] {
  const events: Event[] = [];
  const add = (eventType: string, traits: Event["traits"]) => {
    const messageId = uuidV5(EVENT_NAMESPACE, `${past.clusterId}/${past.seq}/${events.length}`);
    const cluster = { cluster_id: past.clusterId, cluster_name: past.clusterName };
    events.push({ messageId, eventType, generated: rfc3339(tick.at), traits: { ...cluster, ...traits } });
  };
  const hasNewcomer = tick.sources.some(({ name, error }) => error === undefined && !past.lastOk.has(name));
  for (const [server, state, proxy = ""] of tick.members) {
    const previous = past.members.get(server) ?? "absent";
    const type = state === null || (previous === "absent" && hasNewcomer) ? undefined : SERVER_EVENTS[state];
    if (type) add(type, { proxy, server, state: String(state), previous });
  }
  for (const source of tick.sources) {
    const failed = past.failing.get(source.name) ?? 0;
    if (source.error !== undefined) {
      if (failed + 1 === LOST_TICKS) add("haproxy.source.lost", { source: source.name, reason: source.error });
      continue;
    }
    if (failed >= LOST_TICKS) add("haproxy.source.found", { source: source.name });
    // A new process that answers without a pause took over from the old one.
    if (source.fresh && past.lastOk.has(source.name)) {
      add(failed === 0 ? "haproxy.process.reloaded" : "haproxy.process.restarted", {
        source: source.name,
        pid: source.pid ?? 0,
      });
    }
  }
  return events;
}

/** Namespace of the ids of events that ticks tell: a constant of this program. */
const EVENT_NAMESPACE = "6b1f2a54-8f0b-5c2e-9d38-4f6c1f0d7e90";

/** Whether an event fires the rule. */
export function hits(rule: EventRule, event: Event): boolean {
  return matchesGlob(event.eventType, rule.eventType) && rule.query.every((item) => hitsItem(item, event));
}

function hitsItem(item: EventQuery, event: Event): boolean {
  const actual = fieldOf(item.field, event);
  if (actual === undefined || actual === null) return false;
  const wanted = converted(item);
  if (typeof actual === typeof wanted) return compares(actual, item.op, wanted);
  // Traits of events that people post are often text where a number is meant.
  const [a, b] = [Number(actual), Number(wanted)];
  const numbers = typeof wanted === "number" && !Number.isNaN(a);
  return numbers ? compares(a, item.op, b) : compares(String(actual), item.op, String(wanted));
}

function converted({ value, type }: EventQuery): string | number | boolean {
  switch (type) {
    case "":
      return value;
    case "string":
      return String(value);
    case "integer":
    case "float":
      return Number(value);
    case "boolean":
      return typeof value === "boolean" ? value : /^(true|yes|on|1)$/i.test(String(value));
  }
}

/** Of a trait, or of the event itself. */
function fieldOf(field: string, event: Event): string | number | boolean | null | undefined {
  const trait = /^traits\.(.+)$/.exec(field)?.[1];
  if (trait !== undefined) return Object.hasOwn(event.traits, trait) ? event.traits[trait] : undefined;
  const body = bodyOf(event);
  const found = Object.hasOwn(body, field) ? body[field] : undefined;
  return typeof found === "object" ? undefined : found;
}

type Plain = string | number | boolean;

function compares(actual: Plain, op: Comparison, wanted: Plain): boolean {
  switch (op) {
    case "eq":
      return actual === wanted;
    case "ne":
      return actual !== wanted;
    case "lt":
      return actual < wanted;
    case "le":
      return actual <= wanted;
    case "gt":
      return actual > wanted;
    case "ge":
      return actual >= wanted;
  }
}

/** How many clusters took an event. Throws why it was refused where none did. */
export function tookOf(heard: readonly PromiseSettledResult<void>[]): number {
  const refused = heard.find((one) => one.status === "rejected");
  const took = heard.filter((one) => one.status === "fulfilled").length;
  // Where some took it, it must not be sent again for the others.
  if (refused && took === 0) throw refused.reason;
  return took;
}

/** What is told when an event fires the rule. */
export function firedBy(rule: EventRule, event: Event): Said {
  const query = rule.query.map(({ field, op, type, value }) => ({ field, op, type, value }));
  const reason = `Event <id=${event.messageId},event_type=${event.eventType}> hits the query <query=${pythonJson(query)}>.`;
  return { to: "alarm", reason, reasonData: { type: "event", event: bodyOf(event) } };
}

/** What is told when no such event has come for `auto_ok_after`. */
export function clearedAfter(seconds: number): Said {
  return { to: "ok", reason: `No such event for ${seconds} s`, reasonData: { type: "event", event: {} } };
}

/** The event as Ceilometer writes it: traits as lists of name, type (1 text, 2 integer, 3 float) and value. */
function bodyOf({ messageId, eventType, generated, traits }: Event): { readonly [key: string]: Json } {
  const list = Object.entries(traits).map(([name, value]) => [name, traitType(value), value]);
  return { message_id: messageId, event_type: eventType, generated, traits: list };
}

function traitType(value: Plain): number {
  if (typeof value !== "number") return 1;
  return Number.isInteger(value) ? 2 : 3;
}
