/** What a query answers: rows of columns, read by name. */

/** One series of an answer, checked. */
export interface Series {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

/** One row of an answer. */
export interface Point {
  /** Epoch ms. */
  readonly at: number;
  /** By name of a column, of a tag too; `undefined`: it is not there. */
  field(name: string): unknown;
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
}

/** Rows of all series of an answer. Those without a time are left out. */
export function pointsOf(answer: readonly Series[]): Point[] {
  return answer.flatMap(({ columns, values, tags }) => {
    const places = new Map(columns.map((name, place) => [name, place]));
    const time = places.get("time") ?? 0;
    return values.flatMap((row): Point[] => {
      const at = row[time];
      if (typeof at !== "number") return [];
      const field = (name: string) => {
        const place = places.get(name);
        return (place === undefined ? tags[name] : row[place]) ?? undefined;
      };
      return [{ at, field, columns, values: row }];
    });
  });
}

/** A field that must be a number. */
export function numberOf(point: Point, name: string): number {
  const value = point.field(name);
  if (typeof value !== "number") throw new Error(`a point has no ${name}`);
  return value;
}

/** A field or tag that must be a text. */
export function textOf(point: Point, name: string): string {
  const value = point.field(name);
  if (typeof value !== "string") throw new Error(`a point has no ${name}`);
  return value;
}
