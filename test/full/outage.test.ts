import { describe, expect, it } from "vitest";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { Decision, Delivery } from "../../src/model/decision.ts";
import type { Ledger } from "../../src/ports.ts";
import type { Arrival, Outage } from "../helpers/outageReceivers.ts";
import { INTERVAL_S, labelOf, OutageWorld, PAGE_MAX_AGE_S, REPEAT_TICKS } from "../helpers/outageWorld.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const CLUSTERS = 100;
const OUTAGES: readonly Outage[] = ["refused", "503", "hung"];

/** What may have acted: an answer that says so, or none at all. */
const mayHaveRun = ({ answer }: Arrival) => answer !== "503";
const wasAccepted = ({ answer }: Arrival) => answer === "accepted";

function arrivalsOf({ receivers }: OutageWorld, clusterId: string, receiver: string): readonly Arrival[] {
  return receivers.arrivals.filter((one) => one.clusterId === clusterId && one.receiver === receiver);
}

/** Tick at which each was decided, however long it waited for its turn. */
function claimTicks({ asked }: OutageWorld, arrivals: readonly Arrival[]): readonly number[] {
  return arrivals.map(({ id, tick }) => {
    const claim = asked.findLast((one) => one.dispatch.deliveryId === id && one.tick <= tick);
    return claim?.tick ?? -Infinity;
  });
}

function gaps(ticks: readonly number[]): readonly number[] {
  return ticks.slice(1).map((tick, index) => tick - (ticks[index] ?? 0));
}

/** Control: at most one POST in the first repeat interval, each of the state that holds, and one where it is asked for. */
function verifyControl(world: OutageWorld): { readonly most: number; readonly served: number } {
  const { recoveredAt, plans } = world;
  const isFirstInterval = ({ tick }: Arrival) => tick >= recoveredAt && tick < recoveredAt + REPEAT_TICKS;
  let most = 0;
  let served = 0;
  for (const plan of plans) {
    const { clusterId } = plan;
    const posts = arrivalsOf(world, clusterId, "scale").filter(mayHaveRun);
    most = Math.max(most, posts.filter(isFirstInterval).length);
    for (const { tick, current } of posts) {
      expect([clusterId, tick, current]).toEqual([clusterId, tick, world.isBusy(plan, tick) ? "alarm" : "not asked"]);
    }
    expect(Math.min(...gaps(claimTicks(world, posts))), clusterId).toBeGreaterThanOrEqual(REPEAT_TICKS);
    expect(new Set(posts.map(({ id }) => id)).size, clusterId).toBe(posts.length);
    // It has recovered from the outage when two repeat intervals have passed.
    const after = Array.from({ length: 2 * REPEAT_TICKS + 1 }, (_, index) => recoveredAt + index);
    if (!after.every((tick) => world.isBusy(plan, tick))) continue;
    expect(posts.filter(({ tick }) => after.includes(tick)).length, clusterId).toBeGreaterThanOrEqual(1);
    served++;
  }
  return { most, served };
}

/** Notices: each once, in the order of their decisions, no ok of what nobody knew, and nothing is lost. */
function verifyNotices(world: OutageWorld, deliveries: ReadonlyMap<string, Delivery>, log: readonly Decision[]): void {
  for (const { clusterId } of world.plans) {
    for (const receiver of ["ops", "page"]) {
      const accepted = arrivalsOf(world, clusterId, receiver).filter(wasAccepted);
      const told = accepted.map(({ id }) => deliveries.get(id));
      const order = told.map((one) => (one ? one.transition * 1000 + one.repeat : -1));
      expect(order, clusterId).toEqual([...new Set(order)].sort((a, b) => a - b));
    }
    verifyOks(world, clusterId);
    const transitions = log.flatMap((one) =>
      one.d === "transition" && one.alarmId === `id-${clusterId}` ? [[one.transition, one.to]] : [],
    );
    const news = arrivalsOf(world, clusterId, "ops")
      .filter(wasAccepted)
      .flatMap(({ id, current }) => {
        const delivery = deliveries.get(id);
        return delivery?.repeat === 0 ? [[delivery.transition, current]] : [];
      });
    expect(news, clusterId).toEqual(transitions.filter(([, to]) => to !== "insufficient data"));
  }
  const pageWasTold = (alarmId: string, transition: number) =>
    world.receivers.arrivals.some((one) => {
      const delivery = deliveries.get(one.id);
      return (
        one.receiver === "page" &&
        mayHaveRun(one) &&
        delivery?.alarmId === alarmId &&
        delivery.transition === transition
      );
    });
  for (const one of deliveries.values())
    if (one.status === "dropped") expect(pageWasTold(one.alarmId, one.transition - 1), one.id).toBe(false);
}

