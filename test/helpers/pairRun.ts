/** Two HAProxy processes that share the work as an ACTIVE_STANDBY pair does: same names, one of them has the traffic. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { ScrapeReport, SealedTick } from "../../src/model/tick.ts";
import type { Clock } from "../../src/ports.ts";
import { anAlarm, control, theRules } from "./rules.ts";
import { eventually, temporaryFolder } from "./sockets.ts";
import type { Traffic } from "./traffic.ts";
import { startTraffic } from "./traffic.ts";
import type { Exchange } from "./trafficLog.ts";
import type { Counter } from "./truthFigures.ts";
import { answersOf, TRUE_METERS } from "./truthFigures.ts";
import { Balancer } from "./truthHaproxy.ts";
import { INTERVAL_MS, ROWS, WATCHED } from "./truthRun.ts";
import { Watch } from "./truthWatch.ts";

export const SERVERS = 3;

/** Goes with the system's clock, and may be put forward: then time has passed in which nothing happened. */
export class LeapingClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#aheadMs;
  }

  after(delayMs: number, run: () => void) {
    return systemClock.after(delayMs, run);
  }

  leap(ms: number): void {
    this.#aheadMs += ms;
  }
}

export interface Pair extends AsyncDisposable {
  readonly traffic: Traffic;
  readonly watch: Watch;
  readonly clock: LeapingClock;
  readonly a: Balancer;
  readonly b: Balancer;
  /** Name of the source that a balancer is. */
  readonly nameOf: (balancer: Balancer) => string;
  /** Another one of the pair at a path of its own, which the glob finds. */
  add(name: string): Promise<Balancer>;
  /** It is gone, and its socket with it. */
  remove(balancer: Balancer): Promise<void>;
}

/** Starts the pair, and watches it by a glob until both have answered twice. */
export async function startPair(rules: ClusterRules = WATCHED): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const traffic = stack.use(await startTraffic());
  const place = { folder: folder.path, originPort: traffic.originPort };
  const add = async (name: string) => {
    const balancer = stack.use(new Balancer({ ...place, name, port: await freePort() }));
    await balancer.start(SERVERS);
    return balancer;
  };
  const [a, b] = [await add("a"), await add("b")];
  const clock = new LeapingClock();
  const sockets = { amphorae: join(folder.path, "*.sock") };
  const watch = stack.use(new Watch({ clock, sockets, rules, intervalMs: INTERVAL_MS, maxOffsetMs: 0 }));
  await watch.begin();
  watch.run();
  await eventually(
    "two answers of each",
    () => watch.reports.filter(({ outcome }) => outcome.ok).length >= 4 || undefined,
  );
  const running = stack.move();
  return {
    traffic,
    watch,
    clock,
    a,
    b,
    nameOf: ({ socket }) => `amphorae:${socket}`,
    add: async (name) => {
      const balancer = new Balancer({ ...place, name, port: await freePort() });
      running.use(balancer);
      await balancer.start(SERVERS);
      return balancer;
    },
    async remove(balancer) {
      await balancer.kill();
      rmSync(balancer.socket, { force: true });
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Few requests mean too many servers; what it sends scales in. */
export const SHRINKING = theRules(
  [
    anAlarm({
      name: "idle",
      meterName: `${TRUE_METERS.requests}.rate`,
      statistic: "avg",
      periodS: 2,
      comparison: "lt",
      threshold: 50,
      actions: { ok: [], alarm: [control("scale-in", "in")], "insufficient data": [] },
    }),
  ],
  { rows: ROWS, settleS: 1 },
);

/** So far apart may the generator and HAProxy see the end of one exchange, ms. */
const SLACK_MS = 200;

/** Kept totals that are not what the generator had seen by then, one line for each. */
export function strayTotals(
  ticks: readonly SealedTick[],
  reports: readonly ScrapeReport[],
  exchanges: readonly Exchange[],
): readonly string[] {
  const sum = (counter: Counter, isIn: (one: Exchange) => boolean) =>
    exchanges.filter(isIn).reduce((total, one) => total + (counter === "requests" ? 1 : one[counter]), 0);
  const answers = answersOf(reports);
  return ticks.flatMap(({ number, values }) => {
    const asked = answers.filter((answer) => answer.number === number);
    const fromMs = Math.min(...asked.map((answer) => answer.fromMs)) - SLACK_MS;
    const toMs = Math.max(...asked.map((answer) => answer.toMs)) + SLACK_MS;
    return (Object.keys(TRUE_METERS) as Counter[]).flatMap((counter) => {
      const total = values[TRUE_METERS[counter]] ?? 0;
      const least = sum(counter, ({ endMs }) => endMs <= fromMs);
      // A request counts when it begins, its bytes when it ends.
      const most = sum(counter, ({ startMs, endMs }) => (counter === "requests" ? startMs : endMs) <= toMs);
      return total >= least && total <= most ? [] : [`${counter} at tick ${number}: ${total}, not ${least}…${most}`];
    });
  });
}

/** Answers whose covered seconds are not the time between HAProxy's answers, one line for each. */
export function strayCovered(reports: readonly ScrapeReport[]): readonly string[] {
  const bySource = Map.groupBy(reports, ({ source }) => source);
  return [...bySource].flatMap(([source, own]) => {
    const answers = answersOf(own);
    return answers.slice(1).flatMap(({ coveredS, fromMs, toMs, number }, index) => {
      const before = answers[index]!;
      const [least, most] = [(fromMs - before.toMs) / 1000, (toMs - before.fromMs) / 1000];
      const isRight = coveredS >= least - 0.01 && coveredS <= most + 0.01;
      return isRight ? [] : [`${source} at tick ${number}: ${coveredS} s, not ${least}…${most}`];
    });
  });
}
