import { describe, expect, it } from "vitest";
import type { BuiltProgram } from "../helpers/builtProgram.ts";
import { buildProgram } from "../helpers/builtProgram.ts";
import { checkRecord } from "../helpers/crashCheck.ts";
import { nothingBroken, seedOfRun, tell } from "../helpers/crashReport.ts";
import { CrashWorld } from "../helpers/crashWorld.ts";

const KILLS = process.env.TOCSIN_TEST_FULL ? 1000 : 200;
/** So many lives end while they start, within so long of their spawn, ms. */
const EARLY_SHARE = 0.35;
const EARLY_MS = 1000;
/** The others run, for so long at most, ms: six ticks. */
const RUN_MS = 600;

async function killAtRandom(build: BuiltProgram, seed: number, kills: number) {
  await using world = new CrashWorld(seed, build);
  await world.open();
  const first = world.begin();
  await first.runs;
  first.kill("SIGTERM");
  await first.ended;
  for (let kill = 0; kill < kills; kill++) {
    const life = world.begin();
    if (world.random() < 0.1) world.edit();
    const isEarly = world.random() < EARLY_SHARE;
    const killIn = (delayMs: number) => setTimeout(() => life.kill("SIGKILL"), world.random() * delayMs);
    if (isEarly) killIn(EARLY_MS);
    else void life.runs.then(() => killIn(RUN_MS));
    const { signal } = await life.ended;
    // Whatever else ended it is a fault of its own.
    if (signal !== "SIGKILL") throw new Error(`life ${kill + 2} ended by itself: ${world.log.slice(-2000)}`);
  }
  await world.settle();
  const verdict = await checkRecord(world.dataPath, world.receiver.posts);
  return { verdict, restarts: world.restarts };
}

describe("kill -9 at random moments", () => {
  it(`${KILLS} of them: nothing is lost, sent again without proof, or out of order`, async () => {
    using build = await buildProgram("test/helpers/crashService.ts", "within");
    const seed = seedOfRun();
    // Two worlds at a time: while one starts, the other waits for its tick.
    const worlds = await Promise.all([killAtRandom(build, seed, KILLS / 2), killAtRandom(build, seed + 1, KILLS / 2)]);
    const all = worlds.map(({ verdict }) => verdict);
    tell(
      { points: "random", kills: KILLS, seed },
      all,
      worlds.flatMap(({ restarts }) => restarts),
    );
    for (const verdict of all) expect(verdict).toMatchObject(nothingBroken);
  }, 1_500_000);
});
