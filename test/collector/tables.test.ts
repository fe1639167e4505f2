/** Tables that are used again: what a source says is the same as with new ones at every scrape. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { baselineOf, isIn, rowsOf } from "../../src/collector/baseline.ts";
import { DumpReader } from "../../src/collector/dump.ts";
import type { RowTable } from "../../src/collector/rowTable.ts";
import { COUNTER_COLUMNS } from "../../src/collector/rowTable.ts";
import { Source } from "../../src/collector/source.ts";
import { Tables } from "../../src/collector/tables.ts";
import type { Answer, Transport } from "../../src/collector/transport.ts";
import type { Baseline } from "../../src/model/tick.ts";
import { NOBODY, recordedOf, recordsOf } from "../helpers/baselines.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const text = readFileSync(new URL("../fixtures/haproxy/statuses.txt", import.meta.url), "latin1");
const HEADER = text.split("\n").find((line) => line.startsWith("# pxname")) ?? "";
const NAMES = HEADER.slice(2).split(",");

type Step =
  | { readonly kind: "rows"; readonly wait: number; readonly gone: readonly number[]; readonly extra: number }
  | { readonly kind: "back to 0" }
  | { readonly kind: "reload" }
  | { readonly kind: "twice" }
  | { readonly kind: "cut"; readonly part: number }
  | { readonly kind: "silent" }
  | { readonly kind: "other rules"; readonly rules: number }
  | { readonly kind: "other source" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("rows" as const),
      wait: fc.constantFrom(0.1, 1, 1, 1, 300),
      gone: fc.array(fc.nat(8), { maxLength: 2 }),
      extra: fc.nat(40),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "back to 0" }, { kind: "reload" }, { kind: "twice" }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), part: fc.double({ min: 0, max: 1 }) }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "silent" }, { kind: "other source" }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("other rules" as const), rules: fc.nat(3) }) },
);

/** A HAProxy of three proxies, whose servers come and go. */
class World {
  readonly clock = new FakeClock();
  #pid = 7;
  #startedMs = -50_000;
  #count = 10n;
  #extra = 0;
  #gone: readonly number[] = [];

  /** What it answers, and in what part of it the answer ends. */
  play(one: Step): { readonly answer: string } | undefined {
    let [part, isTwice] = [1, false];
    switch (one.kind) {
      case "rows":
        this.clock.advance(one.wait * 1000);
        this.#count += BigInt(Math.ceil(one.wait * 7));
        this.#gone = one.gone;
        this.#extra = one.extra;
        break;
      case "back to 0":
        this.#count = 0n;
        break;
      case "reload":
        this.#pid++;
        this.#startedMs = this.clock.monotonic();
        this.#count = 2n;
        break;
      case "twice":
        this.clock.advance(1000);
        isTwice = true;
        break;
      case "cut":
        part = one.part;
        break;
      case "silent":
        return { answer: "" };
      case "other rules":
      case "other source":
        return undefined;
    }
    const whole = this.#answer(isTwice);
    return { answer: whole.slice(0, Math.floor(whole.length * part)) };
  }

