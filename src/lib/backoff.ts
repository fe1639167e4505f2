const STEPS_S: readonly number[] = [1, 2, 5, 10, 20, 40, 60];

/** Seconds to wait after the `attempts`-th attempt (1, 2, …) that may be tried again: 1, 2, 5, 10, 20, 40, 60, 60… */
export function backoffS(attempts: number): number {
  return STEPS_S[Math.min(attempts, STEPS_S.length) - 1] ?? 1;
}
