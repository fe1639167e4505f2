/** `input_series` of a test: which meter of which source or server, and its values. */

import { closest } from "../lib/closest.ts";
import type { Meter } from "../model/meters.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { TestPlace } from "./testChecks.ts";
import type { TestFields } from "./testSchema.ts";

/** How values are written, and what they become: passed in, since whoever plays tests knows it. */
export interface SeriesReader<Value> {
  readonly expand: (
    text: string,
  ) =>
    | { readonly ok: true; readonly values: readonly Value[] }
    | { readonly ok: false; readonly character: number; readonly message: string };
  /** Meters that a series of this meter feeds: two series must not feed the same. */
  readonly feeds: (meter: string) => readonly string[];
}

interface Selected {
  readonly meter: string;
  readonly source: string | undefined;
  readonly server: string | undefined;
}

/** Reads the series of a test; what is wrong is added to the file's diagnostics. */
export function readSeries<Value>(
  { file, place }: TestPlace,
  { input_series: written = [], sources = ["haproxy"] }: TestFields,
  { expand, feeds }: SeriesReader<Value>,
) {
  const fedBy = new Map<string, string>();
  return written.flatMap(({ series, values }, index) => {
    const path = [...place, "input_series", index];
    const selected = select(series);
    if (typeof selected === "string") {
      file.error([...path, "series"], "E103", `"series": ${selected}`, 'write meter{source="…", server="…"}');
      return [];
    }
    const { meter, source, server } = selected;
    const wrong = wrongMeter(meter);
    if (wrong) file.error([...path, "series"], ...wrong);
    if (source !== undefined && !sources.includes(source))
      file.error(
        [...path, "series"],
        "E220",
        `the test has no source "${source}"`,
        `its sources are ${sources.join(", ")}`,
      );
    for (const one of feeds(meter)) {
      const key = JSON.stringify([one, source, server]);
      const other = fedBy.get(key);
      if (other !== undefined)
        file.error([...path, "series"], "E108", `this series and ${other} both say what ${one} is`);
      fedBy.set(key, series);
    }
    const expanded = expand(values);
    if (expanded.ok) return [{ meter, source, server, values: expanded.values }];
    file.error([...path, "values"], "E103", `"values": ${expanded.message} (character ${expanded.character})`);
    return [];
  });
}

function select(written: string): Selected | string {
  const match = /^\s*([A-Za-z0-9_.]+)\s*(?:\{(.*)\})?\s*$/.exec(written);
  if (!match?.[1]) return `${JSON.stringify(written)} is no meter`;
  const labels: { source?: string; server?: string } = {};
  for (const label of (match[2] ?? "").split(",")) {
    if (label.trim() === "") continue;
    const [, key, quoted, single] = /^\s*(source|server)\s*=\s*(?:"([^"]*)"|'([^']*)')\s*$/.exec(label) ?? [];
    const value = quoted ?? single;
    if ((key !== "source" && key !== "server") || !value) return `${JSON.stringify(label.trim())} is no selector`;
    labels[key] = value;
  }
  return { meter: match[1], source: labels.source, server: labels.server };
}

type Wrong = readonly [code: string, message: string, hint: string];

function wrongMeter(name: string): Wrong | undefined {
  const meter: Meter | undefined = meterNamed(name);
  if (!meter) {
    const near = closest(
      name,
      METERS.map((one) => one.name),
    );
    return [
      "E202",
      `there is no meter "${name}"`,
      near === undefined ? "docs/meters.md lists them" : `did you mean "${near}"?`,
    ];
  }
  if (meter.kind === "members") return ["E103", `${name} is counted by Tocsin`, 'say with "servers:" which there are'];
  if (meter.kind === "state")
    return ["E103", `${name} follows from the servers`, 'say with "servers:" in which state they are'];
  if (meter.kind === "change")
    return ["E103", `${name} is worked out by Tocsin`, `give ${meter.of}, whose change it is`];
  if (meter.kind === "own") return ["E103", `${name} is made by Tocsin`, 'say with "faults:" when sources are silent'];
  return undefined;
}
