/** What `/query` answers, checked: it comes from outside. */

import { TocsinError } from "../../lib/errors.ts";
import type { Series } from "./points.ts";

/** Longest reason that is told. */
const MOST_REASON = 300;

/** Why, in the server's own words, of a body of any kind; on one line. */
export function reasonIn(text: string): string {
  const parsed = jsonOf(text);
  const { error, message } = isMap(parsed) ? parsed : {};
  const said = typeof error === "string" ? error : typeof message === "string" ? message : text;
  const line = said.replace(/[\p{Cc}\s]+/gu, " ").trim();
  return line === "" ? "no reason is given" : line.length > MOST_REASON ? `${line.slice(0, MOST_REASON)}…` : line;
}

/**
 * The answers of so many statements. Throws `E672` where there is no such database, `E673` where it is no such answer or a
 * statement failed, `E674` where it comes from something that has no InfluxQL.
 */
export function checkedAnswer(status: number, text: string, statements: number): readonly (readonly Series[])[] {
  const parsed = jsonOf(text);
  const results = isMap(parsed) ? parsed.results : undefined;
  if (!Array.isArray(results)) {
    if (status === 404 && !isMap(parsed)) throw noInfluxql();
    throw failed(isMap(parsed) ? reasonIn(text) : `status ${status} and no JSON`);
  }
  const answers: (readonly Series[])[] = Array.from({ length: statements }, () => []);
  for (const [place, result] of results.entries()) {
    if (!isMap(result)) throw failed("a result that is none");
    if (typeof result.error === "string") throw failed(result.error);
    const at = typeof result.statement_id === "number" ? result.statement_id : place;
    const series = Array.isArray(result.series) ? result.series.map(seriesOf) : [];
    // VictoriaMetrics says to whatever it is asked which databases there are.
    if (series.some(({ name }) => name === "databases")) throw noInfluxql();
    if (at in answers) answers[at] = [...(answers[at] ?? []), ...series];
  }
  return answers;
}

function seriesOf(value: unknown): Series {
  if (!isMap(value) || !Array.isArray(value.columns) || !value.columns.every(isText))
    throw failed("a series that is none");
  const values = value.values ?? [];
  const areRows = Array.isArray(values) && values.every((row): row is readonly unknown[] => Array.isArray(row));
  if (!areRows) throw failed("a series without rows");
  const tags: Record<string, string> = {};
  for (const [name, tag] of Object.entries(isMap(value.tags) ? value.tags : {})) if (isText(tag)) tags[name] = tag;
  return { name: isText(value.name) ? value.name : "", tags, columns: value.columns, values };
}

function failed(reason: string): TocsinError {
  const said = reasonIn(reason);
  if (/database not found|could not find bucket|bucket .*not found|no dbrp|database .*not found/i.test(said))
    return new TocsinError("E672", `the store of series has no such database: ${said}`);
  return new TocsinError("E673", `the store of series cannot answer: ${said}`);
}

function noInfluxql(): TocsinError {
  return new TocsinError("E674", "the store of series has no InfluxQL: series are written to it, and cannot be read");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
