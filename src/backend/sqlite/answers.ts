/** Rows of `answer`: what one source said of single rows of a cluster at a tick. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RowPoint, RowRecord } from "../../seriesPorts.ts";
import type { Numbers } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import type { Resources } from "./resources.ts";
import { packRows, parseShape, partsIn, type Shape, unpackRows } from "./rowDoc.ts";
import type { Sums } from "./sums.ts";
import { damagedRead } from "./sums.ts";
import { eachNumber } from "./tickRows.ts";
import type { Words } from "./words.ts";

/** Writes answers. */
export class AnswerWriter {
  readonly #sums: Sums<MetricsTable>;
  readonly #words: Words;
  readonly #resources: Resources;
  readonly #put: StatementSync;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, words: Words, resources: Resources) {
    this.#sums = sums;
    this.#words = words;
    this.#resources = resources;
    this.#put = database.prepare("INSERT OR REPLACE INTO answer VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  }

  write(cluster: number, { source, tick, coveredS, gap, rows }: RowRecord): void {
    const word = this.#words.idOf(source);
    const { number, at } = tick;
    const docs = packRows(rows.map((row) => this.#resources.numbered(cluster, word, row, at)));
    docs.forEach((doc, part) => {
      this.#put.run(...this.#sums.sealed("answer", number, cluster, word, part, at, coveredS, gap ? 1 : 0, doc));
    });
  }
}

/** A point, and the resource that it is of. */
export interface NumberedPoint {
  readonly resource: number;
  readonly point: RowPoint;
}

/** Looks up what was said of a cluster's rows at single ticks; each answer is verified. */
export class AnswerReader {
  readonly #sums: Sums<MetricsTable>;
  readonly #words: Words;
  readonly #at: StatementSync;
  readonly #within: StatementSync;
  readonly #shapes = new Map<number, Shape>();

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, words: Words) {
    this.#sums = sums;
    this.#words = words;
    this.#at = database.prepare("SELECT * FROM answer WHERE number = ? AND cluster = ? ORDER BY source, part");
    this.#at.setReturnArrays(true);
    this.#within = database.prepare(eachNumber("answer.*", "answer"));
    this.#within.setReturnArrays(true);
  }

  /** Points of some resources at a tick. `nameOf`: the resource's name; `undefined`: it is not asked for. */
  pointsAt(number: number, cluster: number, nameOf: (resource: number) => string | undefined): NumberedPoint[] {
    return this.#pointsOf(this.#at.all(number, cluster), nameOf);
  }

  /** The same of all ticks from one number to another, in order. */
  pointsWithin(
    { first, last }: Numbers,
    cluster: number,
    nameOf: (resource: number) => string | undefined,
  ): NumberedPoint[] {
    return this.#pointsOf(this.#within.all(first, last, cluster), nameOf);
  }

  #pointsOf(rows: readonly unknown[], nameOf: (resource: number) => string | undefined): NumberedPoint[] {
    const points: NumberedPoint[] = [];
    const shapeOf = (id: number) => this.#shapeOf(id);
    const isWanted = (id: number) => nameOf(id) !== undefined;
    let parts = 0;
    for (const row of rows) {
      const values = row as readonly unknown[];
      const [number, , source, part, at, covered, gap, doc, sum] = values;
      if (!(doc instanceof Uint8Array) || sum !== this.#sums.of("answer", values.slice(0, -1)))
        throw damagedRead("a row of answer is not what was written");
      if (part === 0) parts = partsIn(doc);
      // Left over from a longer answer of the same tick.
      if (Number(part) >= parts) continue;
      const said = {
        tick: { number: Number(number), at: Number(at) },
        source: this.#words.textOf(Number(source)),
        coveredS: Number(covered),
        ...(gap === 1 ? { gap: true as const } : {}),
      };
      for (const { resource, row: sample } of unpackRows(doc, part === 0, shapeOf, isWanted)) {
        points.push({ resource, point: { ...said, row: { resource: nameOf(resource) ?? "", ...sample } } });
      }
    }
    return points;
  }

  #shapeOf(id: number): Shape {
    const known = this.#shapes.get(id) ?? parseShape(this.#words.textOf(id));
    this.#shapes.set(id, known);
    return known;
  }
}
