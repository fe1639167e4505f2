/** Every step at which the service is killed, by name, and what brings it about. */

import { COMMIT_STEPS } from "./crashFaults.ts";
import type { Behaviour } from "./crashReceiver.ts";
import { RECEIVER_STEPS } from "./crashReceiver.ts";
import type { CrashWorld, Life } from "./crashWorld.ts";
import { eventually } from "./sockets.ts";

/** Steps at which the process kills itself. */
const OWN_STEPS = [...COMMIT_STEPS, "send durable, not handed over", "receiver resolved", "outcome handed back"];
/** Steps at which a receiver, or the source, kills it. */
const OTHERS_STEPS = [
  ...RECEIVER_STEPS.flatMap((step) => (step === "connected" ? [step] : [`control: ${step}`, `notice: ${step}`])),
  ...["asked", "half answered", "answered"].map((step) => `source: ${step}`),
];

export const STEPS: readonly string[] = [...OWN_STEPS, ...OTHERS_STEPS];

/** Steps come within a second; other tests may run beside. */
const DEADLINE_MS = 60_000;

/** How receivers must behave for a step to come. */
function moodFor(step: string): Behaviour | undefined {
  if (step.endsWith("busy")) return "busy";
  if (step.endsWith("uncertain")) return "reset";
  if (step.endsWith("retry")) return "unavailable";
  if (step.endsWith("stop")) return "hang";
  return /^(control|notice):|accepted$|effect$/.test(step) ? "accept" : undefined;
}

/** Lives until the step, and no longer. Throws when it does not come. */
export async function dieAt(world: CrashWorld, step: string): Promise<void> {
  const isOwn = OWN_STEPS.includes(step);
  world.mood = moodFor(step);
  world.armed = isOwn ? undefined : step;
  world.reached = undefined;
  if (/ rules$/.test(step)) world.edit();
  const life = world.begin(isOwn ? step : undefined);
  if (/ stop$/.test(step)) await stopWhileBusy(world, life);
  const isIn = await Promise.race([
    life.ended,
    eventually("never", () => undefined, DEADLINE_MS).catch(() => undefined),
  ]);
  if (!isIn) life.kill("SIGABRT");
  const { signal, code } = await life.ended;
  const reached = isOwn ? life.said.some((one) => one.said === "reached" && one.step === step) : world.reached === step;
  if (!reached || signal !== "SIGKILL")
    throw new Error(`the step "${step}" did not come: ${signal ?? code}\n${world.log.slice(-2000)}`);
}

async function stopWhileBusy(world: CrashWorld, life: Life): Promise<void> {
  await life.runs;
  const before = world.receiver.posts.length;
  await eventually("a request under way", () => world.receiver.posts.length > before || undefined, DEADLINE_MS);
  life.kill("SIGTERM");
}
