/** Random pasts of a cluster as they are recorded: several sources, missed polls, gaps, reloads, late answers, downtime. */

import fc from "fast-check";
import type { SealedTick, SourceAtTick } from "../../src/model/tick.ts";
import { maxGapS } from "../../src/model/tick.ts";
import { BYTES, RATE, SESSIONS } from "../helpers/rules.ts";

export const INTERVAL_MS = 10_000;
const INTERVAL_S = INTERVAL_MS / 1000;

/** What one source does at one tick. */
interface Said {
  readonly does: "answers" | "fails" | "is late";
  readonly increase: number;
  readonly sessions: number | null;
  readonly reload: boolean;
  readonly jitter: number;
}

export interface Drawn {
  /** Ticks before it that nobody saw. */
  readonly lost: number;
  readonly says: readonly Said[];
}

const said = (trouble: number): fc.Arbitrary<Said> =>
  fc.record({
    does: fc.oneof(
      { weight: 300, arbitrary: fc.constant("answers" as const) },
      { weight: trouble, arbitrary: fc.constantFrom("fails" as const, "is late" as const) },
    ),
    increase: fc.integer({ min: 0, max: 1e9 }),
    sessions: fc.oneof(
      { weight: 6, arbitrary: fc.double({ min: 0, max: 1e6, noNaN: true }) },
      { weight: trouble === 0 ? 0 : 1, arbitrary: fc.constant(null) },
    ),
    reload: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    jitter: fc.constantFrom(0, 0, 0, -0.3, 0.2),
  });

/**
 * A past of so many ticks by so many sources, the same for the same seed: what fails is told by its seed alone.
 * `trouble` 0: every tick is there, and every source answers it.
 */
export function aPast(seed: number, sources: number, ticks: { min: number; max: number }, trouble: number): Drawn[] {
  const lost = fc.oneof(
    { weight: 300, arbitrary: fc.constant(0) },
    { weight: trouble, arbitrary: fc.constantFrom(1, 2, 5, 13, 40) },
  );
  const one = fc.record({ lost, says: fc.tuple(...Array.from({ length: sources }, () => said(trouble))) });
  const past = fc.array(one, { minLength: ticks.min, maxLength: ticks.max, size: "max" });
  return fc.sample(past, { seed, numRuns: 1 })[0] ?? [];
}

/** The ticks as they are sealed: totals go on, what comes late is carried by the next answer. */
export function recorded(drawn: readonly Drawn[], firstNumber: number): readonly SealedTick[] {
  const lastOk: (number | undefined)[] = [];
  const carried: number[] = [];
  let total: number | undefined;
  let number = firstNumber - 1;
  return drawn.map(({ lost, says }) => {
    number += lost + 1;
    const sources: SourceAtTick[] = [];
    let rate: number | undefined;
    let sessions: number | undefined;
    says.forEach(({ does, increase, sessions: open, reload, jitter }, index) => {
      const name = `lb${index}`;
      if (does !== "answers") {
        sources.push({ name, coveredS: 0, error: does });
        // It was counted, but nobody heard of it in time.
        if (does === "is late") carried[index] = (carried[index] ?? 0) + increase;
        return;
      }
      const since = lastOk[index];
      lastOk[index] = number;
      const spanS = since === undefined ? 0 : (number - since) * INTERVAL_S + jitter;
      const isGap = spanS > maxGapS(INTERVAL_MS);
      const coveredS = isGap ? 0 : spanS;
      sources.push({
        name,
        coveredS,
        ...(isGap ? { gap: true } : {}),
        ...(reload ? { reload: true, fresh: true } : {}),
        open: true,
        moved: true,
      });
      if (since !== undefined) {
        const grown = increase + (carried[index] ?? 0);
        carried[index] = 0;
        total = (total ?? 0) + grown;
        if (coveredS > 0) rate = (rate ?? 0) + grown / coveredS;
      }
      if (open !== null) sessions = (sessions ?? 0) + open;
    });
    const values = {
      ...(total === undefined ? {} : { [BYTES]: total }),
      ...(rate === undefined ? {} : { [RATE]: rate }),
      ...(sessions === undefined ? {} : { [SESSIONS]: sessions }),
      "tocsin.source.up": sources.filter(({ error }) => error === undefined).length,
    };
    return { kind: "tick", number, at: number * INTERVAL_MS, values, sources, members: [] };
  });
}
