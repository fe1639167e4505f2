/** A series in one line: how it went, not how much. */

const BLOCKS = "▁▂▃▄▅▆▇█";
/** For terminals that know no more: each higher or darker than the one before. */
const PLAIN = "_.-:=+*#";

/** Widest line, columns. */
const MOST_COLUMNS = 72;

/**
 * One column for each value; where there are too many, for the highest of so many neighbours, so that no peak is lost.
 * The lowest mark is 0, or the lowest value where there are some below 0: 1000 beside 1001 is no fall. Gaps (`null`) are spaces. Empty where there is no value.
 */
export function sparkline(values: readonly (number | null)[], isPlain: boolean): string {
  const ladder = [...(isPlain ? PLAIN : BLOCKS)];
  const columns = shrunk(values);
  const known = columns.filter((value) => value !== null);
  if (known.length === 0) return "";
  const low = known.reduce((a, b) => Math.min(a, b));
  const floor = Math.min(0, low);
  const high = known.reduce((a, b) => Math.max(a, b));
  const stepOf = (value: number) =>
    // What never changes is neither high nor low, but nothing is nothing.
    high === low
      ? high === 0
        ? 0
        : 3
      : Math.min(ladder.length - 1, Math.floor(((value - floor) / (high - floor)) * ladder.length));
  return columns.map((value) => (value === null ? " " : ladder[stepOf(value)])).join("");
}

function shrunk(values: readonly (number | null)[]): readonly (number | null)[] {
  const each = Math.ceil(values.length / MOST_COLUMNS);
  if (each <= 1) return values;
  return Array.from({ length: Math.ceil(values.length / each) }, (_, column) =>
    values
      .slice(column * each, (column + 1) * each)
      .reduce((most, value) => (value === null || (most !== null && most >= value) ? most : value), null),
  );
}
