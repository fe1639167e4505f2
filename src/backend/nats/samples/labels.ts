/**
 * Numbers for the ticks of agents (rule T1). In this shape number = label ÷ interval, by the time of the bus. An agent
 * labels by its own clock and says how long ago its label was when it published; with the server's stamp that tells
 * when the label was by the bus, and so what the agent's clock is ahead (its skew). Within a quarter of an interval its
 * labels are believed. Beyond, its ticks, which it counts by monotonic time, go to the bus's ticks at a fixed distance
 * that moves only when it is off by more than three quarters of one, so that no two reports of a source fall on one
 * number. What falls on one all the same, when the distance has to move back, is left out.
 */

/** A tick as its agent has it. */
export interface AgentTick {
  /** The agent's run: another after each start. */
  readonly run: string;
  /** Its own count. */
  readonly number: number;
  /** Its label, epoch ms of its clock. */
  readonly at: number;
  /** From the instant of the label to publishing, ms. */
  readonly sinceMs: number;
  /** When the bus stored it, epoch ms. */
  readonly storedAt: number;
}

/** A tick of the bus, and what the agent's clock is ahead by, ms. */
export interface Labelled {
  readonly number: number;
  readonly skewMs: number;
}

/** Ticks of which the skew is remembered: the one that came with the least delay tells it. */
const REMEMBERED = 12;
/** Numbers of so many ticks are remembered for reports that come late. */
const LATE_TICKS = 64;
/** Runs of agents that are remembered at the most. */
const MOST_RUNS = 20_000;
const MOST_SOURCES = 200_000;

interface Run {
  /** For each of the newest ticks its number and the highest skew that a message showed: delay makes it lower. */
  seen: { readonly number: number; skewMs: number }[];
  /** `label - number × interval`: another one means that the agent's clock was set. */
  phase: number;
  /** What is added to the agent's number. */
  distance: number | undefined;
  /** By the agent's number; `undefined`: it is left out. */
  readonly ticks: Map<number, number | undefined>;
  newest: { readonly own: number; readonly number: number } | undefined;
}

/** Labels what one subscription reads. */
export class Labels {
  readonly #intervalMs: number;
  readonly #runs = new Map<string, Run>();
  /** The newest number of each source, and the run that it is of. */
  readonly #sources = new Map<string, { readonly run: string; readonly number: number }>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The tick of a message; `undefined`: its reports are left out. */
  label(tick: AgentTick): Labelled | undefined {
    const run = this.#runOf(tick);
    const skewMs = this.#skewOf(run, tick);
    const known = run.ticks.has(tick.number);
    const number = known ? run.ticks.get(tick.number) : this.#numberOf(run, tick, skewMs);
    if (!known) {
      run.ticks.set(tick.number, number);
      if (run.ticks.size > LATE_TICKS) forgetFirst(run.ticks);
    }
    return number === undefined ? undefined : { number, skewMs: Math.round(skewMs) };
  }

  /** Whether a source may report at that number: another run of an agent begins after what the one before said. */
  admits(source: string, run: string, number: number): boolean {
    const newest = this.#sources.get(source);
    if (newest && newest.run !== run && number <= newest.number) return false;
    if (newest && newest.run === run && number <= newest.number) return true;
    // In order of age, so that of too many the one that has been silent longest goes.
    this.#sources.delete(source);
    this.#sources.set(source, { run, number });
    if (this.#sources.size > MOST_SOURCES) forgetFirst(this.#sources);
    return true;
  }

  #runOf({ run: name, number, at }: AgentTick): Run {
    const phase = at - number * this.#intervalMs;
    const run = this.#runs.get(name) ?? { seen: [], phase, distance: undefined, ticks: new Map(), newest: undefined };
    this.#runs.delete(name);
    this.#runs.set(name, run);
    if (this.#runs.size > MOST_RUNS) forgetFirst(this.#runs);
    if (number > (run.newest?.own ?? -Infinity) && phase !== run.phase) {
      run.phase = phase;
      run.seen = [];
    }
    return run;
  }

  #skewOf(run: Run, { number, at, sinceMs, storedAt }: AgentTick): number {
    const skewMs = at - (storedAt - sinceMs);
    const seen = run.seen.find((one) => one.number === number);
    if (seen) seen.skewMs = Math.max(seen.skewMs, skewMs);
    else run.seen.push({ number, skewMs });
    if (run.seen.length > REMEMBERED) run.seen.shift();
    return Math.max(...run.seen.map((one) => one.skewMs));
  }

  #numberOf(run: Run, { number: own, at }: AgentTick, skewMs: number): number | undefined {
    const { newest } = run;
    if (newest && own < newest.own) return lateNumber(run, own);
    const label = Math.round(at / this.#intervalMs);
    const instant = (at - skewMs) / this.#intervalMs;
    if (Math.abs(skewMs) <= this.#intervalMs / 4) run.distance = label - own;
    else if (run.distance === undefined || Math.abs(instant - (own + run.distance)) > 0.75)
      run.distance = Math.round(instant) - own;
    const number = own + run.distance;
    if (newest && number <= newest.number) return undefined;
    run.newest = { own, number };
    return number;
  }
}

/** Of a tick that comes late, of which nothing was heard before: where it fits between its neighbours. */
function lateNumber({ ticks, distance = 0 }: Run, own: number): number | undefined {
  const number = own + distance;
  const fits = [...ticks].every(
    ([other, others]) => others === undefined || (other < own ? others < number : number < others),
  );
  return fits ? number : undefined;
}

function forgetFirst(map: Map<unknown, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
