import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deliveryId } from "../../src/evaluator/folding.ts";
import type { Decision, OutcomeKind } from "../../src/model/decision.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";

type Send = Extract<Decision, { readonly d: "send" }>;

/** Settling, and the time from a repeat to the next. */
const REPEAT_TICKS = 6;
const PAGE_MAX_AGE_S = 120;
/** An attempt that nobody answers takes so long. */
const TIMEOUT_TICKS = 3;

const told = [notice("ops"), notice("page", PAGE_MAX_AGE_S)];
const rules = theRules([
  anAlarm({
    name: "busy",
    threshold: 50,
    repeatActions: true,
    actions: { ok: told, alarm: [control("scale", "out"), ...told], "insufficient data": [] },
  }),
]);

/** How a receiver is: what it does with a request. */
type Weather = "well" | "refused" | "busy for now" | "hung" | "failing";

interface Stretch {
  readonly ticks: number;
  readonly isBusy: boolean;
  readonly weather: Readonly<Record<string, Weather>>;
}

interface Attempt {
  readonly send: Send;
  /** Tick number of the claim. */
  readonly tick: number;
  readonly outcome: OutcomeKind;
  readonly dueTick: number;
}

const weather = fc.constantFrom<Weather>("well", "refused", "busy for now", "hung", "failing");
const stretches: fc.Arbitrary<readonly Stretch[]> = fc.array(
  fc.record({
    ticks: fc.integer({ min: 1, max: 20 }),
    isBusy: fc.boolean(),
    weather: fc.record({ scale: weather, ops: weather, page: weather }),
  }),
  { minLength: 1, maxLength: 12 },
);

const mayHaveRun = ({ outcome }: Attempt) => outcome === "accepted" || outcome === "uncertain";
const wasAccepted = ({ outcome }: Attempt) => outcome === "accepted";

interface Belief {
  /** It may be that it believes the alarm not to be ok. */
  mayWorry: boolean;
}

class OutageRun {
  readonly attempts: Attempt[] = [];
  readonly folded = new Folded(rules);
  readonly #beliefs = new Map<string, Belief>(["ops", "page"].map((name) => [name, { mayWorry: false }]));
  #open: Attempt[] = [];
  #weather: Stretch["weather"] = {};
  #transition = 0;

  play({ ticks, isBusy, weather: now }: Stretch): void {
    this.#weather = now;
    for (let tick = 0; tick < ticks; tick++) {
      this.#take(this.folded.tick({ sessions: isBusy ? 90 : 1, members: { a: "up", b: "up" } }));
      this.#answer();
      for (const [receiver, queue] of this.folded.cluster.notices) {
        const repeats = queue.filter(({ isRepeat, delivery }) => isRepeat && delivery.status === "waiting");
        if (repeats.length > 1) throw new Error(`${repeats.length} repeats wait for ${receiver}`);
      }
    }
  }

  #take(decisions: readonly Decision[]): void {
    const { tick } = this.folded.cluster;
    for (const one of decisions) {
      if (one.d === "transition") this.#transition = one.transition;
      if (one.d === "end" && one.end === "dropped") this.#dropped(one.delivery);
      if (one.d !== "send") continue;
      const state = this.#weather[one.receiver] ?? "well";
      const dueTick = state === "hung" ? tick + TIMEOUT_TICKS : tick;
      const attempt: Attempt = { send: one, tick, outcome: OUTCOMES[state], dueTick };
      this.attempts.push(attempt);
      this.#open.push(attempt);
    }
  }

  #answer(): void {
    for (;;) {
      const next = this.#open.find(({ dueTick }) => dueTick <= this.folded.cluster.tick);
      if (!next) return;
      this.#open = this.#open.filter((one) => one !== next);
      this.#believe(next);
      const { outcome, send } = next;
      const asked = this.#weather[send.receiver] === "busy for now" ? { retryAfterS: 45 } : {};
      const { delivery, attempt } = send;
      this.#take(
        this.folded.input({ kind: "outcome", deliveryId: delivery, attempt, outcome, reason: outcome, ...asked }),
      );
    }
  }

  #believe(attempt: Attempt): void {
    const { receiver, notification, transition } = attempt.send;
    const belief = this.#beliefs.get(receiver);
    if (!belief || !mayHaveRun(attempt)) return;
    if (notification.current !== "ok") belief.mayWorry = true;
    else if (wasAccepted(attempt)) {
      // The first ok of all is news: nobody knew anything.
      if (!belief.mayWorry && notification.previous === "alarm")
        throw new Error(`${receiver} was told of ok ${transition}, and knew of nothing else`);
      belief.mayWorry = false;
    }
  }

  /** Only an ok is dropped, and only where no word of anything else can have come. */
  #dropped(delivery: string): void {
    for (const [receiver, { mayWorry }] of this.#beliefs) {
      for (let transition = 1; transition <= this.#transition; transition++) {
        if (deliveryId("id-busy", transition, 0, receiver) !== delivery || !mayWorry) continue;
        throw new Error(`ok ${transition} was dropped, and ${receiver} may have been told of the alarm`);
      }
    }
  }
}

