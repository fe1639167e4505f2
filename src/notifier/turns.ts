/**
 * Who may send now. So many requests at once in all and to one origin; those to one origin begin a few milliseconds
 * apart, so that a receiver that many clusters share is not hit by all of them at a tick. What scales goes before what
 * tells; otherwise first come, first served. An origin that cannot be connected to is left alone: a breaker.
 */

import type { Clock, Timer } from "../ports.ts";
import type { BreakerState } from "./breaker.ts";
import { Breaker } from "./breaker.ts";

/** What a request shows of its origin: a connection stood, none could be had, or nothing. */
export type Reach = "reached" | "unreached" | "nothing";

export interface Turn {
  /** `scheme://host:port`; empty: none is connected to. */
  readonly origin: string;
  /** It scales something. */
  readonly isUrgent: boolean;
  /** One that fails shows nothing of its origin. */
  readonly run: () => Promise<Reach>;
  /** Its turn does not come: why, and after how long it may be asked for again. */
  readonly refuse: (why: "left alone" | "no turn", restMs: number) => void;
  /** Its turn does not come: the service ends. */
  readonly drop: () => void;
}

export interface TurnLimits {
  /** Under way at most, in all. */
  readonly concurrency: number;
  /** Under way at most to one origin. */
  readonly perOrigin: number;
}

/** So many to one origin may begin at once; the others follow at this distance. */
const BURST = 8;
const SPACING_MS = 5;
/**
 * So long a turn is waited for. It is then asked for anew, by gates and rules as they stand then: what was decided long
 * ago must not be sent, and what waits behind requests that hang must not count as under way.
 */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 1000;

interface Waiting {
  readonly turn: Turn;
  readonly sinceMs: number;
}

interface Origin {
  readonly name: string;
  readonly urgent: Waiting[];
  readonly others: Waiting[];
  readonly breaker: Breaker;
  running: number;
  /** When the next would begin if all began at `SPACING_MS`, on the monotonic clock. */
  nextMs: number;
  timer: Timer | undefined;
  /** Runs out for the one that has waited longest. */
  patience: Timer | undefined;
}

export class Turns {
  readonly #clock: Clock;
  readonly #limits: TurnLimits;
  readonly #origins = new Map<string, Origin>();
  /** Origins that only the limit over all holds, the longest waiting first. */
  readonly #starved = new Set<Origin>();
  readonly #running = new Set<Promise<void>>();

  constructor(clock: Clock, limits: TurnLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Of an origin that failed lately. */
  breakerOf(origin: string): BreakerState {
    return this.#origins.get(origin)?.breaker.state(this.#clock.monotonic()) ?? "closed";
  }

  add(turn: Turn): void {
    const origin = this.#originOf(turn.origin);
    (turn.isUrgent ? origin.urgent : origin.others).push({ turn, sinceMs: this.#clock.monotonic() });
    this.#serve(origin);
    this.#wait(origin);
  }

  /** Takes out all that wait. */
  clear(): readonly Turn[] {
    this.#starved.clear();
    return [...this.#origins.values()].flatMap((origin) => {
      origin.timer?.cancel();
      origin.timer = undefined;
      origin.patience?.cancel();
      origin.patience = undefined;
      return takeAll(origin);
    });
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #originOf(name: string): Origin {
    const known = this.#origins.get(name);
    if (known) return known;
    const origin: Origin = {
      name,
      urgent: [],
      others: [],
      breaker: new Breaker(),
      running: 0,
      nextMs: -Infinity,
      timer: undefined,
      patience: undefined,
    };
    this.#origins.set(name, origin);
    return origin;
  }

  /** Begins all that may, of one origin. */
  #serve(origin: Origin): void {
    while (waits(origin)) {
      const nowMs = this.#clock.monotonic();
      const state = origin.breaker.state(nowMs);
      if (state === "open") {
        const restMs = origin.breaker.restMs(nowMs);
        for (const turn of takeAll(origin)) turn.refuse("left alone", restMs);
        break;
      }
      if (origin.running >= (state === "half-open" ? 1 : this.#limits.perOrigin)) return;
      const isLocal = origin.name === "";
      if (!isLocal && this.#running.size >= this.#limits.concurrency) {
        this.#starved.add(origin);
        return;
      }
      const earlyMs = origin.nextMs - nowMs - (BURST - 1) * SPACING_MS;
      if (!isLocal && earlyMs > 0) {
        origin.timer ??= this.#clock.after(earlyMs, () => {
          origin.timer = undefined;
          this.#serve(origin);
        });
        return;
      }
      origin.nextMs = Math.max(origin.nextMs, nowMs) + SPACING_MS;
      const next = origin.urgent.shift() ?? origin.others.shift();
      if (next) this.#begin(origin, next.turn);
    }
    this.#forget(origin);
  }

  #begin(origin: Origin, turn: Turn): void {
    origin.running++;
    const done = (reach: Reach) => {
      this.#running.delete(run);
      origin.running--;
      if (reach === "reached") origin.breaker.succeeded();
      if (reach === "unreached") origin.breaker.failed(this.#clock.monotonic());
      this.#goOn(origin);
    };
    const run: Promise<void> = turn.run().then(done, () => done("nothing"));
    this.#running.add(run);
  }

  /** Sees to it that nobody waits for too long. */
  #wait(origin: Origin): void {
    const sinceMs = Math.min(origin.urgent[0]?.sinceMs ?? Infinity, origin.others[0]?.sinceMs ?? Infinity);
    if (origin.patience || sinceMs === Infinity) return;
    origin.patience = this.#clock.after(sinceMs + PATIENCE_MS - this.#clock.monotonic(), () => {
      origin.patience = undefined;
      const lateMs = this.#clock.monotonic() - PATIENCE_MS;
      for (const queue of [origin.urgent, origin.others]) {
        const late = queue.findIndex(({ sinceMs: since }) => since > lateMs);
        for (const { turn } of queue.splice(0, late < 0 ? queue.length : late)) turn.refuse("no turn", AGAIN_MS);
      }
      this.#wait(origin);
      this.#forget(origin);
    });
  }

  /** A place is free: for those that wait for one, what scales first, the origin itself last. */
  #goOn(origin: Origin): void {
    if (waits(origin)) this.#starved.add(origin);
    else this.#forget(origin);
    for (const isUrgent of [true, false]) {
      for (const next of this.#starved) {
        if (this.#running.size >= this.#limits.concurrency) return;
        if (isUrgent && next.urgent.length === 0) continue;
        this.#starved.delete(next);
        this.#serve(next);
      }
    }
  }

  #forget(origin: Origin): void {
    const isIdle = origin.running === 0 && !waits(origin);
    if (!isIdle || !origin.breaker.isClear || origin.timer || origin.patience) return;
    this.#starved.delete(origin);
    this.#origins.delete(origin.name);
  }
}

function takeAll({ urgent, others }: Origin): readonly Turn[] {
  return [...urgent.splice(0), ...others.splice(0)].map(({ turn }) => turn);
}

function waits({ urgent, others }: Origin): boolean {
  return urgent.length + others.length > 0;
}
