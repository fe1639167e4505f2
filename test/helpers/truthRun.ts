/** Steady load through a real HAProxy that is reloaded and restarted, while we watch. */

import { freePort } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { anAlarm, theRules } from "./rules.ts";
import { eventually, temporaryFolder } from "./sockets.ts";
import { startTraffic } from "./traffic.ts";
import { now, wait } from "./trafficClient.ts";
import type { Exchange, Lane } from "./trafficLog.ts";
import type { Evidence } from "./truthFigures.ts";
import { answersOf, balance, percent, rateFaults } from "./truthFigures.ts";
import { Balancer } from "./truthHaproxy.ts";
import { Watch } from "./truthWatch.ts";

export const INTERVAL_MS = 1000;

/** Short requests on kept and on new connections, uploads, and downloads that last longer than a tick. */
export const STEADY: readonly Lane[] = [
  { kind: "short", connections: 6, bytes: 2000, overMs: 0, pauseMs: 20, perConnection: 100 },
  { kind: "short", connections: 2, bytes: 300, overMs: 0, pauseMs: 40, perConnection: 1 },
  { kind: "upload", connections: 3, bytes: 60_000, overMs: 0, pauseMs: 100, perConnection: 20 },
  { kind: "download", connections: 6, bytes: 1_000_000, overMs: 1200, pauseMs: 0, perConnection: 4 },
];

/** The rows that Octavia's names lead to. */
export const ROWS = [
  { kind: "frontend", pattern: "listener-1", source: undefined },
  { kind: "backend", pattern: "pool-1:*", source: undefined },
] as const;

/** Rules that make the cluster, and an alarm that never does anything. */
export const WATCHED = theRules([anAlarm({ name: "quiet", periodS: 5, threshold: 1e12 })], { rows: ROWS });

export interface TruthOptions {
  readonly reloads: number;
  readonly restarts: number;
  /** From one to the next, ms: at least, at most. */
  readonly apartMs: readonly [number, number];
  /** Each is put off until so long before a tick; absent: it comes at any moment. */
  readonly beforeTickMs?: number;
  readonly lanes?: readonly Lane[];
  readonly contstats?: boolean;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
}

/** Plays it, and returns everything that anybody counted. */
export async function runTruth(options: TruthOptions): Promise<Evidence> {
  const { reloads, restarts, apartMs, lanes = STEADY, contstats = false, random, beforeTickMs } = options;
  using folder = temporaryFolder();
  await using traffic = await startTraffic();
  const port = await freePort();
  const place = { folder: folder.path, name: "amphora", port, originPort: traffic.originPort };
  await using balancer = new Balancer({ ...place, contstats });
  await balancer.start(2);
  const sockets = { amphora: balancer.socket };
  await using watch = new Watch({ clock: systemClock, sockets, rules: WATCHED, intervalMs: INTERVAL_MS });
  await watch.begin();
  watch.run();
  // What came before the first answer is nobody's: it is the baseline.
  await eventually("the first answer", () => answersOf(watch.reports).length > 0 || undefined);
  await traffic.go(port, lanes);
  await wait(1500);
  let servers = 2;
  for (const happens of shuffled(reloads, restarts, random)) {
    const [least, most] = apartMs;
    await wait(least + random() * (most - least));
    if (beforeTickMs !== undefined) await wait(INTERVAL_MS - ((now() + beforeTickMs) % INTERVAL_MS));
    servers = 2 + ((servers + 1) % 4);
    await balancer[happens](servers);
  }
  await wait(2000);
  const exchanges: readonly Exchange[] = await traffic.stop();
  const stoppedMs = now();
  await eventually("an answer after the end", () => (answersOf(watch.reports).at(-1)?.fromMs ?? 0) > stoppedMs + 100);
  watch.pause();
  await eventually("its tick", () => watch.cluster.tick === watch.last || undefined);
  const workers = await Promise.all(
    balancer.workers.map(async ({ pid, bornMs, before, killed, counted }) => {
      const final = killed && before ? before.counted : await counted();
      return { pid, bornMs, before, killed, final };
    }),
  );
  return { exchanges, workers, reports: watch.reports, ticks: await watch.ticks(), intervalMs: INTERVAL_MS };
}

function shuffled(reloads: number, restarts: number, random: () => number): readonly ("reload" | "restart")[] {
  const all = [...Array<"reload">(reloads).fill("reload"), ...Array<"restart">(restarts).fill("restart")];
  return all
    .map((one) => ({ one, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ one }) => one);
}

/** Prints what came of it, and returns the figures. */
export function tellTruth(name: string, evidence: Evidence, facts: Readonly<Record<string, string | number>>) {
  const { ours, generated, unread, draining, lives, reported } = balance(evidence);
  const faults = rateFaults(evidence);
  const of = (counter: "requests" | "bytesIn" | "bytesOut") => ({
    error: percent(ours[counter] + unread[counter] + draining[counter] - generated[counter], generated[counter]),
    unread: percent(unread[counter], generated[counter]),
    draining: percent(draining[counter], generated[counter]),
  });
  const [requests, bytesIn, bytesOut] = [of("requests"), of("bytesIn"), of("bytesOut")];
  const complete = evidence.exchanges.filter((one) => one.complete);
  const cut = evidence.exchanges.length - complete.length;
  const wire = complete.reduce((sum, one) => sum + one.wireIn + one.wireOut, 0);
  const p = (value: number) => `${value.toFixed(3)}%`;
  const said = Object.entries(facts).map(([fact, value]) => `${fact}=${value}`);
  const lost = (counter: typeof requests) => `${p(counter.unread + counter.draining)}`;
  console.log(
    `${name}: ${said.join(" ")} requests=${generated.requests} bytes_in=${generated.bytesIn} bytes_out=${generated.bytesOut} ` +
      `requests_error=${p(requests.error)} bytes_in_error=${p(bytesIn.error)} bytes_out_error=${p(bytesOut.error)} ` +
      `lost_in_haproxy=${lost(requests)}/${lost(bytesIn)}/${lost(bytesOut)} (requests/in/out; ` +
      `unread=${p(requests.unread)}/${p(bytesIn.unread)}/${p(bytesOut.unread)} ` +
      `old_workers=${p(requests.draining)}/${p(bytesIn.draining)}/${p(bytesOut.draining)}) ` +
      `unread_ms_max=${Math.round(Math.max(...lives.map(({ unreadMs }) => unreadMs)))} cut=${cut} ` +
      `framing=${p(percent(generated.bytesIn + generated.bytesOut - wire, wire))} ` +
      `negative=${faults.negative} spikes=${faults.spikes.length} longest_hole_ticks=${faults.longestHole}`,
  );
  return { requests, bytesIn, bytesOut, faults, ours, reported, lives, generated };
}
