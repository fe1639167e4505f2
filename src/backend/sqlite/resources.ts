/** Rows of HAProxy that series are kept of: each of one source, with the shapes that its samples have had. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { noEntries } from "../../lib/maps.ts";
import { metersOfRow } from "../../model/rollup.ts";
import type { RowKind, RowSample, ServerParts } from "../../model/tick.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { hasShape, parseShape, type Shape, shapeOfRow, shapeText } from "./rowDoc.ts";
import type { Sums } from "./sums.ts";
import type { Words } from "./words.ts";

export interface Resource {
  readonly id: number;
  readonly cluster: number;
  readonly name: string;
  /** Word of the source. */
  readonly source: number;
  readonly kind: RowKind;
  /** The same for all sources that have a row of this name: what rollups are kept under. */
  readonly series: number;
  readonly firstAt: number;
  lastAt: number;
  /** Words of shapes. */
  shapes: readonly number[];
}

/** A shape, and the number of its word. */
interface NumberedShape {
  readonly shapeId: number;
  readonly shape: Shape;
}

/** A resource, and the shape that its newest sample had. */
interface Known {
  readonly resource: Resource;
  newest: NumberedShape;
  /** Shapes that it has had since the start: with traffic come means, and go, at any tick. */
  readonly had: NumberedShape[];
}

export function resourceOf(row: Readonly<Record<string, unknown>>): Resource {
  return {
    id: Number(row.id),
    cluster: Number(row.cluster),
    name: String(row.name),
    source: Number(row.source),
    kind: String(row.kind) as RowKind,
    series: Number(row.series),
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
    shapes: String(row.meters).split(",").map(Number),
  };
}

/** Names of the meters that samples of some shapes have. */
export function metersOfShapes(shapes: readonly Shape[]): readonly string[] {
  const names = shapes.flatMap(({ increases, sums, means }) => {
    const of = (all: readonly string[]) => Object.fromEntries(all.map((name) => [name, 0]));
    const parts: ServerParts = { increases: of(increases), sums: of(sums), means: {} };
    return [...metersOfRow(parts), ...means];
  });
  return [...new Set(names)].sort();
}

/** The resources of the file as the one who writes them knows them. */
export class Resources {
  readonly #sums: Sums<MetricsTable>;
  readonly #words: Words;
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  /** By cluster and source, and there by name. */
  readonly #known = new Map<string, Map<string, Known>>();
  readonly #ofCluster = new Map<number, Map<number, Resource>>();
  readonly #series = new Map<string, number>();
  #newest = 0;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, words: Words) {
    this.#sums = sums;
    this.#words = words;
    this.#all = database.prepare("SELECT * FROM resource ORDER BY id");
    this.#put = database.prepare("INSERT OR REPLACE INTO resource VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM resource WHERE id = ?");
    this.reload();
  }

  reload(): void {
    this.#known.clear();
    this.#ofCluster.clear();
    this.#series.clear();
    for (const row of this.#sums.all("resource", this.#all)) {
      const resource = resourceOf(row);
      const [shapeId = 0] = resource.shapes;
      const newest = { shapeId, shape: parseShape(this.#words.textOf(shapeId)) };
      this.#know({ resource, newest, had: [newest] });
    }
  }

  *all(): Generator<Resource> {
    for (const names of this.#known.values()) for (const { resource } of names.values()) yield resource;
  }

  /** Those of a cluster, by their numbers. */
  of(cluster: number): ReadonlyMap<number, Resource> {
    return this.#ofCluster.get(cluster) ?? noEntries();
  }

  /** The numbers of a row's resource and shape; new ones where there are none yet. */
  numbered(cluster: number, source: number, row: RowSample, at: number) {
    const known = this.#known.get(`${cluster} ${source}`)?.get(row.resource) ?? this.#add(cluster, source, row, at);
    if (!hasShape(row, known.newest.shape)) this.#reshape(known, row);
    return { row, resource: known.resource.id, ...known.newest };
  }

  /** Series go on until then. */
  lasted(resource: Resource, at: number): void {
    if (at <= resource.lastAt) return;
    resource.lastAt = at;
    this.#write(resource);
  }

  forget({ id, cluster, source, name }: Resource): void {
    this.#delete.run(id);
    this.#known.get(`${cluster} ${source}`)?.delete(name);
    this.#ofCluster.get(cluster)?.delete(id);
  }

  /** The newest keeps its number from being given again. */
  isNewest({ id }: Resource): boolean {
    return id === this.#newest;
  }

  #add(cluster: number, source: number, row: RowSample, at: number): Known {
    const id = this.#newest + 1;
    const shape = shapeOfRow(row);
    const shapeId = this.#words.idOf(shapeText(shape));
    const series = this.#series.get(`${cluster} ${row.resource}`) ?? id;
    const { resource: name, kind } = row;
    const resource = { id, cluster, name, source, kind, series, firstAt: at, lastAt: at, shapes: [shapeId] };
    this.#write(resource);
    const newest = { shapeId, shape };
    return this.#know({ resource, newest, had: [newest] });
  }

  #reshape(known: Known, row: RowSample): void {
    const again = known.had.find(({ shape }) => hasShape(row, shape));
    if (again) {
      known.newest = again;
      return;
    }
    const shape = shapeOfRow(row);
    const shapeId = this.#words.idOf(shapeText(shape));
    known.newest = { shapeId, shape };
    known.had.push(known.newest);
    const { resource } = known;
    if (resource.shapes.includes(shapeId)) return;
    resource.shapes = [...resource.shapes, shapeId];
    this.#write(resource);
  }

  #know(known: Known): Known {
    const { id, cluster, source, name, series } = known.resource;
    const key = `${cluster} ${source}`;
    const names = this.#known.get(key) ?? new Map<string, Known>();
    this.#known.set(key, names.set(name, known));
    const own = this.#ofCluster.get(cluster) ?? new Map<number, Resource>();
    this.#ofCluster.set(cluster, own.set(id, known.resource));
    this.#series.set(`${cluster} ${name}`, series);
    this.#newest = Math.max(this.#newest, id);
    return known;
  }

  #write({ id, cluster, name, source, kind, series, firstAt, lastAt, shapes }: Resource): void {
    const values = [id, cluster, name, source, kind, series, firstAt, lastAt, shapes.join(",")];
    this.#put.run(...this.#sums.sealed("resource", ...values));
  }
}
