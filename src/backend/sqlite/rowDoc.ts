/**
 * Rows of one answer as bytes: of each its resource, its shape (which numbers it has) and its numbers. Rows of one kind
 * nearly always have the same shape: it is a word.
 */

import type { MemberState } from "../../model/meters.ts";
import type { MeanPart, RowKind, RowSample } from "../../model/tick.ts";
import { Packer, Unpacker } from "./packing.ts";

/** Names of the numbers of a row, in its order. */
export interface Shape {
  readonly kind: RowKind;
  readonly increases: readonly string[];
  readonly sums: readonly string[];
  readonly means: readonly string[];
}

/** In the order of their numbers in files, from 1 on. */
const STATES: readonly MemberState[] = ["up", "standby", "draining", "down", "maint", "unknown"];

/** Longest document, bytes, but for a single row: what no longer fits a page beside others costs a page of its own. */
const LONGEST = 900;

export function shapeOfRow({ kind, increases, sums, means }: RowSample): Shape {
  return { kind, increases: Object.keys(increases), sums: Object.keys(sums), means: Object.keys(means) };
}

/** Whether a row has just the numbers of a shape. */
export function hasShape(row: RowSample, { kind, increases, sums, means }: Shape): boolean {
  return row.kind === kind && has(row.increases, increases) && has(row.sums, sums) && has(row.means, means);
}

function has(part: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  let at = 0;
  for (const name in part) if (names[at++] !== name) return false;
  return at === names.length;
}

export function shapeText({ kind, increases, sums, means }: Shape): string {
  return JSON.stringify([kind, increases, sums, means]);
}

export function parseShape(text: string): Shape {
  const [kind, increases, sums, means] = JSON.parse(text) as [RowKind, string[], string[], string[]];
  return { kind, increases, sums, means };
}

/** A row with the numbers of its resource and its shape. */
export interface NumberedRow {
  readonly row: RowSample;
  readonly resource: number;
  readonly shapeId: number;
  readonly shape: Shape;
}

const packer = new Packer();

/** One document, or several where it would be too long. The first byte of the first says how many. */
export function packRows(rows: readonly NumberedRow[]): readonly Uint8Array[] {
  const docs: Uint8Array[] = [];
  packer.clear();
  packer.varint(1);
  for (const one of rows) {
    packRow(one);
    if (packer.length < LONGEST) continue;
    docs.push(packer.take());
    packer.clear();
  }
  if (packer.length > 0) docs.push(packer.take());
  const [first] = docs;
  if (!first || docs.length === 1) return docs;
  packer.clear();
  packer.varint(docs.length);
  return [Buffer.concat([packer.take(), first.subarray(1)]), ...docs.slice(1)];
}

function packRow({ row, resource, shapeId, shape }: NumberedRow): void {
  packer.varint(resource);
  packer.varint(shapeId);
  packer.byte(row.state === undefined ? 0 : STATES.indexOf(row.state) + 1);
  for (const name of shape.increases) packer.number(row.increases[name] ?? 0);
  for (const name of shape.sums) packer.number(row.sums[name] ?? 0);
  for (const name of shape.means) {
    const { sum = 0, weight = 0 } = row.means[name] ?? {};
    packer.number(weight);
    packer.number(sum);
  }
}

/** A row, and the number of its resource. */
export interface UnpackedRow {
  readonly resource: number;
  readonly row: Omit<RowSample, "resource">;
}

/** How many documents make up the answer whose first one this is. */
export function partsIn(doc: Uint8Array): number {
  return new Unpacker(doc).varint();
}

/** Rows of one document. `isWanted`: those of other resources are passed over. */
export function unpackRows(
  doc: Uint8Array,
  isFirst: boolean,
  shapeOf: (id: number) => Shape,
  isWanted: (resource: number) => boolean,
): readonly UnpackedRow[] {
  const unpacker = new Unpacker(doc);
  if (isFirst) unpacker.varint();
  const rows: UnpackedRow[] = [];
  while (!unpacker.isAtEnd) {
    const resource = unpacker.varint();
    const shape = shapeOf(unpacker.varint());
    const state = STATES[unpacker.byte() - 1];
    if (isWanted(resource))
      rows.push({ resource, row: { kind: shape.kind, ...partsOf(shape, unpacker), ...(state ? { state } : {}) } });
    else unpacker.skip(shape.increases.length + shape.sums.length + 2 * shape.means.length);
  }
  return rows;
}

function partsOf(
  { increases, sums, means }: Shape,
  unpacker: Unpacker,
): Pick<RowSample, "increases" | "sums" | "means"> {
  const numbers = (names: readonly string[]) => {
    const all: Record<string, number> = {};
    for (const name of names) all[name] = unpacker.number();
    return all;
  };
  const parts = { increases: numbers(increases), sums: numbers(sums) };
  const pairs: Record<string, MeanPart> = {};
  for (const name of means) {
    const weight = unpacker.number();
    pairs[name] = { sum: unpacker.number(), weight };
  }
  return { ...parts, means: pairs };
}
