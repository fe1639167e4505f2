import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTestFile } from "../../src/config/testFile.ts";
import { feeds } from "../../src/replay/scenarioSource.ts";
import { expandSeries } from "../../src/replay/seriesNotation.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const RULES = `version: 1
cluster_id: web
haproxy: [{proxy: web}]
receivers:
  ops: {alarm_url: "http://127.0.0.1:9/hook"}
alarms:
  - name: busy
    meter_name: network.services.lb.incoming.bytes.rate
    threshold: 28000
    comparison_operator: ge
    alarm_actions: [receiver:ops, "http://127.0.0.1:9/bare"]
`;

function read(text: string, others: Readonly<Record<string, string>> = { "web.yaml": RULES }) {
  using folder = temporaryFolder();
  for (const [name, content] of Object.entries(others)) writeFileSync(join(folder.path, name), content);
  const path = join(folder.path, "web.test.yaml");
  writeFileSync(path, text);
  return readTestFile(path, {
    cwd: folder.path,
    rules: { repeatIntervalS: 60, timeoutS: 30, intervalS: 10, environment: {} },
    series: { expand: expandSeries, feeds },
  });
}

const problems = (text: string, others?: Readonly<Record<string, string>>) =>
  read(text, others).diagnostics.map(
    ({ file, line, column, code, message, hint }) =>
      `${file}:${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`,
  );

const inTest = (body: string) => `tests:\n  - name: a\n    ${body}\n`;
const series = (one: string) => inTest(`input_series: [${one}]`);
const RATE = "network.services.lb.incoming.bytes.rate";

describe("a test file", () => {
  it("takes the rules of the same name, and says what it does not say", () => {
    const { tests, diagnostics } = read("tests: [{name: a}]");
    expect(diagnostics).toEqual([]);
    expect(tests[0]).toMatchObject({
      intervalMs: 10_000,
      startMs: 1_767_225_600_000,
      sources: ["haproxy"],
      proxy: "web",
      deliveries: undefined,
      untilS: 0,
    });
  });

  it("lasts to the last time that it speaks of, or as long as its longest series", () => {
    const untilOf = (body: string) => read(inTest(body)).tests[0]?.untilS;
    expect(untilOf(`input_series: [{series: ${RATE}, values: "1x6"}]`)).toBe(60);
    expect(untilOf("alarms: [{at: 90s, name: busy}]")).toBe(90);
    expect(untilOf("restarts: [{at: 90s, down: 1m}]")).toBe(150);
    expect(untilOf("faults: [{what: lost, from: 10s, to: 2m}]")).toBe(120);
    expect(untilOf("faults: [{what: lost, from: 10s}]")).toBe(10);
    expect(untilOf("until: 5m")).toBe(300);
  });

  it("may hold the rules, or name their file", () => {
    const inline = `rules:\n${RULES.replace(/^/gm, "  ")}\ntests: [{name: a, alarms: [{at: 10s, name: busy}]}]`;
    expect(problems(inline, {})).toEqual([]);
    expect(problems("rules: other.yml\ntests: [{name: a}]", { "other.yml": RULES })).toEqual([]);
  });

  it("knows receivers that are bare URLs by their URL", () => {
    const text = inTest('deliveries: [{at: 10s, alarm: busy, receiver: "http://127.0.0.1:9/bare"}]');
    expect(problems(text)).toEqual([]);
    expect(read(text).tests[0]?.deliveries?.[0]?.receiver).toMatch(/^url-[0-9a-f]{12}$/);
  });

  it("selects a source or a server", () => {
    const text = `tests: [{name: a, sources: [lb1], input_series: [{series: '${RATE}{ source="lb1", server=''w 1'' }', values: "1 _ stale"}]}]`;
    expect(read(text).tests[0]?.inputSeries).toEqual([
      { meter: RATE, source: "lb1", server: "w 1", values: [1, "missing", "stale"] },
    ]);
  });
});

describe("every mistake, with its place and how to mend it", () => {
  it.each([
    {
      name: "an unknown key",
      text: inTest("alarm: []"),
      says: 'web.test.yaml:3:5 E102 unknown key "alarm" | did you mean "alarms"?',
    },
    {
      name: "a state that there is not",
      text: inTest("alarms: [{at: 10s, name: busy, state: alert}]"),
      says: 'web.test.yaml:3:43 E103 "state" must be one of ok, alarm, insufficient data',
    },
    {
      name: "no tests",
      text: "tests: []\n",
      says: 'web.test.yaml:1:8 E103 "tests": at least one test is needed',
    },
    {
      name: "nothing",
      text: "# later\n",
      says: "web.test.yaml:1:1 E107 the file says nothing | write tests into it, or remove it",
    },
    {
      name: "two tests of one name",
      text: "tests:\n  - name: a\n  - name: a\n",
      says: 'web.test.yaml:3:11 E203 there are two tests named "a"',
    },
    {
      name: "values that cannot be read",
      text: series(`{series: ${RATE}, values: "1 2y3"}`),
      says: `web.test.yaml:3:78 E103 "values": "2y3" is none of a, axn, a+bxn, a-bxn, _, _xn and stale (character 3)`,
    },
    {
      name: "values that YAML takes for a number",
      text: series(`{series: ${RATE}, values: 0x10}`),
      says: 'web.test.yaml:3:78 E103 "values": expected text in quotes, such as "0x10"',
    },
    {
      name: "a meter that there is not",
      text: series('{series: network.services.lb.incoming.byte.rate, values: "1"}'),
      says: `web.test.yaml:3:29 E202 there is no meter "network.services.lb.incoming.byte.rate" | did you mean "${RATE}"?`,
    },
    {
      name: "a meter that is counted from the servers",
      text: series('{series: network.services.lb.members.up, values: "1"}'),
      says: 'web.test.yaml:3:29 E103 network.services.lb.members.up is counted by Tocsin | say with "servers:" which there are',
    },
    {
      name: "a meter of Tocsin's own",
      text: series('{series: tocsin.source.age, values: "1"}'),
      says: 'web.test.yaml:3:29 E103 tocsin.source.age is made by Tocsin | say with "faults:" when sources are silent',
    },
    {
      name: "a selector that there is not",
      text: series(`{series: '${RATE}{cluster="x"}', values: "1"}`),
      says: 'web.test.yaml:3:29 E103 "series": "cluster=\\"x\\"" is no selector | write meter{source="…", server="…"}',
    },
    {
      name: "a source that the test does not have",
      text: series(`{series: '${RATE}{source="lb9"}', values: "1"}`),
      says: 'web.test.yaml:3:29 E220 the test has no source "lb9" | its sources are haproxy',
    },
    {
      name: "a counter and its rate",
      text: series(`{series: ${RATE}, values: "1"}, {series: network.services.lb.incoming.bytes, values: "1"}`),
      says: `web.test.yaml:3:93 E108 this series and ${RATE} both say what network.services.lb.incoming.bytes is`,
    },
    {
      name: "an alarm that the rules do not have",
      text: inTest("alarms: [{at: 10s, name: bussy}]"),
      says: 'web.test.yaml:3:30 E220 the rules have no alarm "bussy" | did you mean "busy"?',
    },
    {
      name: "a receiver that the rules do not have",
      text: inTest("deliveries: [{at: 10s, alarm: busy, receiver: opps}]"),
      says: 'web.test.yaml:3:51 E220 the rules have no receiver "opps" | did you mean "ops"?',
    },
    {
      name: "an expectation between two ticks",
      text: inTest("alarms: [{at: 15s, name: busy}]"),
      says: 'web.test.yaml:3:19 E103 "at": there is no tick at 15 s | a tick comes every 10 s',
    },
    {
      name: "a start between two ticks",
      text: inTest("start: 2026-11-20T00:00:05Z"),
      says: 'web.test.yaml:3:12 E103 "start" must be a multiple of the interval of 10 s | ticks fall on such times',
    },
    {
      name: "a start that is none",
      text: inTest("start: yesterday"),
      says: 'web.test.yaml:3:12 E103 "start" is an instant such as 2026-11-20T00:00:00Z, not "yesterday"',
    },
    {
      name: "a fault without a time",
      text: inTest("faults: [{what: lost}]"),
      says: "web.test.yaml:3:14 E104 a fault says at, or from and to | at: one tick; from, to: all ticks from, and before to",
    },
    {
      name: "a step of the clock by nothing",
      text: inTest("faults: [{what: clock_step, at: 10s}]"),
      says: 'web.test.yaml:3:14 E104 by is missing | add "by: 1h"',
    },
    {
      name: "a status that there is not",
      text: inTest("outcomes: [{receiver: ops, answers: [202, 42]}]"),
      says: "web.test.yaml:3:47 E103",
    },
    {
      name: "to forget nobody",
      text: inTest("commands: [{at: 10s, command: forget}]"),
      says: 'web.test.yaml:3:16 E104 source is missing | add "source:"',
    },
    {
      name: "a server in a state that there is not",
      text: inTest("servers: [{at: 0s, web1: upp}]"),
      says: "web.test.yaml:3:30 E103",
    },
    {
      name: "a test without end",
      text: inTest("until: 365d"),
      says: 'web.test.yaml:2:5 E103 the test "a" is longer than 100000 ticks',
    },
  ])("$name", ({ text, says }) => expect(problems(text)[0]).toContain(says));

  it("a rule file that is not there", () => {
    expect(problems("tests: [{name: a}]", {})).toEqual([
      'web.test.yaml:1:1 E105 there is no rule file web.yaml | say which with "rules:"',
    ]);
    expect(problems("rules: x.yaml\ntests: [{name: a}]", {})[0]).toContain("web.test.yaml:1:8 E105");
  });

  it("mistakes of the rules, in their file or where they are written", () => {
    const bad = RULES.replace("threshold: 28000", "treshold: 28000");
    expect(problems("tests: [{name: a}]", { "web.yaml": bad }).join("\n")).toContain(
      'web.yaml:9:5 E102 unknown key "treshold"',
    );
    const inline = `tests: [{name: a}]\nrules:\n${bad.replace(/^/gm, "  ")}`;
    expect(problems(inline, {}).join("\n")).toContain('web.test.yaml:11:7 E102 unknown key "treshold"');
  });

  it("none of the tests runs when one has a mistake", () => {
    expect(read("tests: [{name: a}, {name: b, only: opps}]").tests).toEqual([]);
  });
});
