/**
 * The meter table: every meter that Tocsin makes, from which HAProxy columns and rows, and how it combines
 * across rows and sources. Names, types and units are Ceilometer's where it has the meter; the rest of
 * HAProxy's facts live in the same namespace. Collector, evaluator and documentation read this one table.
 */

/**
 * Which rows of a cluster feed a meter.
 * `traffic`: its FRONTEND rows, or its BACKEND rows where no frontend is mapped (never both: a `listen`
 * section has both and would count twice). `queue`: BACKEND and server rows (each counts other requests).
 */
export type RowSet = "traffic" | "backend" | "server" | "queue";

interface MeterBase {
  readonly name: string;
  /** Ceilometer's unit, e.g. `B`, `connection`, `ms`. */
  readonly unit: string;
  readonly description: string;
  /** Grows with what users ask of the cluster, so that `gt` on it means "scale out" (rule A2). */
  readonly load: boolean;
}

/** A cumulative meter: the sum of the increases of counter columns. Has a `.rate` twin. */
export interface CounterMeter extends MeterBase {
  readonly kind: "counter";
  readonly columns: readonly string[];
  readonly rows: RowSet;
  /** Does not exist in TCP mode, where HAProxy prints 0 or nothing. */
  readonly httpOnly: boolean;
}

/** The increase of a counter meter per second. */
export interface RateMeter extends MeterBase {
  readonly kind: "rate";
  /** Name of the counter meter it is the rate of. */
  readonly of: string;
}

/** A gauge whose rows add up. */
export interface SumMeter extends MeterBase {
  readonly kind: "sum";
  readonly columns: readonly string[];
  readonly rows: RowSet;
}

/** A gauge that is a weighted mean over rows; without weight there is no value. */
export interface MeanMeter extends MeterBase {
  readonly kind: "mean";
  readonly column: string;
  /** `increase`: weight is the row's increase of `stot`, so that frozen averages do not count. */
  readonly weight: "increase";
  readonly rows: RowSet;
  readonly httpOnly: boolean;
}

/** 100 × the increase of some counter meters ÷ the increase of others; no value when nothing increased. */
export interface RatioMeter extends MeterBase {
  readonly kind: "ratio";
  readonly of: readonly string[];
  readonly over: readonly string[];
}

/** A count of the cluster's servers, each name once. */
export interface MembersMeter extends MeterBase {
  readonly kind: "members";
  /** Which states count; `undefined`: all. */
  readonly states: readonly MemberState[] | undefined;
}

/** Made by Tocsin itself at every seal, whatever the sources say (rule E6). */
export interface OwnMeter extends MeterBase {
  readonly kind: "own";
}

export type Meter = CounterMeter | RateMeter | SumMeter | MeanMeter | RatioMeter | MembersMeter | OwnMeter;

/**
 * State of one server of a cluster, from HAProxy's status text.
 * `standby`: a backup server that is up but gets no traffic because active ones are there.
 */
export type MemberState = "up" | "standby" | "draining" | "down" | "maint" | "unknown";

/** Worst first: of a server that is seen twice, in two backends or by two balancers, the worse state counts. */
const WORST_FIRST: readonly MemberState[] = ["down", "unknown", "maint", "draining", "standby", "up"];

/** The worse of two states of one server; `undefined`: it was not seen before. */
export function worseState(known: MemberState | undefined, seen: MemberState): MemberState {
  return known !== undefined && WORST_FIRST.indexOf(known) < WORST_FIRST.indexOf(seen) ? known : seen;
}

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
    kind: "sum",
    name: `${LB}.queue.current`,
    unit: "request",
    columns: ["qcur"],
    rows: "queue",
    description: "requests waiting for a server",
    load: true,
  },
  time("queue.time", "qtime", "mean wait in the queue, HAProxy's average over its last requests", false),
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
  return { kind: "members", name: `${LB}.members.${name}`, unit: "member", states, description, load: false };
}

const MEMBERS: readonly MembersMeter[] = [
  members("up", ["up"], "servers that take traffic"),
  members("down", ["down"], "servers that fail their checks"),
  members("draining", ["draining"], "servers that finish what they have"),
  members("maint", ["maint"], "servers in maintenance"),
  members("total", undefined, "servers known to HAProxy"),
];

const OWN: readonly OwnMeter[] = [
  {
    kind: "own",
    name: "tocsin.source.up",
    unit: "source",
    description: "known sources of the cluster that answered at this tick",
    load: false,
  },
  {
    kind: "own",
    name: "tocsin.source.age",
    unit: "s",
    description: "time since the known source that has been silent longest last answered",
    load: false,
  },
  {
    kind: "own",
    name: "tocsin.source.duration",
    unit: "ms",
    description: "the slowest answer at this tick",
    load: false,
  },
];

/** Every meter, in the order of the documentation. */
export const METERS: readonly Meter[] = [...COUNTERS, ...RATES, ...GAUGES, ...MEMBERS, ...OWN];

/** Names of the counter meters, whose kept totals a tick carries on. */
export const COUNTER_NAMES: readonly string[] = COUNTERS.map((meter) => meter.name);

const BY_NAME: ReadonlyMap<string, Meter> = new Map(METERS.map((meter) => [meter.name, meter]));

/** The meter of that name, or `undefined` when Tocsin makes none. */
export function meterNamed(name: string): Meter | undefined {
  return BY_NAME.get(name);
}

/** Ceilometer's type of a meter. */
export function meterType(meter: Meter): "cumulative" | "gauge" {
  return meter.kind === "counter" ? "cumulative" : "gauge";
}

/** A sum over rows that never falls below zero: what is seen of it is a lower bound of what there is (rule E3). */
export function isLowerBounded(meter: Meter): boolean {
  return meter.kind === "counter" || meter.kind === "rate" || meter.kind === "sum";
}

/**
 * HAProxy counts it when a stream ends, so that open sessions can hide it (rule E4): bytes, requests, responses
 * and what is computed from them.
 */
export function countsAtStreamEnd(meter: Meter): boolean {
  return meter.kind === "counter" || meter.kind === "rate" || meter.kind === "mean" || meter.kind === "ratio";
}
