/** Answers that no HAProxy gives: random bytes, and real dumps that were tampered with, cut in any way. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ParsedDump } from "../../src/collector/dump.ts";
import { DumpReader, parseDump } from "../../src/collector/dump.ts";
import { COLUMNS } from "../../src/collector/rows.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import { Tables } from "../../src/collector/tables.ts";
import { slowNumber, slowParse } from "../helpers/slowParser.ts";

/** Lines in all. */
const LINES = process.env.TOCSIN_TEST_FULL ? 1_000_000 : 100_000;

const read = (name: string) => readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url), "latin1");
const DUMPS = [
  "version-1.8.0.txt",
  "version-3.4.0.txt",
  "statuses.txt",
  "octavia-amphora-a.txt",
  "counters-64bit.txt",
].map(read);

/** Small whole numbers, the same at every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function inPieces(bytes: Buffer, next: (below: number) => number, most: number, tables?: Tables): ParsedDump {
  const reader = new DumpReader("socket", tables);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + next(most);
    reader.push(bytes.subarray(at, at + length));
    at += length;
  }
  return reader.end();
}

/** What was accepted is exactly what the slow parser reads in it. */
function expectSame(text: string, parsed: ParsedDump): void {
  if (!parsed.ok) return;
  const slow = slowParse(text);
  const { rows, skipped } = parsed.dump;
  expect({ skipped, rows: rows.map(({ proxy, server, kind }) => [proxy, server, kind]) }).toEqual({
    skipped: slow?.skipped,
    rows: slow?.rows.map(({ proxy, server, kind }) => [proxy, server, kind]),
  });
  const differing = rows.flatMap((row, at) => {
    const cells = slow?.rows[at]?.cells ?? {};
    const wanted = (column: string) => slowNumber(cells[column] ?? "");
    const numbersDiffer = COLUMNS.filter((column) => row.column(column) !== wanted(column));
    const textsDiffer = ["status", "mode", "last_chk"].filter((column) => row.column(column) !== (cells[column] ?? ""));
    return [...numbersDiffer, ...textsDiffer].map((column) => [row.proxy, row.server, column, row.column(column)]);
  });
  expect(differing).toEqual([]);
}

/** One change somewhere behind the process facts: a byte, a line, a piece. */
function tampered(text: string, next: (below: number) => number): string {
  const from = text.indexOf("# pxname");
  const at = from + next(text.length - from);
  const bytes = ['"', ",", "\n", "\r\n", "0", "9", "-", " ", "\0", "ÿ", '""', ",,", "18446744073709551616", "\n\n"];
  const byte = bytes[next(bytes.length)] ?? "";
  const lines = text.split("\n");
  const line = lines[next(lines.length)] ?? "";
  switch (next(8)) {
    case 0:
      return text.slice(0, at) + byte + text.slice(at);
    case 1:
      return text.slice(0, at) + byte + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + next(40));
    case 3:
      return text.slice(0, at);
    case 4:
      return `${text.slice(0, -1)}${line}\n\n`;
    case 5:
      return lines.toSpliced(next(lines.length), 1).join("\n");
    case 6:
      return text.slice(0, at) + text.slice(at, at + next(300)) + text.slice(at);
    default:
      return text.replaceAll("\n", "\r\n");
  }
}

describe("tampered dumps", () => {
  it(`${LINES} lines: refused with a reason, or read as they are`, { timeout: 600_000 }, () => {
    const next = numbers(7);
    let [lines, accepted, refused] = [0, 0, 0];
    const tables = new Tables();
    while (lines < LINES) {
      let text = DUMPS[next(DUMPS.length)] ?? "";
      for (let changes = 1 + next(3); changes > 0; changes--) text = tampered(text, next);
      const bytes = Buffer.from(text, "latin1");
      const parsed = inPieces(bytes, next, next(2) === 0 ? 40 : 4000, tables);
      const whole = parseDump(bytes);
      expect(whole.ok || whole.code).toBe(parsed.ok || parsed.code);
      expectSame(text, whole);
      expectSame(text, parsed);
      if (parsed.ok) accepted++;
      else {
        refused++;
        expect(parsed.reason).not.toBe("");
      }
      if (parsed.ok) tables.turn(() => next(4) === 0);
      lines += text.split("\n").length;
    }
    // It would prove nothing if all were one or the other.
    expect(accepted).toBeGreaterThan(LINES / 200);
    expect(refused).toBeGreaterThan(LINES / 400);
  });
});

