/**
 * The meter table: every meter that Tocsin makes, from which HAProxy columns and rows, and how it combines
 * across rows and sources. Names, types and units are Ceilometer's where it has the meter; the rest of
 * HAProxy's facts live in the same namespace. Collector, evaluator and documentation read this one table.
 */

import type { MemberState } from "./memberState.ts";
import type { CounterMeter, MeanMeter, MembersMeter, Meter, OwnMeter, RateMeter, RowSet } from "./meterKinds.ts";
import { meterType } from "./meterKinds.ts";

export type { MemberState } from "./memberState.ts";
export { stateNumber, worseState, worseStateNumber } from "./memberState.ts";
export type {
  CounterMeter,
  MeanMeter,
  Meter,
  MostMeter,
  RowSet,
  ShareMeter,
  StateMeter,
  SumMeter,
} from "./meterKinds.ts";
export { countsAtStreamEnd, isLowerBounded, isOfMembers, meterType } from "./meterKinds.ts";

const LB = "network.services.lb";

function counter(
  name: string,
  unit: string,
  columns: readonly string[],
  rows: RowSet,
  description: string,
  options: { httpOnly?: boolean; load?: boolean } = {},
): CounterMeter {
  const { httpOnly = false, load = false } = options;
  return { kind: "counter", name: `${LB}.${name}`, unit, columns, rows, description, httpOnly, load };
}

const RESPONSES = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"] as const;

const COUNTERS: readonly CounterMeter[] = [
  counter("incoming.bytes", "B", ["bin"], "traffic", "bytes from clients", { load: true }),
  counter("outgoing.bytes", "B", ["bout"], "traffic", "bytes to clients", { load: true }),
  counter("total.connections", "connection", ["stot"], "traffic", "sessions accepted", { load: true }),
  counter("requests", "request", ["req_tot"], "traffic", "HTTP requests", { httpOnly: true, load: true }),
  counter("request_errors", "request", ["ereq"], "traffic", "requests that HAProxy could not read"),
  ...RESPONSES.map((code) =>
    counter(`responses.${code}`, "response", [`hrsp_${code}`], "traffic", `HTTP ${code} responses`, { httpOnly: true }),
  ),
  counter("denied", "request", ["dreq", "dresp", "dcon", "dses"], "traffic", "requests, responses, sessions denied"),
  counter("connection.errors", "connection", ["econ"], "backend", "connections to servers that failed"),
  counter("response.errors", "response", ["eresp"], "backend", "responses of servers that failed"),
  counter("retries", "connection", ["wretr"], "backend", "connections to servers tried again"),
  counter("redispatches", "request", ["wredis"], "backend", "requests sent to another server"),
  counter("health.check.failures", "check", ["chkfail"], "server", "health checks that failed"),
  counter("health.check.downs", "transition", ["chkdown"], "server", "times that a server went down"),
];

const RATES: readonly RateMeter[] = COUNTERS.map((meter) => ({
  kind: "rate",
  name: `${meter.name}.rate`,
  unit: `${meter.unit}/s`,
  of: meter.name,
  description: `${meter.description}, per second`,
  load: meter.load,
}));

function time(name: string, column: string, description: string, httpOnly: boolean): MeanMeter {
  const base = { name: `${LB}.${name}`, unit: "ms", description, load: true } as const;
  return { kind: "mean", ...base, column, weight: "increase", rows: "backend", httpOnly };
}

const GAUGES: readonly Meter[] = [
  {
    kind: "sum",
    name: `${LB}.active.connections`,
    unit: "connection",
    columns: ["scur"],
    rows: "traffic",
    description: "sessions open now",
    load: true,
  },
  {
    kind: "change",
    name: `${LB}.active.connections.rate`,
    unit: "connection/s",
    of: `${LB}.active.connections`,
    description: "what the open sessions grew by since the tick before, per second; below 0 where they became fewer",
    load: false,
  },
  {
    kind: "share",
    name: `${LB}.session.utilization`,
    unit: "%",
    column: "scur",
    limit: "slim",
    rows: "frontend",
    description: "open sessions in percent of those allowed",
    load: true,
  },
  {
    kind: "sum",
    name: `${LB}.queue.current`,
    unit: "request",
    columns: ["qcur"],
    rows: "queue",
    description: "requests waiting for a server",
    load: true,
  },
  time("queue.time", "qtime", "mean wait in the queue, HAProxy's average over its last requests", false),
  {
    kind: "most",
    name: `${LB}.queue.max_time`,
    unit: "ms",
    column: "qtime",
    rows: "backend",
    description: "the longest of the backends' mean waits in the queue",
    load: true,
  },
  time("connect.time", "ctime", "mean time to connect to a server", false),
  time("response.time", "rtime", "mean time to a server's first byte", true),
  time("total.time", "ttime", "mean time of a whole session", false),
  {
    kind: "ratio",
    name: `${LB}.responses.5xx.ratio`,
    unit: "%",
    of: [`${LB}.responses.5xx`],
    over: RESPONSES.map((code) => `${LB}.responses.${code}`),
    description: "share of 5xx among the responses",
    load: false,
  },
];

function members(name: string, states: readonly MemberState[] | undefined, description: string): MembersMeter {
  const base = { name: `${LB}.members.${name}`, unit: "member", states, description, load: false } as const;
  return { kind: "members", ...base, as: "count" };
}

const STATES: readonly Meter[] = [
  {
    kind: "members",
    name: `${LB}.members.up.ratio`,
    unit: "%",
    states: ["up"],
    as: "percent",
    description: "servers that take traffic, of all",
    load: false,
  },
  {
    kind: "state",
    name: `${LB}.member`,
    unit: "member",
    description: "state of one server: 1 up, 0 down, 2 draining, 3 up without a health check, 6 in maintenance",
    load: false,
  },
];

const MEMBERS: readonly MembersMeter[] = [
  members("up", ["up"], "servers that take traffic"),
  members("down", ["down"], "servers that fail their checks"),
  members("draining", ["draining"], "servers that finish what they have"),
  members("maint", ["maint"], "servers in maintenance"),
  members("total", undefined, "servers known to HAProxy"),
];

function own(name: string, unit: string, description: string, cumulative = false): OwnMeter {
  return { kind: "own", name: `tocsin.source.${name}`, unit, description, load: false, cumulative };
}

const OWN: readonly OwnMeter[] = [
  own("up", "source", "known sources of the cluster that answered at this tick"),
  own("age", "s", "time since the known source that has been silent longest last answered"),
  own("duration", "ms", "the slowest answer at this tick"),
  own("skew", "s", "what the clock of a source's agent is ahead of the bus by, of the one that is farthest off"),
  own("rows", "row", "rows of the cluster in this tick's answers"),
  own("skipped", "line", "lines of this tick's answers that were no rows"),
  own("errors", "scrape", "scrapes of known sources that failed or came too late", true),
  own("resets", "row", "times that a row's counters were set back within one process", true),
];

/** Every meter, in the order of the documentation. */
export const METERS: readonly Meter[] = [...COUNTERS, ...RATES, ...GAUGES, ...MEMBERS, ...STATES, ...OWN];

/** Names of the cumulative meters, whose kept totals a tick carries on. */
export const KEPT_TOTALS: readonly string[] = METERS.filter((meter) => meterType(meter) === "cumulative").map(
  (meter) => meter.name,
);

const BY_NAME: ReadonlyMap<string, Meter> = new Map(METERS.map((meter) => [meter.name, meter]));

/** The meter of that name, or `undefined` when Tocsin makes none. */
export function meterNamed(name: string): Meter | undefined {
  return BY_NAME.get(name);
}
