import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseDump } from "../../src/collector/dump.ts";
import { hasServerRows } from "../../src/config/serverRows.ts";
import { METERS } from "../../src/model/meters.ts";

/** Columns that the server rows of a real dump fill, and those that they leave empty. */
function columns(name: string): { filled: Set<string>; empty: Set<string> } {
  const answer = readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url), "utf8");
  const parsed = parseDump(answer);
  if (!parsed.ok) throw new Error(parsed.reason);
  const servers = parsed.dump.rows.filter(({ kind }) => kind === "server");
  const wanted = METERS.flatMap((meter) =>
    "columns" in meter ? meter.columns : "column" in meter ? [meter.column] : [],
  );
  const filled = new Set(wanted.filter((column) => servers.some((row) => row.column(column) !== "")));
  return { filled, empty: new Set(wanted.filter((column) => !filled.has(column))) };
}

describe.each(["octavia-amphora-a.txt", "statuses.txt"])("a real dump, %s", (name) => {
  it("has the columns of every meter that may be read per server, and of no other", () => {
    const { filled } = columns(name);
    for (const meter of METERS) {
      const own = "columns" in meter ? meter.columns : "column" in meter ? [meter.column] : undefined;
      if (own)
        expect([meter.name, hasServerRows(meter.name)]).toEqual([meter.name, own.every((one) => filled.has(one))]);
    }
    expect([...columns(name).empty].sort()).toEqual(["dcon", "dreq", "dses", "ereq"]);
  });
});

it.each([
  ["network.services.lb.incoming.bytes.rate", true],
  ["network.services.lb.active.connections", true],
  ["network.services.lb.response.time", true],
  ["network.services.lb.responses.5xx.ratio", true],
  ["network.services.lb.request_errors.rate", false],
  ["network.services.lb.denied", false],
  ["network.services.lb.members.up", false],
  ["tocsin.source.age", false],
  ["nothing", false],
])("%s per server: %s", (name, expected) => expect(hasServerRows(name)).toBe(expected));