describe("random bytes", () => {
  it(`${LINES} lines: never a row`, { timeout: 600_000 }, () => {
    const next = numbers(11);
    let lines = 0;
    while (lines < LINES) {
      const bytes = Buffer.from(Array.from({ length: 20_000 }, () => (next(12) === 0 ? 10 : next(256))));
      const parsed = inPieces(bytes, next, 5000);
      expect(parsed.ok || parsed.code).toMatch(/^(not_stats|html|json)$/);
      lines += bytes.filter((byte) => byte === 10).length;
    }
  });

  it("behind a good header: skipped and counted, or refused", () => {
    const header = `Pid: 1\nUptime_sec: 5\n\n${DUMPS[0]?.split("\n").find((line) => line.startsWith("# "))}\n`;
    const behind = fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(), (bytes, seed) => {
      const all = Buffer.concat([Buffer.from(header, "latin1"), bytes, Buffer.from("\n\n")]);
      const parsed = inPieces(all, numbers(seed), 50);
      expectSame(all.toString("latin1"), parsed);
      if (parsed.ok) expect(parsed.dump.rows).toEqual([]);
    });
    fc.assert(behind, { numRuns: process.env.TOCSIN_TEST_FULL ? 5000 : 300 });
  });
});

describe("bounds", () => {
  const INFO = "Pid: 1\nUptime_sec: 5\n\n";
  const HEADER = "# pxname,svname,stot,type,";

  it("100,000 rows are read", () => {
    const rows = Array.from({ length: 100_000 }, (_, at) => `web,s${at},${at},2,`).join("\n");
    const parsed = parseDump(`${INFO}${HEADER}\n${rows}\n\n`);
    if (!parsed.ok) throw new Error(parsed.reason);
    expect(parsed.dump.rows).toHaveLength(100_000);
    expect(parsed.dump.rows[99_999]?.column("stot")).toBe("99999");
    const mapped = { frontend: "web", backend: "web" };
    const none = () => ({ previous: undefined, elapsed: undefined, gap: false });
    expect(sliceDump(parsed.dump, 0, () => mapped, none).slices[0]?.rowCount).toBe(100_000);
  });

  it.each([
    {
      name: "too many rows",
      text: `${HEADER}\n${Array.from({ length: 200_001 }, (_, at) => `w,${at},1,2,\n`).join("")}\n`,
      reason: /more than 200000 rows/,
    },
    { name: "too many columns", text: `${HEADER}${"x,".repeat(1000)}\n\n`, reason: /more than 1000 columns/ },
    {
      name: "a line that never ends",
      text: `${HEADER}\nweb,${"a".repeat(70_000)}\n\n`,
      reason: /longer than 65536 bytes/,
    },
  ])("$name: too_large", ({ text, reason }) => {
    expect(parseDump(INFO + text)).toEqual({ ok: false, code: "too_large", reason: expect.stringMatching(reason) });
  });

  it("a quoted field that never ends is told from a line that is too long", () => {
    const answer = `${INFO}${HEADER}\nweb,"${"a\n".repeat(70_000)}`;
    expect(parseDump(answer)).toMatchObject({ ok: false, code: "truncated", reason: /quoted field/ });
  });

  it.each([
    { name: "names a column twice", header: "# pxname,svname,stot,type,stot,", reason: /names the column stot twice/ },
    { name: "has no type", header: "# pxname,svname,stot,", reason: /no column type/ },
  ])("a header that $name is none", ({ header, reason }) => {
    expect(parseDump(`${INFO}${header}\n\n`)).toMatchObject({ ok: false, code: "not_stats", reason });
  });

  it("what never becomes an answer is known to be none early on", () => {
    const reader = new DumpReader("socket");
    for (let pushed = 0; pushed < 16; pushed++) reader.push(Buffer.alloc(5000, "x"));
    expect(reader.isRefused).toBe(true);
    expect(reader.end()).toMatchObject({ ok: false, code: "not_stats" });
  });

  it("a header without a row is an answer of a HAProxy that has no proxies", () => {
    expect(parseDump(`${INFO}${HEADER}\n\n`)).toMatchObject({ ok: true, dump: { rows: [], skipped: 0 } });
  });

  it("names with spaces, as 1.4 wrote them, and empty lines before the header", () => {
    const parsed = parseDump(`Pid: 1\nUptime_sec: 5\n\n\n# pxname, svname, stot, type,\nweb,a,7,2,\n\n`);
    expect(parsed.ok && parsed.dump.rows.map((row) => [row.proxy, row.server, row.column("stot")])).toEqual([
      ["web", "a", "7"],
    ]);
  });
});
