/**
 * The rollups of one block as bytes. Ahead stand the ticks of the block and what was seen of it; then of each meter, by
 * its word's number in order, so many bytes: what follows from the rest is left out, and so are zeros at the end. A
 * meter that was 0 all the time takes two or three bytes.
 */

import type { Rollup } from "../../model/rollup.ts";
import { Packer, Unpacker } from "./packing.ts";

const FEWER = 1;
const CONSTANT = 2;
const SUMMED = 4;
const GREW = 8;
const MIN_FIRST = 16;
const MIN_LAST = 32;
const MAX_FIRST = 64;
const MAX_LAST = 128;

/** What is the same of all meters of a block. */
type Seen = Pick<Rollup, "whole" | "sources" | "leastCoveredS" | "intervalS">;

const packer = new Packer();

/** `wordOf`: the number of a meter's name. */
export function packRollups(rollups: ReadonlyMap<string, Rollup>, wordOf: (meter: string) => number): Uint8Array {
  let ticks = 0;
  let coveredS = 0;
  let seen: Seen = { whole: 0, sources: 0, leastCoveredS: 0, intervalS: 0 };
  for (const rollup of rollups.values()) {
    ticks = Math.max(ticks, rollup.count);
    coveredS = Math.max(coveredS, rollup.coveredS ?? 0);
    seen = rollup;
  }
  packer.clear();
  packer.varint(ticks);
  packer.number(coveredS);
  packer.varint(seen.whole);
  packer.varint(seen.sources);
  packer.number(seen.leastCoveredS, coveredS);
  packer.number(seen.intervalS);
  const all = [...rollups].map(([meter, rollup]) => ({ word: wordOf(meter), rollup }));
  for (const { word, rollup } of all.sort((a, b) => a.word - b.word)) {
    packer.varint(word);
    packer.byte(0);
    const start = packer.length;
    packOne(rollup, ticks);
    packer.trim(start);
    packer.patch(start - 1, packer.length - start);
  }
  return packer.take();
}

function packOne({ count, sum, min, max, first, last, increase }: Rollup, ticks: number): void {
  const isConstant = min === max && first === last && first === min;
  const isSummed = !isConstant || sum !== first * count;
  let tag = (count < ticks ? FEWER : 0) | (isSummed ? SUMMED : 0) | (increase === undefined ? 0 : GREW);
  if (isConstant) tag |= CONSTANT;
  else {
    tag |= Object.is(min, first) ? MIN_FIRST : Object.is(min, last) ? MIN_LAST : 0;
    tag |= Object.is(max, first) ? MAX_FIRST : Object.is(max, last) ? MAX_LAST : 0;
  }
  // As told by the reader: nothing at all is a meter that was 0.
  packer.byte(tag ^ CONSTANT);
  if (tag & FEWER) packer.varint(count);
  packer.number(first);
  if (!isConstant) {
    packer.number(last, first);
    if (!(tag & (MIN_FIRST | MIN_LAST))) packer.number(min, first);
    if (!(tag & (MAX_FIRST | MAX_LAST))) packer.number(max, first);
  }
  if (isSummed) packer.number(sum, first * count);
  if (increase !== undefined) packer.number(increase, last - first);
}

const unpacker = new Unpacker(new Uint8Array());

/** Most ticks of the block that a meter has a value of. */
export function ticksIn(doc: Uint8Array): number {
  unpacker.reset(doc);
  return unpacker.varint();
}

/** One meter of the block that ends at `at`; `undefined`: there is nothing of it. */
export function unpackRollup(doc: Uint8Array, word: number, at: number): Rollup | undefined {
  unpacker.reset(doc);
  const ticks = unpacker.varint();
  const coveredS = unpacker.number();
  const seen: Seen = {
    whole: unpacker.varint(),
    sources: unpacker.varint(),
    leastCoveredS: unpacker.number(coveredS),
    intervalS: unpacker.number(),
  };
  for (let place = unpacker.at; place < doc.length; ) {
    // A word below 128 is its byte: nearly all are.
    let own = doc[place++] ?? 0;
    if (own >= 128) {
      unpacker.at = place - 1;
      own = unpacker.varint();
      place = unpacker.at;
    }
    const length = doc[place++] ?? 0;
    if (own > word) return undefined;
    if (own === word) {
      unpacker.at = place;
      unpacker.until(place + length);
      return { at, ...unpackOne(ticks, coveredS), ...seen };
    }
    place += length;
  }
  return undefined;
}

function unpackOne(ticks: number, coveredS: number): Omit<Rollup, "at" | keyof Seen> {
  const tag = unpacker.byte() ^ CONSTANT;
  const count = tag & FEWER ? unpacker.varint() : ticks;
  const first = unpacker.number();
  let [last, min, max] = [first, first, first];
  if (!(tag & CONSTANT)) {
    last = unpacker.number(first);
    min = tag & MIN_FIRST ? first : tag & MIN_LAST ? last : unpacker.number(first);
    max = tag & MAX_FIRST ? first : tag & MAX_LAST ? last : unpacker.number(first);
  }
  const sum = tag & SUMMED ? unpacker.number(first * count) : first * count;
  const grown = tag & GREW ? { increase: unpacker.number(last - first), coveredS } : {};
  return { count, sum, min, max, first, last, ...grown };
}
