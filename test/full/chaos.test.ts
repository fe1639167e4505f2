import { describe, expect, it } from "vitest";
import { buildProgram } from "../helpers/builtProgram.ts";
import { seedOfRun } from "../helpers/crashReport.ts";
import { randomFrom } from "../helpers/crashWorld.ts";
import type { ScaleFaults } from "../helpers/scaleCheck.ts";
import { checkScale, takeovers } from "../helpers/scaleCheck.ts";
import type { Fault } from "../helpers/scaleFaults.ts";
import { FAULTS, FaultMaker } from "../helpers/scaleFaults.ts";
import { ALARMS } from "../helpers/scaleRules.ts";
import { PARTITIONS, ScaleWorld } from "../helpers/scaleWorld.ts";

const RUN_MS = process.env.TOCSIN_TEST_FULL ? 90_000 : 20_000;
const CLUSTERS = 80;
const ENGINES = 3;
/** From one fault to the next, ms. */
const PAUSE_MS = process.env.TOCSIN_TEST_FULL ? 2500 : 2000;

/** Each fault once at least, then as the lot falls; kills come oftener. */
function drawn(seed: number, count: number): Fault[] {
  const random = randomFrom(seed);
  const faults: Fault[] = [...FAULTS];
  while (faults.length < count) {
    const lot = Math.floor(random() * (FAULTS.length + 3));
    faults.push(FAULTS[lot] ?? "kill");
  }
  return faults
    .map((fault) => ({ fault, lot: random() }))
    .sort((a, b) => a.lot - b.lot)
    .map(({ fault }) => fault);
}

const quantile = (values: readonly number[], share: number) =>
  Math.round(
    values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN,
  );

describe("engines, agents, NATS and the lines between them fail at random", () => {
  it(`for ${RUN_MS / 1000} s: nothing is lost, doubled, or out of order`, { timeout: 600_000 }, async () => {
    const seed = seedOfRun();
    using build = await buildProgram("src/main.ts", "apart");
    await using world = new ScaleWorld(seed, build, CLUSTERS);
    try {
      await world.open(ENGINES);
      const maker = new FaultMaker(world);
      const until = performance.now() + RUN_MS;
      for (const fault of drawn(seed, Math.floor(RUN_MS / PAUSE_MS))) {
        if (performance.now() > until) break;
        maker.begin(fault);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      await maker.mended();
      await world.settle();
      await world.stop();
    } catch (error) {
      console.log(world.story.join("\n"));
      for (const { name, log } of [...world.engines, ...world.agents]) console.log(name, log.slice(-1500));
      throw error;
    }
    const { faults, ...sums } = checkScale(world.log, world.receiver.posts, world.load);
    const taken = takeovers(world.log, PARTITIONS, world.deaths, world.outages);
    const of = (fault: Fault, isQuiet: boolean) =>
      taken.filter((one) => one.by === fault && one.isQuiet === isQuiet && one.ms < Infinity).map(({ ms }) => ms);
    const times = (name: string, values: readonly number[]) =>
      `${name}s=${values.length} ${name}_ms_p50=${quantile(values, 0.5)} ${name}_ms_max=${quantile(values, 1)}`;
    const fell = [...world.engines, ...world.agents].flatMap((process) => process.fell);
    const refused = world.engines.reduce((sum, { log }) => sum + log.split("an append was refused").length - 1, 0);
    const count = (of: keyof ScaleFaults) => faults[of].length;
    console.log(
      `chaos seed=${seed} faults=${world.story.length} alarms=${CLUSTERS * ALARMS} partitions=${PARTITIONS} records=${sums.records} transitions=${sums.transitions} sends=${sums.sends} lost=${count("lost")} double_transitions=${count("doubleTransitions")} two_actions_in_a_cluster=${count("twoActions")} unsettled=${count("unsettled")} resent_without_proof=${count("resentWithoutProof")} reordered=${count("reordered")} unrecorded=${count("unrecorded")} unjustified=${count("unjustified")} broken_chains=${count("brokenChains")} stale_writes_refused=${refused} notice_dups=${sums.noticeDuplicates} (same id) other_dups=${count("otherDuplicates")} replay_differs=${count("replayDiffers")} ${times("takeover", of("kill", true))} (without NATS: ${times("takeover", of("kill", false))}) ${times("handover", of("term", true))} slowest_action_ms=${sums.slowestActionMs} ended_by_themselves=${fell.length}`,
    );
    if (fell.length > 0) console.log(fell.join("\n"));
    // One that starts while NATS is away may say so and end; whoever runs it starts it again.
    expect(fell.filter((text) => !/\[E60[123]\]/.test(text))).toEqual([]);
    const broken = Object.entries(faults).filter(([, lines]) => lines.length > 0);
    if (broken.length > 0) console.log(world.story.join("\n"));
    expect(broken.map(([promise, lines]) => `${promise}: ${lines.length}, ${lines.slice(0, 5).join("\n")}`)).toEqual(
      [],
    );
  });
});
