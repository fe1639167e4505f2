import { describe, expect, it } from "vitest";
import type { Pair } from "../helpers/pairRun.ts";
import { SERVERS, SHRINKING, startPair, strayCovered, strayTotals } from "../helpers/pairRun.ts";
import { eventually } from "../helpers/sockets.ts";
import { wait } from "../helpers/trafficClient.ts";
import { percent } from "../helpers/truthFigures.ts";
import { INTERVAL_MS, STEADY } from "../helpers/truthRun.ts";

describe("an active and a standby balancer", () => {
  it("switch over and back under load: totals go on, servers count once, both are covered", async () => {
    await using pair = await startPair();
    const { traffic, watch, a, b } = pair;
    const firstTick = watch.last;
    await traffic.go(a.options.port, STEADY);
    await wait(2200);
    await traffic.target(b.options.port);
    await wait(2400);
    await traffic.target(a.options.port);
    await wait(1800);
    const exchanges = await traffic.stop();
    const stopped = watch.last;
    await eventually("two more ticks", () => watch.cluster.tick >= stopped + 2 || undefined);
    watch.pause();
    const ticks = (await watch.ticks()).filter(({ number }) => number > firstTick);
    const ends = await Promise.all([a, b].map(({ workers }) => workers[0]!.counted()));
    const total = (meter: string) => ticks.at(-1)?.values[meter] ?? 0;
    const generated = exchanges.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
    const ours = total("network.services.lb.outgoing.bytes");
    const covered = ticks.flatMap(({ sources }) => sources.map(({ coveredS }) => coveredS));
    const rates = ticks.slice(2, -3).map(({ values }) => values["network.services.lb.requests.rate"] ?? 0);
    const strays = strayTotals(ticks, watch.reports, exchanges);
    console.log(
      `pair: ticks=${ticks.length} on_a=${ends[0]!.requests} on_b=${ends[1]!.requests} ` +
        `requests_error=${percent(total("network.services.lb.requests") - exchanges.length, exchanges.length).toFixed(3)}% ` +
        `bytes_out_error=${percent(ours - generated, generated).toFixed(3)}% stray_totals=${strays.length} ` +
        `rate=${Math.min(...rates).toFixed(0)}…${Math.max(...rates).toFixed(0)}/s ` +
        `covered=${Math.min(...covered).toFixed(3)}…${Math.max(...covered).toFixed(3)}s ` +
        `members=${[...new Set(ticks.map(({ values }) => values["network.services.lb.members.total"]))]}`,
    );
    expect(exchanges.filter(({ complete }) => !complete)).toEqual([]);
    expect(ends[0]!.requests).toBeGreaterThan(500);
    expect(ends[1]!.requests).toBeGreaterThan(500);
    expect(total("network.services.lb.requests")).toBe(exchanges.length);
    expect(total("network.services.lb.outgoing.bytes")).toBe(generated);
    expect(strays).toEqual([]);
    expect(Math.min(...rates)).toBeGreaterThan(100);
    expect(ticks.map(({ sources }) => sources.length)).toEqual(ticks.map(() => 2));
    for (const { values } of ticks) {
      expect(values["network.services.lb.members.total"]).toBe(SERVERS);
      expect(values["network.services.lb.members.up"]).toBe(SERVERS);
    }
    expect(strayCovered(watch.reports)).toEqual([]);
    expect(Math.min(...covered)).toBeGreaterThan(0.2);
  }, 60_000);

  it("one that is replaced holds a scale-in until it is retired: 15 minutes after its path went", async () => {
    await using pair = await startPair(SHRINKING);
    const { watch, clock, b } = pair;
    const gone = await vanishUnderLoad(pair);
    await pair.add("c");
    await holds(pair);
    // The rest of the 15 minutes, without their waiting.
    watch.pause();
    const retired = () => watch.decisions.find((one) => one.d === "source");
    for (let ticks = 0; ticks < 1000 && !retired(); ticks++) {
      clock.leap(INTERVAL_MS);
      watch.tick();
      await sealed(pair);
      expect(watch.sent).toEqual([]);
    }
    expect(retired()).toMatchObject({ source: pair.nameOf(b) });
    const away = (await watch.ticks()).filter(({ sources }) => sources.some((source) => source.away));
    expect(away).toHaveLength(900);
    expect(away[0]!.number).toBeGreaterThan(gone - 1);
    expect(away[0]!.number).toBeLessThan(gone + 3);
    watch.run();
    await eventually("the scale-in that was held", () => watch.sent.length === 1 || undefined);
    expect(watch.cluster.lastOk.size).toBe(2);
    expect([...watch.cluster.lastOk.keys()]).not.toContain(pair.nameOf(b));
  }, 60_000);

  it("one that vanished holds a scale-in until a person says that it is gone", async () => {
    await using pair = await startPair(SHRINKING);
    const { watch, b } = pair;
    await vanishUnderLoad(pair);
    await holds(pair);
    await watch.forget(pair.nameOf(b));
    await eventually("the scale-in that was held", () => watch.sent.length === 1 || undefined);
    expect([...watch.cluster.lastOk.keys()]).toEqual([pair.nameOf(pair.a)]);
  }, 60_000);
});

/** The standby goes while the other one has the load; returns the number of the tick before. */
async function vanishUnderLoad(pair: Pair): Promise<number> {
  const { traffic, watch, a, b } = pair;
  const [short] = STEADY;
  await traffic.go(a.options.port, [short!]);
  await eventually("the alarm is ok", () => idle(pair).state === "ok" || undefined);
  const before = watch.last;
  await pair.remove(b);
  await eventually("a tick without it", () => watch.cluster.tick > before || undefined);
  await traffic.stop();
  return before;
}

function idle({ watch }: Pair) {
  return watch.cluster.alarms.get("id-idle")!;
}

/** The newest tick is sealed: looked for at every turn of the loop, as there are many to wait for. */
async function sealed({ watch }: Pair): Promise<void> {
  const endMs = performance.now() + 5000;
  while (watch.cluster.tick < watch.last) {
    if (performance.now() > endMs) throw new Error(`tick ${watch.last} is not sealed`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** There is no load, and nobody knows whether the one that is silent has any. */
async function holds(pair: Pair): Promise<void> {
  const { watch } = pair;
  await eventually("a low reading", () => idle(pair).verdict.kind === "unknown" || undefined);
  expect(idle(pair).state).toBe("ok");
  // Not known for so long that it is said: that scales nothing either.
  await eventually("a word of it", () => idle(pair).state === "insufficient data" || undefined);
  expect(watch.cluster.values["network.services.lb.requests.rate"]).toBe(0);
  expect(watch.sent).toEqual([]);
}
