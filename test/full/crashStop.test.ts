import { describe, expect, it } from "vitest";
import { buildProgram } from "../helpers/builtProgram.ts";
import { checkRecord } from "../helpers/crashCheck.ts";
import type { Post } from "../helpers/crashReceiver.ts";
import { nothingBroken, seedOfRun, tell } from "../helpers/crashReport.ts";
import { CrashWorld } from "../helpers/crashWorld.ts";

const ROUNDS = process.env.TOCSIN_TEST_FULL ? 100 : 20;
/** So many are signalled while they start, within so long of their spawn, ms. */
const EARLY_SHARE = 0.2;
const EARLY_MS = 1000;
/** The others run, for so long at most, ms: ten ticks. */
const RUN_MS = 2000;
/** Slower than where it is killed: of its 10 s to end, a busy machine takes some for itself. */
const SPEED = 5;

/** The check can fail: a record that was tampered with is found out. */
async function expectToBeNoticed({ dataPath, receiver: { posts } }: CrashWorld): Promise<void> {
  const isControl = ({ receiver }: Post) => /^(grow|shrink)/.test(receiver);
  const last = posts.findLast((post) => isControl(post) && post.answered === 202);
  const told = posts.findLast((post) => !isControl(post) && post.answered === 202);
  if (!last || !told) throw new Error("nothing was accepted");
  const check = (tampered: readonly Post[]) => checkRecord(dataPath, tampered);
  expect((await check(posts.filter(({ id }) => id !== told.id))).lost).toHaveLength(1);
  expect((await check([...posts, last])).resentWithoutProof).toHaveLength(1);
  expect((await check([...posts, told])).otherDuplicates).toHaveLength(1);
  expect((await check([...posts, { ...told, id: "msg_x" }])).unrecorded).toHaveLength(1);
  expect((await check(posts.toReversed())).reordered).not.toEqual([]);
}

describe("SIGTERM at random moments", () => {
  it(`${ROUNDS} of them: it ends in time, with every request finished or recorded, and nothing is lost`, async () => {
    using build = await buildProgram("test/helpers/crashService.ts", "within");
    const seed = seedOfRun();
    await using world = new CrashWorld(seed, build, SPEED);
    await world.open();
    const drainedS: number[] = [];
    const wrong: string[] = [];
    let whileRunning = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const life = world.begin();
      let signalledAt = 0;
      const signalIn = (delayMs: number) =>
        setTimeout(() => {
          signalledAt = world.clock.now();
          life.kill("SIGTERM");
        }, world.random() * delayMs);
      if (world.random() < EARLY_SHARE) signalIn(EARLY_MS);
      else void life.runs.then(() => signalIn(RUN_MS));
      const { code, signal } = await life.ended;
      drainedS.push((world.clock.now() - signalledAt) / 1000);
      const stopped = life.said.findLast((one) => one.said === "stopped");
      if (stopped) whileRunning++;
      // Before its first line it is as any process: the signal ends it.
      if (code !== 0 && !(signal === "SIGTERM" && life.said.length === 0))
        wrong.push(`round ${round}: ${code} ${signal}`);
      if (stopped && !stopped.inTime) wrong.push(`round ${round}: stopped in a hurry`);
      if (stopped && stopped.claimed > 0) wrong.push(`round ${round}: ${stopped.claimed} requests without an outcome`);
    }
    await world.settle();
    const verdict = await checkRecord(world.dataPath, world.receiver.posts);
    const drained = `${Math.max(...drainedS).toFixed(1)} (of the service's clock)`;
    tell(
      { points: "SIGTERM", rounds: ROUNDS, while_running: whileRunning, drained_s_max: drained, seed },
      [verdict],
      world.restarts,
    );
    expect(wrong).toEqual([]);
    expect(whileRunning).toBeGreaterThan(ROUNDS / 4);
    expect(verdict).toMatchObject(nothingBroken);
    await expectToBeNoticed(world);
  }, 600_000);
});
