import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDump } from "../../src/collector/dump.ts";
import { ExpositionReader } from "../../src/collector/exposition.ts";
import { metricNamed } from "../../src/collector/metricNames.ts";
import { MetricsReader } from "../../src/collector/metricsReader.ts";
import type { Dump } from "../../src/collector/rows.ts";
import { COLUMNS } from "../../src/collector/rows.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url));

/** A text read in pieces of so many bytes. */
function read(text: string | Buffer, piece = 1 << 16) {
  const reader = new MetricsReader();
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
  return reader.end();
}

function dumpOf(text: string | Buffer, piece?: number): Dump {
  const answer = read(text, piece);
  if (!answer.ok) throw new Error(answer.reason);
  return answer.dump;
}

/** Every row with its status, mode and numbers, by name. */
function rowsOf(dump: Dump, columns: readonly string[] = [...COLUMNS, "status", "mode"]) {
  return Object.fromEntries(
    dump.rows
      .filter((row) => row.kind !== "listener")
      .map((row) => [
        `${row.proxy}/${row.server}/${row.kind}`,
        Object.fromEntries(columns.map((name) => [name, row.column(name)]).filter(([, text]) => text !== "")),
      ]),
  );
}

/**
 * Averages of so few requests the exporter gets wrong. Of a server the exporter says no `act`, `bck` and `req_tot`, and
 * `show stat` prints a 0 for the requests of a frontend in TCP mode.
 */
function comparable(dump: Dump) {
  const rows = Object.entries(rowsOf(dump)).filter(([key]) => !key.startsWith("metrics/"));
  return Object.fromEntries(
    rows.map(([key, row]) => {
      const isLeft = (name: string) =>
        /^[qcrt]time$/.test(name) ||
        (key.endsWith("/server") && /^(act|bck|req_tot)$/.test(name)) ||
        (row.mode === "tcp" && name === "req_tot");
      return [key, Object.fromEntries(Object.entries(row).filter(([name]) => !isLeft(name)))];
    }),
  );
}

describe("HAProxy's exporter", () => {
  it("says of every row what show stat says", () => {
    const csv = parseDump(fixture("kolla.txt"));
    if (!csv.ok) throw new Error(csv.reason);
    const metrics = dumpOf(fixture("kolla-metrics.txt"));
    expect(comparable(metrics)).toEqual(comparable(csv.dump));
    expect(Object.keys(rowsOf(metrics))).toHaveLength(13);
    expect(metrics.process).toEqual({
      pid: undefined,
      uptimeS: 695,
      startTimeS: 1_795_217_390,
      version: "2.6.12-1+deb12u4",
    });
    expect(metrics.skipped).toBe(0);
  });

  it("is the same in whatever pieces it comes", () => {
    const whole = rowsOf(dumpOf(fixture("kolla-metrics.txt")));
    for (const piece of [1, 7, 100, 4096]) expect(rowsOf(dumpOf(fixture("kolla-metrics.txt"), piece))).toEqual(whole);
  });

  it("before 2.4 states are numbers", () => {
    const text = [
      'haproxy_frontend_status{proxy="web"} 1',
      'haproxy_frontend_status{proxy="off"} 0',
      'haproxy_backend_status{proxy="web"} 0',
      ...[0, 1, 2, 3, 4].map((state) => `haproxy_server_status{proxy="web",server="s${state}"} ${state}`),
    ].join("\n");
    const rows = rowsOf(dumpOf(`${text}\n`), ["status"]);
    expect(Object.values(rows).map(({ status }) => status)).toEqual([
      "OPEN",
      "STOP",
      "DOWN",
      "DOWN",
      "UP",
      "MAINT",
      "DRAIN",
      "NOLB",
    ]);
  });

  it("since 2.4 the state is the one that is 1", () => {
    const text = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"]
      .map((state) => `haproxy_server_status{proxy="web",server="s",state="${state}"} ${state === "DRAIN" ? 1 : 0}\n`)
      .join("");
    expect(rowsOf(dumpOf(text), ["status"])).toEqual({ "web/s/server": { status: "DRAIN" } });
  });

  it("averages of fewer requests than they are made of are left out", () => {
    const text = (sessions: number) =>
      [
        `haproxy_server_sessions_total{proxy="p",server="s"} ${sessions}`,
        'haproxy_server_response_time_average_seconds{proxy="p",server="s"} 0.002',
        "",
      ].join("\n");
    expect(rowsOf(dumpOf(text(1023)), ["rtime"])).toEqual({ "p/s/server": {} });
    expect(rowsOf(dumpOf(text(1024)), ["rtime"])).toEqual({ "p/s/server": { rtime: "2" } });
  });

  it("a server whose checks are not counted has none", () => {
    const rows = dumpOf(
      [
        'haproxy_server_status{proxy="p",server="a",state="UP"} 1',
        'haproxy_server_status{proxy="p",server="b",state="UP"} 1',
        'haproxy_server_check_failures_total{proxy="p",server="a"} 0',
        'haproxy_server_check_failures_total{proxy="p",server="b"} NaN',
        "",
      ].join("\n"),
    );
    expect(Object.values(rowsOf(rows, ["status"])).map(({ status }) => status)).toEqual(["UP", "no check"]);
  });

  it("counters keep every digit, seconds become milliseconds, and NaN says nothing", () => {
    const text = [
      'haproxy_frontend_bytes_in_total{proxy="p"} 18446744073709550000',
      'haproxy_frontend_bytes_out_total{proxy="p"} 1.5e+06',
      'haproxy_frontend_limit_sessions{proxy="p"} NaN',
      'haproxy_backend_response_time_average_seconds{proxy="p"} 0.023000',
      "",
    ].join("\n");
    expect(rowsOf(dumpOf(text), ["bin", "bout", "slim", "rtime"])).toEqual({
      "p/FRONTEND/frontend": { bin: "18446744073709550000", bout: "1500000" },
      "p/BACKEND/backend": { rtime: "23" },
    });
  });
});