  #answer(isTwice: boolean): string {
    const uptime = ((this.clock.monotonic() - this.#startedMs) / 1000).toFixed(6);
    const rows = ["a", "b", "c"].flatMap((proxy, at) => [
      this.#row(proxy, "FRONTEND", 0, this.#count),
      ...Array.from({ length: 2 + this.#extra }, (_, number) =>
        this.#row(proxy, `s${number}`, 2, this.#count + BigInt(number) + (at === 2 ? 2n ** 60n : 0n)),
      ),
      this.#row(proxy, "BACKEND", 1, 3n * this.#count),
    ]);
    const left = rows.filter((_, at) => !this.#gone.includes(at));
    const all = isTwice ? [...left, left[0] ?? "", "no,row"] : left;
    return `Version: 2.6.1\nPid: ${this.#pid}\nUptime_sec: ${uptime}\n\n${HEADER}\n${all.join("\n")}\n\n`;
  }

  #row(proxy: string, server: string, type: number, count: bigint): string {
    const cells: Readonly<Record<string, unknown>> = {
      ...{ pxname: proxy, svname: server, type, stot: count, bin: 100n * count, scur: count % 5n, rtime: count % 9n },
      ...(type === 2 ? { chkfail: count / 3n, status: count % 4n === 0n ? "DOWN" : "UP", act: 1, weight: 1 } : {}),
      ...(count % 3n === 0n ? {} : { hrsp_2xx: count, mode: "http", econ: 1, last_chk: `"L4,${count % 2n}"` }),
    };
    return NAMES.map((name) => cells[name] ?? "").join(",");
  }
}

/** A source of these answers, which are read into tables that are used again, or into new ones. */
function sourceOf(clock: FakeClock, isReusing: boolean) {
  let next = "";
  const used = new Set<RowTable>();
  const transport: Transport = {
    address: "nowhere",
    isLocal: true,
    ask(_, tables): Promise<Answer> {
      const reader = new DumpReader("socket", isReusing ? tables : undefined);
      for (let at = 0; at < next.length; at += 1000) reader.push(Buffer.from(next.slice(at, at + 1000), "latin1"));
      const answer = reader.end();
      if (answer.ok) used.add(answer.dump.table);
      return Promise.resolve(answer);
    },
  };
  const source = new Source({
    ...{ name: "s", transport, intervalMs: 1000, timeoutMs: 500, clock, baselines: new Map<string, Baseline>() },
    clustersOf: clustersBy(0),
    readsOf: () => ({ perServer: ["network.services.lb.incoming.bytes"], counters: [] }),
    detail: "members",
  });
  const scrape = async (answer: string, number: number) => {
    next = answer;
    const { report, answered } = await source.scrape({ number, at: number });
    return { outcome: report.outcome, answered };
  };
  return { source, scrape, used };
}

/** Each proxy is of a cluster of its own, or of the next one's, or of none. */
function clustersBy(rules: number) {
  return (proxy: string) => {
    const clusterId = rules === 3 && proxy === "b" ? undefined : `cluster-${rules === 1 ? "all" : proxy}`;
    return { frontend: clusterId, backend: rules === 2 && proxy === "a" ? "cluster-b" : clusterId };
  };
}

it("a source says the same with tables that are used again", { timeout: 600_000 }, async () => {
  let [answers, tables] = [0, 0];
  const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
    const world = new World();
    const [reusing, plain] = [sourceOf(world.clock, true), sourceOf(world.clock, false)];
    for (const [number, one] of steps.entries()) {
      const said = world.play(one);
      for (const { source } of [reusing, plain]) {
        if (one.kind === "other rules") source.remap(clustersBy(one.rules));
        if (one.kind === "other source") source.forget();
      }
      if (!said) continue;
      const [got, wanted] = [await reusing.scrape(said.answer, number), await plain.scrape(said.answer, number)];
      expect(got).toEqual(wanted);
      if (wanted.outcome.ok) answers++;
    }
    tables += reusing.used.size;
  });
  await fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 3000 : 60 });
  // It would prove nothing if there were a table for each answer.
  expect(tables).toBeLessThan(answers / 2);
});

it("a baseline whose table was used again is read from its text", () => {
  const tables = new Tables();
  const read = (stot: number) => {
    const reader = new DumpReader("page", tables);
    reader.push(Buffer.from(`# pxname,svname,stot,bin,type,\nweb,FRONTEND,${stot},,0,\n`));
    const parsed = reader.end();
    if (!parsed.ok) throw new Error(parsed.reason);
    const { table } = parsed.dump;
    const facts = { process: NOBODY, at: 0, open: false };
    return baselineOf(facts, { table, rows: Int32Array.of(0) }, COUNTER_COLUMNS);
  };
  const first = read(5);
  const { table } = rowsOf(first);
  tables.turn(() => false);
  read(6);
  expect(rowsOf(first).table).toBe(table);
  tables.turn(() => false);
  expect(rowsOf(read(7)).table).toBe(table);
  expect(rowsOf(first).table).not.toBe(table);
  expect(recordsOf(first)).toEqual({ "web/FRONTEND/frontend": { stot: "5" } });
});

it("a table is used again when nothing is subtracted from it any more, and its names are kept", () => {
  const tables = new Tables();
  const seen: RowTable[] = [];
  let kept: Baseline | undefined;
  for (let number = 0; number < 6; number++) {
    const reader = new DumpReader("page", tables);
    reader.push(Buffer.from(`# pxname,svname,stot,type,\nweb,FRONTEND,${number},0,\nweb,s${number},1,2,\n`));
    const parsed = reader.end();
    if (!parsed.ok) throw new Error(parsed.reason);
    const { table } = parsed.dump;
    const facts = { process: NOBODY, at: 0, open: false };
    if (number === 1) kept = baselineOf(facts, { table, rows: Int32Array.of(0, 1) }, COUNTER_COLUMNS);
    seen.push(table);
    tables.turn((one) => kept !== undefined && isIn(kept, one));
  }
  expect(seen.map((table) => seen.indexOf(table))).toEqual([0, 1, 0, 3, 0, 3]);
  expect(kept && recordedOf(kept)).toEqual(kept && recordsOf(kept));
});
