import { describe, expect, it } from "vitest";
import type { BuiltProgram } from "../helpers/builtProgram.ts";
import { buildProgram } from "../helpers/builtProgram.ts";
import { checkRecord } from "../helpers/crashCheck.ts";
import { nothingBroken, seedOfRun, tell } from "../helpers/crashReport.ts";
import { dieAt, STEPS } from "../helpers/crashSteps.ts";
import { CrashWorld } from "../helpers/crashWorld.ts";

const ROUNDS = process.env.TOCSIN_TEST_FULL ? 5 : 1;

async function dieAtEach(build: BuiltProgram, seed: number, steps: readonly string[]) {
  await using world = new CrashWorld(seed, build);
  await world.open();
  const first = world.begin();
  await first.runs;
  first.kill("SIGTERM");
  await first.ended;
  for (const step of steps) await dieAt(world, step);
  await world.settle();
  return { verdict: await checkRecord(world.dataPath, world.receiver.posts), restarts: world.restarts };
}

describe("kill -9 at named steps", () => {
  it(`${STEPS.length} steps: nothing is lost, sent again without proof, or out of order`, async () => {
    using build = await buildProgram("test/helpers/crashService.ts", "within");
    const seed = seedOfRun();
    const steps = Array.from({ length: ROUNDS }, () => STEPS).flat();
    const half = (rest: number) => steps.filter((_, index) => index % 2 === rest);
    const worlds = await Promise.all([dieAtEach(build, seed, half(0)), dieAtEach(build, seed + 1, half(1))]);
    const all = worlds.map(({ verdict }) => verdict);
    tell(
      { points: STEPS.length, kills: steps.length, seed },
      all,
      worlds.flatMap(({ restarts }) => restarts),
    );
    for (const verdict of all) expect(verdict).toMatchObject(nothingBroken);
  }, 900_000);
});