describe("Octavia's listener", () => {
  const LISTENER = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
  const POOL = `c832ed78-539a-4e4a-a2e8-ae8fcf3f383c:${LISTENER}`;
  /** What Octavia makes of HAProxy's metrics: it renames them and their labels, and leaves out what it has no word for. */
  const asOctavia = (text: string) =>
    text
      .split("\n")
      .filter((line) => !/haproxy_(process|.*internal_errors|.*_uweight|.*agg_|server_check_status)/.test(line))
      .map((line) =>
        line.startsWith("haproxy_frontend_")
          ? line.replace("haproxy_frontend_", "octavia_listener_").replace("proxy=", "listener=")
          : line
              .replace("haproxy_backend_server_aborts", "octavia_pool_member_aborts")
              .replace("haproxy_backend_active_servers", "octavia_pool_active_members")
              .replace("haproxy_backend_backup_servers", "octavia_pool_backup_members")
              .replace("haproxy_backend_", "octavia_pool_")
              .replace("haproxy_server_", "octavia_member_")
              .replace("proxy=", "pool=")
              .replace("server=", "member="),
      )
      .join("\n");

  it("says the same in other words, and nothing of the process", () => {
    const text = fixture("kolla-metrics.txt").toString("latin1");
    const renamed = dumpOf(asOctavia(text));
    expect(rowsOf(renamed)).toEqual(rowsOf(dumpOf(text)));
    expect(renamed.process).toEqual({ pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" });
  });

  it("says itself when it is whole, and HAProxy's own exporter does not", () => {
    const isSurelyWhole = (text: string) => {
      const reader = new MetricsReader();
      reader.push(Buffer.from(text, "latin1"));
      return reader.isSurelyWhole;
    };
    const text = fixture("kolla-metrics.txt").toString("latin1");
    const whole = asOctavia(text);
    expect(isSurelyWhole(text)).toBe(false);
    expect(isSurelyWhole(whole)).toBe(true);
    const lines = whole.split("\n");
    const end = lines.findIndex((line) => line.startsWith("octavia_member_idle_connections_limit"));
    for (let at = 0; at < end; at += 7) expect(isSurelyWhole(`${lines.slice(0, at).join("\n")}\n`)).toBe(false);
    const listener = `octavia_listener_bytes_in_total{listener="${LISTENER}"} 10\n`;
    const pool = (members: number) =>
      `octavia_pool_active_members{pool="${POOL}"} ${members}\noctavia_pool_weight{pool="${POOL}"} 1\n`;
    expect(isSurelyWhole(listener)).toBe(false);
    expect(isSurelyWhole(listener + pool(0))).toBe(true);
    expect(isSurelyWhole(listener + pool(2))).toBe(false);
  });

  it("names rows as HAProxy of an amphora does", () => {
    const text = [
      "octavia_loadbalancer_cpu 1.2",
      `octavia_listener_bytes_in_total{listener="${LISTENER}"} 10`,
      `octavia_pool_active_members{pool="${POOL}"} 2`,
      `octavia_member_status{pool="${POOL}",member="m1",state="MAINT"} 1`,
      "",
    ].join("\n");
    expect(rowsOf(dumpOf(text), ["bin", "act", "status"])).toEqual({
      [`${LISTENER}/FRONTEND/frontend`]: { bin: "10" },
      [`${POOL}/BACKEND/backend`]: { act: "2" },
      [`${POOL}/m1/server`]: { status: "MAINT" },
    });
  });
});

describe("what is no answer", () => {
  it.each([
    ["", "empty"],
    ["node_cpu_seconds_total 5\n", "not_stats"],
    ['haproxy_frontend_bytes_in_total{proxy="p"} 1\nhaproxy_frontend_bytes_in_total{proxy="q"} 1', "truncated"],
    ['haproxy_process_nbproc 4\nhaproxy_frontend_bytes_in_total{proxy="p"} 1\n', "nbproc"],
  ])("%j is refused", (text, code) => {
    expect(read(text)).toMatchObject({ ok: false, code });
  });

  it("lines that are broken are skipped and counted, those of others are not looked at", () => {
    const text = [
      'haproxy_frontend_bytes_in_total{proxy="p"} 7',
      'haproxy_frontend_bytes_in_total{proxy="q} 7',
      "haproxy_frontend_bytes_in_total{proxy=p} 7",
      'haproxy_frontend_bytes_in_total{proxy="r"}',
      "other_metric{{{{",
      "# HELP haproxy_frontend_bytes_in_total{ broken on purpose",
      "",
    ].join("\n");
    const dump = dumpOf(text);
    expect(dump.skipped).toBe(3);
    expect(rowsOf(dump, ["bin"])).toEqual({ "p/FRONTEND/frontend": { bin: "7" } });
  });

  it("metrics of names that every object has are nobody's", () => {
    const names = ["constructor", "toString", "__proto__", "hasOwnProperty"];
    const words = ["", "haproxy_frontend_", "haproxy_server_", "octavia_member_", "octavia_pool_http_"];
    const lines = words.flatMap((word) => names.map((name) => `${word}${name}{proxy="p",server="s"} 1`));
    const state = 'haproxy_frontend_status{proxy="p",state="constructor"} 1';
    const dump = dumpOf([...lines, state, 'haproxy_frontend_bytes_in_total{proxy="p"} 7', ""].join("\n"));
    expect(rowsOf(dump, ["bin", "status"])).toEqual({ "p/FRONTEND/frontend": { bin: "7", status: "constructor" } });
    expect(dump.process).toEqual({ pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" });
    for (const name of names) expect(metricNamed(name)).toBeUndefined();
  });

  it("rows of very long names are skipped, and counted once each", () => {
    const [fits, long] = ["n".repeat(256), "n".repeat(257)];
    const names = [fits, long, `${long}x`];
    const lines = ["bytes_in_total", "bytes_out_total", "weight"].flatMap((word) => [
      ...names.map((name) => `haproxy_backend_${word}{proxy="${name}"} 7`),
      ...names.map((name) => `haproxy_server_${word}{proxy="p",server="${name}"} 7`),
    ]);
    const dump = dumpOf(`${lines.join("\n")}\n`);
    expect(Object.keys(rowsOf(dump))).toEqual([`${fits}/BACKEND/backend`, `p/${fits}/server`]);
    expect(dump.skipped).toBe(4);
  });

  it("rows without number are refused", () => {
    const reader = new MetricsReader();
    for (let n = 0; n < 300 && !reader.isRefused; n++) {
      const lines = Array.from(
        { length: 1000 },
        (_, one) => `haproxy_frontend_bytes_in_total{proxy="${n}_${one}"} 7\n`,
      );
      reader.push(Buffer.from(lines.join("")));
    }
    expect(reader.end()).toEqual({ ok: false, code: "too_large", reason: "there are more than 200000 rows" });
  });

  it("a line without an end takes no memory, and the next one is read", () => {
    const reader = new MetricsReader();
    const junk = Buffer.alloc(65_536, 0x61);
    for (let n = 0; n < 200; n++) reader.push(junk);
    reader.push(Buffer.from('\nhaproxy_frontend_bytes_in_total{proxy="p"} 7\n'));
    const answer = reader.end();
    expect(answer).toMatchObject({ ok: true });
    expect(answer.ok && answer.dump.skipped).toBe(1);
  });
});

describe("the text format", () => {
  it("reads back whatever labels and values are written, in whatever pieces", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", '"', "\\", "\n", "}", "{", ",", " ", "=") });
    const name = fc.stringMatching(/^[a-z_]{1,8}$/);
    const sample = fc.record({ labels: fc.dictionary(name, text, { maxKeys: 4 }), value: fc.nat() });
    const quoted = (value: string) => value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
    const runs = process.env.TOCSIN_TEST_FULL ? 5000 : 200;
    fc.assert(
      fc.property(fc.array(sample), fc.integer({ min: 1, max: 50 }), (samples, piece) => {
        const lines = samples.map(({ labels, value }) => {
          const inside = Object.entries(labels).map(([key, one]) => `${key}="${quoted(one)}"`);
          return `metric{${inside.join(",")}} ${value}\n`;
        });
        const bytes = Buffer.from(lines.join(""), "latin1");
        const seen: unknown[] = [];
        const reader = new ExpositionReader(
          (metric) => metric,
          (_metric, labels, value) => seen.push({ labels: Object.fromEntries(labels), value: Number(value) }),
        );
        for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
        expect(reader.end()).toEqual({ skipped: 0, whole: true });
        expect(seen).toEqual(samples.map(({ labels, value }) => ({ labels: { ...labels }, value })));
      }),
      { numRuns: runs },
    );
  });

  it("never fails, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const reader = new MetricsReader();
        for (const chunk of chunks) reader.push(chunk);
        reader.end();
      }),
      { numRuns: process.env.TOCSIN_TEST_FULL ? 20_000 : 300 },
    );
  });
});
