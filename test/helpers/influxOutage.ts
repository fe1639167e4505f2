/**
 * InfluxDB is killed under load and started again later, while a fold beside judges each tick: what was put is counted in it
 * afterwards.
 */

import { InfluxServer } from "../../src/backend/influx/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { RowRecord, TickRecord } from "../../src/seriesPorts.ts";
import { Folded } from "./folded.ts";
import type { InfluxServer as Influxd } from "./influxServer.ts";
import type { OpenedInflux } from "./influxStore.ts";
import { openInflux } from "./influxStore.ts";
import { anAlarm, SESSIONS } from "./rules.ts";
import { eventually } from "./sockets.ts";

const BYTES = "network.services.lb.incoming.bytes";

export interface OutagePlan {
  /** Every so often all clusters have a tick, ms. */
  readonly everyMs: number;
  readonly ticks: number;
  /** InfluxDB is killed before this tick, and begins again before that one. */
  readonly killAt: number;
  readonly startAt: number;
  readonly clusters: number;
  readonly rowsEach: number;
}

export interface OutageFigures {
  readonly put: number;
  readonly spooled: number;
  readonly lost: number;
  readonly decisions: number;
  /** Longest that a put took while it was there, and while it was away, ms. */
  readonly putMs: { readonly there: number; readonly away: number };
  readonly rssMiB: { readonly before: number; readonly most: number };
  /** From its return until nothing waited, ms. */
  readonly caughtUpMs: number;
}

export async function runOutage(influxd: Influxd, plan: OutagePlan): Promise<OutageFigures> {
  await using opened = await openInflux(influxd.url);
  const { store } = opened;
  const folded = new Folded([anAlarm({ name: "busy" })]);
  const ids = Array.from({ length: plan.clusters }, (_, n) => `cluster ${n}`);
  const longest = { there: 0, away: 0 };
  const rss = () => process.memoryUsage.rss() / 2 ** 20;
  const rssMiB = { before: rss(), most: 0 };
  let [put, spooled, isAway, startedAt] = [0, 0, false, 0];
  const begun = performance.now();
  for (let n = 0; n < plan.ticks; n++) {
    if (n === plan.killAt) {
      await influxd.kill();
      isAway = true;
    }
    if (n === plan.startAt) {
      await influxd.start();
      isAway = false;
      startedAt = performance.now();
    }
    folded.tick({ sessions: n % 40 < 20 ? 500 : 1 });
    const [before, when] = [performance.now(), isAway ? ("away" as const) : ("there" as const)];
    await Promise.all([
      ...ids.map((id) => store.put(tickOf(id, n))),
      store.putRows(ids.map((id) => rowsOf(id, n, plan))),
    ]);
    longest[when] = Math.max(longest[when], performance.now() - before);
    put += ids.length * (1 + plan.rowsEach);
    spooled = Math.max(spooled, store.spooled().lines);
    rssMiB.most = Math.max(rssMiB.most, rss());
    const restMs = begun + (n + 1) * plan.everyMs - performance.now();
    await new Promise((then) => setTimeout(then, Math.max(0, restMs)));
  }
  await eventually("nothing waits", () => store.spooled().lines === 0, 60_000);
  const caughtUpMs = performance.now() - startedAt;
  const lost = put - (await counted(opened));
  return { put, spooled, lost, decisions: folded.log.length, putMs: longest, rssMiB, caughtUpMs };
}

/** Points that InfluxDB has. */
async function counted({ settings }: OpenedInflux): Promise<number> {
  const server = new InfluxServer({ settings, environment: {}, clock: systemClock });
  const statements = ['SELECT count("seq") FROM tocsin_ticks', 'SELECT count("covered") FROM tocsin_rows'];
  const answers = await server.query(statements);
  await server.close();
  return answers.reduce((sum, [series]) => sum + Number(series?.values[0]?.[1] ?? 0), 0);
}

function tickOf(clusterId: string, n: number): TickRecord {
  const number = 1_770_000_000 + n;
  const values = { [SESSIONS]: n, [BYTES]: n * 100, [`${BYTES}.rate`]: 100 };
  const sources = [{ name: "s", coveredS: 1 }];
  const tick = { kind: "tick" as const, number, at: number * 1000, values, sources, members: [] };
  return { clusterId, seq: n, tick, baselines: {} };
}

function rowsOf(clusterId: string, n: number, { rowsEach }: OutagePlan): RowRecord {
  const number = 1_770_000_000 + n;
  const rows = Array.from({ length: rowsEach }, (_, row) => ({
    resource: `web/${row}`,
    kind: "server" as const,
    increases: { [BYTES]: n },
    sums: { [SESSIONS]: row },
    means: {},
  }));
  return { clusterId, source: "s", tick: { number, at: number * 1000 }, coveredS: 1, rows };
}