const OUTCOMES: Readonly<Record<Weather, OutcomeKind>> = {
  well: "accepted",
  refused: "not_run",
  "busy for now": "not_run",
  hung: "uncertain",
  failing: "uncertain",
};

const allWell = { scale: "well", ops: "well", page: "well" } as const;

function verifyControl({ attempts }: OutageRun, recoveredTick: number): void {
  const ran = attempts.filter(({ send }) => send.receiver === "scale").filter(mayHaveRun);
  ran.forEach(({ tick, send }, index) => {
    expect(send.notification.current).toBe("alarm");
    const before = ran[index - 1];
    if (before) expect(tick - before.tick).toBeGreaterThanOrEqual(REPEAT_TICKS);
  });
  const first = ran.filter(({ tick }) => tick > recoveredTick && tick <= recoveredTick + REPEAT_TICKS);
  expect(first.length).toBeLessThanOrEqual(1);
  // The load stays high after the recovery: some action is made.
  expect(ran.filter(({ tick }) => tick > recoveredTick).length).toBeGreaterThan(0);
}

function verifyNotices({ attempts, folded }: OutageRun, receiver: string): void {
  const own = attempts.filter(({ send }) => send.receiver === receiver);
  const accepted = own.filter(wasAccepted);
  const order = accepted.map(({ send }) => send.transition * 10_000 + send.repeat);
  expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
  const transitions = folded.log.flatMap((one) => (one.d === "transition" ? [one] : []));
  if (receiver === "ops") {
    const news = accepted.filter(({ send }) => send.repeat === 0).map(({ send }) => send.transition);
    expect(news).toEqual(transitions.map(({ transition }) => transition));
  } else {
    for (const { send, tick } of own.filter(({ send: { repeat } }) => repeat === 0)) {
      const at = transitions.find(({ transition }) => transition === send.transition)?.at ?? 0;
      expect(tick * 10 - at / 1000).toBeLessThanOrEqual(PAGE_MAX_AGE_S);
    }
  }
}

describe("receivers that are away for a while, however often and in whatever way", () => {
  it("get one action for each repeat interval at the most, notices in order and none too late, and everything has an end", () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 20_000 : 500;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const ends = new Map<string, number>();
    const holds = fc.property(stretches, (outages) => {
      const run = new OutageRun();
      for (const stretch of outages) run.play(stretch);
      const recoveredTick = run.folded.cluster.tick;
      // All recover under load; what waits longest for its next attempt waits a minute and a fifth, or for settling.
      run.play({ ticks: 30, isBusy: true, weather: allWell });
      run.play({ ticks: 20, isBusy: false, weather: allWell });
      verifyControl(run, recoveredTick);
      for (const receiver of ["ops", "page"]) verifyNotices(run, receiver);
      expect([...run.folded.cluster.deliveries.values()]).toEqual([]);
      const ended = run.folded.log.flatMap((one) => (one.d === "end" ? [one] : []));
      expect(new Set(ended.map(({ delivery }) => delivery)).size).toBe(ended.length);
      for (const { end } of ended) ends.set(end, (ends.get(end) ?? 0) + 1);
    });
    fc.assert(holds, { numRuns: runs, seed });
    const table = [...ends].sort().map(([end, count]) => `${end}=${count}`);
    console.log(`outages=${runs} seed=${seed} ${table.join(" ")}`);
  }, 600_000);
});
