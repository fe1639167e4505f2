/** Counters of HAProxy: whole numbers below 2^64 that wrap, and what they grew by. */

const WRAP = 2n ** 64n;
/** More than this between two scrapes nothing counts: one that fell so far was set back, and did not pass 2^64. */
const MOST_GROWTH = BigInt(Number.MAX_SAFE_INTEGER);

/** A counter's digits as a number, exact above 2^53; `undefined` for what is not a whole number below 2^64. */
export function counterOf(text: string): number | bigint | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  if (text.length <= 15) return Number(text);
  const value = BigInt(text);
  if (value >= WRAP) return undefined;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** A counter's digits, or `undefined` for what is not a whole number below 2^64. */
export function counterText(text: string): string | undefined {
  return counterOf(text) === undefined ? undefined : text;
}

/**
 * What a counter grew by within one process. One that fell was set back, unless it can have passed 2^64 within one
 * scrape.
 */
export function growth(previous: bigint, current: bigint): number | "reset" {
  if (current >= previous) return Number(current - previous);
  const wrapped = current - previous + WRAP;
  return wrapped <= MOST_GROWTH ? Number(wrapped) : "reset";
}

/** How much a counter grew within one process, of its digits: where it was set back, what came since. */
export function increaseInProcess(previous: string, current: string): number {
  const grown = growth(BigInt(previous), BigInt(current));
  return grown === "reset" ? Number(current) : grown;
}
