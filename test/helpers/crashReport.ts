import type { Verdict } from "./crashCheck.ts";
import type { Restart } from "./crashWorld.ts";

/** A verdict in which every promise was kept. */
export const nothingBroken = {
  lost: [],
  resentWithoutProof: [],
  otherDuplicates: [],
  reordered: [],
  unrecorded: [],
  replayDiffers: [],
} as const satisfies Partial<Verdict>;

/** The seed of a run: a new one, or that of one to look at again. */
export function seedOfRun(): number {
  return Number(process.env.TOCSIN_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
}

/** Prints what came of a run, on one line. */
export function tell(
  facts: Readonly<Record<string, string | number>>,
  verdicts: readonly Verdict[],
  restarts: readonly Restart[],
): void {
  const count = (of: keyof typeof nothingBroken) => verdicts.reduce((sum, one) => sum + one[of].length, 0);
  const sum = (of: "noticeDuplicates" | "transitions" | "sends") => verdicts.reduce((total, one) => total + one[of], 0);
  const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const times = restarts.map(({ ms }) => ms);
  const cpu = restarts.map(({ cpuMs }) => cpuMs);
  const figures = Object.entries(facts).map(([name, value]) => `${name}=${value}`);
  console.log(
    `crash ${figures.join(" ")} transitions=${sum("transitions")} sends=${sum("sends")} lost=${count("lost")} resent_without_proof=${count("resentWithoutProof")} notice_dups=${sum("noticeDuplicates")} (same id, answer not known) other_dups=${count("otherDuplicates")} reordered=${count("reordered")} unrecorded=${count("unrecorded")} replay_differs=${count("replayDiffers")} restart_ms_p50=${Math.round(middle(times))} restart_ms_max=${Math.round(Math.max(...times))} restart_cpu_ms_p50=${Math.round(middle(cpu))} restart_cpu_ms_max=${Math.round(Math.max(...cpu))}`,
  );
}
