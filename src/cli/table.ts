import { printableLine } from "./printable.ts";

/** Rows as an aligned table with a header, each column as wide as its widest cell. Empty rows print the header alone. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows.map((row) => row.map(printableLine))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A quantity as people say it, three digits of it: `31.2 kB/s/server`, `4 member`, `12.5 %`. */
export function formatQuantity(value: number, unit: string): string {
  const rounded = Number(value.toPrecision(3));
  const [shown, prefix] = /^(B|request|connection|session|response)/.test(unit) ? withPrefix(rounded) : [rounded, ""];
  const digits = String(Number(shown.toPrecision(3)));
  return unit.startsWith("B") ? `${digits} ${prefix}${unit}` : `${digits}${prefix} ${unit}`;
}

function withPrefix(value: number): [number, string] {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9) return [value / 1e9, "G"];
  if (magnitude >= 1e6) return [value / 1e6, "M"];
  return magnitude >= 1e3 ? [value / 1e3, "k"] : [value, ""];
}