/** Seconds between the tick of a notice's decision and its arrival, at the most. */
function oldest(world: OutageWorld, receiver: string, deliveries: readonly Delivery[]): number {
  const createdAt = new Map(deliveries.map((one) => [one.id, one.createdAt]));
  const told = world.receivers.arrivals.filter((one) => one.receiver === receiver);
  return Math.max(...told.map(({ id, tick }) => (labelOf(tick) - (createdAt.get(id) ?? -Infinity)) / 1000));
}

/** An ok comes only where word of the alarm may have come since the ok before. */
function verifyOks(world: OutageWorld, clusterId: string): void {
  let knows = true;
  for (const arrival of arrivalsOf(world, clusterId, "page").filter(mayHaveRun)) {
    if (arrival.current !== "ok") knows = true;
    else if (wasAccepted(arrival)) {
      expect([clusterId, arrival.tick, knows]).toEqual([clusterId, arrival.tick, true]);
      knows = false;
    }
  }
}

async function verify(world: OutageWorld, outage: Outage, ledger: Ledger): Promise<string> {
  const all = await ledger.deliveries({ limit: 1_000_000 });
  const deliveries = new Map(all.map((one) => [one.id, one]));
  const log: Decision[] = [];
  for (const { clusterId } of world.plans) {
    log.push(...(await ledger.decisionLog(clusterId)).map((line) => JSON.parse(line) as Decision));
  }
  // Every delivery that was ever decided is in the ledger, and has one end.
  for (const { dispatch } of world.asked) expect(deliveries.has(dispatch.deliveryId)).toBe(true);
  const open = all.filter(({ status }) => status === "waiting" || status === "claimed");
  expect(open).toEqual([]);
  const ends = log.flatMap((one) => (one.d === "end" ? [one.delivery] : []));
  expect([ends.length, new Set(ends).size]).toEqual([all.length, all.length]);

  const { most, served } = verifyControl(world);
  expect(most).toBeLessThanOrEqual(1);
  expect(served).toBeGreaterThan(world.plans.length / 4);
  verifyNotices(world, deliveries, log);
  expect(world.stackedRepeats).toBe(1);
  if (outage !== "hung") expect(oldest(world, "page", all)).toBeLessThanOrEqual(PAGE_MAX_AGE_S);
  const counts = Map.groupBy(all, ({ class: kind, status }) => `${kind} ${status}`);
  if (outage !== "hung") expect(counts.get("notice dropped")?.length).toBeGreaterThan(0);
  const inOutage = world.receivers.arrivals.filter(({ answer }) => answer !== "accepted").length;
  const table = [...counts].sort().map(([what, of]) => `${what}=${of.length}`);
  return (
    `attempts=${world.asked.length} POSTs in the outage=${inOutage} control POSTs of one cluster at recovery<=${most} ` +
    `clusters served again=${served} repeats stacked<=${world.stackedRepeats} open=${open.length}\n    ${table.join(" ")}`
  );
}

/** Behind requests that hang, what waits for its turn is not sent when its time is over. */
function verifyTurns(world: OutageWorld, deliveries: readonly Delivery[]): void {
  const oldestS = oldest(world, "page", deliveries);
  const apart = world.plans.flatMap(({ clusterId }) =>
    gaps(
      arrivalsOf(world, clusterId, "scale")
        .filter(mayHaveRun)
        .map(({ tick }) => tick),
    ),
  );
  const leastS = Math.min(...apart) * INTERVAL_S;
  console.log(`hung: oldest notice=${oldestS} s of ${PAGE_MAX_AGE_S}, actions of a cluster apart>=${leastS} s`);
  expect(oldestS).toBeLessThanOrEqual(PAGE_MAX_AGE_S + INTERVAL_S);
  // Settling is that of the tick at which an action was decided: a request may come a little later.
  expect(leastS).toBeGreaterThanOrEqual((REPEAT_TICKS - 1) * INTERVAL_S);
}

describe("100 repeating alarms whose receivers are away for ten minutes", () => {
  const isFull = process.env.TOCSIN_TEST_FULL !== undefined;

  it.each(OUTAGES)(
    "%s, ledger in memory",
    async (outage) => {
      const world = new OutageWorld(CLUSTERS);
      const ledger = createMemoryLedger();
      await world.play(outage, { ledger, store: createMemoryStore() });
      console.log(`outage, ${outage}, in memory: ${await verify(world, outage, ledger)}`);
      if (outage === "hung") verifyTurns(world, await ledger.deliveries({ limit: 1_000_000 }));
    },
    120_000,
  );

  it.each(isFull ? OUTAGES : OUTAGES.slice(0, 1))(
    "%s, ledger in SQLite",
    async (outage) => {
      using folder = temporaryFolder();
      const world = new OutageWorld(isFull ? CLUSTERS : 25);
      const { ledger, store } = await openSqlite(folder.path);
      await world.play(outage, { ledger, store });
      console.log(`outage, ${outage}, in SQLite: ${await verify(world, outage, ledger)}`);
      await store.close();
      await ledger.close();
    },
    120_000,
  );
});
