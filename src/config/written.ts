/** What a file says, looked at as it is written: mistakes of one word must not hide those of the others. */

import { closest } from "../lib/closest.ts";
import type { Path } from "./explain.ts";

/** A map of a file whose values nothing is known of yet. */
export type Written = Readonly<Record<string, unknown>>;

/** The value as a map; empty when it is none. */
export function writtenMap(value: unknown): Written {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Written) : {};
}

/** The maps of a list with their places, which begin with `place`; empty when the value is no list. */
export function writtenMaps(value: unknown, place: Path): readonly (readonly [Path, Written])[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).flatMap((one, index) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? [[[...place, index], one as Written] as const]
      : [],
  );
}

/** Whether a word stands in a map, with or without a value. */
export function hasWord(written: Written, word: string): boolean {
  return Object.hasOwn(written, word) && written[word] !== undefined;
}

/**
 * Whether a word stands in a map, or one that was most likely meant for it and is complained of already. `known`: all
 * words that the map may have; `foreign`: words of other programs, and what they mean here.
 */
export function meansWord(
  written: Written,
  word: string,
  known: readonly string[],
  foreign: (key: string) => readonly string[] = () => [],
): boolean {
  if (hasWord(written, word)) return true;
  const others = Object.keys(written).filter((key) => !known.includes(key));
  return others.some((key) => closest(key, known) === word || foreign(key).includes(word));
}
