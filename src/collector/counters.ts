import type { RawCounters } from "../model/tick.ts";

const WRAP = 2n ** 64n;
/** Above this a counter that fell may have passed 2^64; below, it was set back. */
const NEAR_WRAP = 2n ** 63n;

/** A counter's digits, or `undefined` for what is not a whole number below 2^64. */
export function counterText(text: string): string | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  return text.length < 20 || BigInt(text) < WRAP ? text : undefined;
}

/** `a - b` of two counters: exact also beyond 2^53, as long as the difference is not. */
function difference(a: string, b: string): number {
  return a.length <= 15 && b.length <= 15 ? Number(a) - Number(b) : Number(BigInt(a) - BigInt(b));
}

/**
 * How much a counter grew within one process. One that fell was cleared, so what it shows is what came since,
 * unless it stood near 2^64: then it wrapped.
 */
export function increaseInProcess(previous: string, current: string): number {
  const grown = difference(current, previous);
  if (grown >= 0) return grown;
  const before = BigInt(previous);
  return before > NEAR_WRAP && BigInt(current) < NEAR_WRAP ? Number(BigInt(current) - before + WRAP) : Number(current);
}

/**
 * The new process of 3.0 and later went on with this row's counters: none of them is below what it was, and
 * there was traffic to tell by.
 */
export function wasCarried(previous: RawCounters, current: RawCounters): boolean {
  if ((previous.stot ?? "0") === "0") return false;
  return Object.entries(previous).every(([column, value]) => {
    const now = current[column];
    return now !== undefined && difference(now, value) >= 0;
  });
}
