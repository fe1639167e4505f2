import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  commonFields,
  eventFields,
  gnocchiFields,
  thresholdDefaults,
  thresholdFields,
} from "../../src/config/alarmSchema.ts";
import { ReceiverBook } from "../../src/config/receiverBook.ts";
import { ruleFile } from "../../src/config/ruleSchema.ts";
import { loadRules, loadRuleText, loadRuleTexts } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import type { Expression } from "../../src/model/alarm.ts";
import { leavesOf } from "../../src/model/alarm.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { alarmsOf, DEFAULTS, HEAD, rulesOf } from "./loading.ts";

const BYTES = "network.services.lb.incoming.bytes";
const RULES = new URL("../../rules", import.meta.url).pathname;
const SENLIN = "http://172.16.10.10:8778/v1/webhooks/59f632d6-4aad-4e79-817c-93947a318db2/trigger?V=2";

const threshold = (words: string) =>
  alarmsOf(`  - {name: a, meter_name: ${BYTES}.rate, threshold: 5, comparison_operator: ge${words}}\n`).a!;
const composite = (tree: string, more = "") =>
  alarmsOf(
    `  - {name: b, meter_name: ${BYTES}, threshold: 5, comparison_operator: ge}\n  - name: a\n    type: composite\n    composite_rule: ${tree}\n${more}`,
  ).a!;
const LEAF = `{meter_name: ${BYTES}.rate, threshold: 5, comparison_operator: ge}`;

/** The tree in short: `and(rule, not(alarm b))`. */
function shape(expression: Expression): string {
  switch (expression.op) {
    case "and":
    case "or":
      return `${expression.op}(${expression.parts.map(shape).join(", ")})`;
    case "not":
      return `not(${shape(expression.part)})`;
    case "rule":
      return "rule";
    case "alarm":
      return `alarm ${expression.name}${expression.state ? ` ${expression.state}` : ""}`;
  }
}

function shapeOf(tree: string): string {
  const { rule } = composite(tree);
  return rule.kind === "composite" ? shape(rule.expression) : rule.kind;
}

describe("the files that come with the program", () => {
  it("are in order together, and quiet where their rows do not exist", () => {
    const { clusters, diagnostics, files } = loadRules([RULES], RULES, { ...DEFAULTS, environment: {} });
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(files).toBe(4);
    expect(clusters.map(({ rules }) => rules.alarms.length)).toEqual([2, 7, 4, 5]);
  });

  it("the template has every word of the language", () => {
    const template = readFileSync(join(RULES, "template.yaml"), "utf8");
    const words = [
      ...Object.keys(ruleFile.shape),
      ...["frontend", "backend", "proxy", "source", "min", "max", "boot", "settle", "cooldown"],
      ...Object.keys(ruleFile.shape.receivers.unwrap().valueType.shape),
      ...["scheme", "secret", "ca_file", "cert_file", "key_file", "count"],
      ...Object.keys(thresholdDefaults),
      ...Object.keys(commonFields.shape),
      ...Object.keys(commonFields.shape.time_constraints.unwrap().element.shape),
      ...Object.keys(thresholdFields.shape),
      ...Object.values(gnocchiFields).flatMap((one) => Object.keys(one.shape)),
      ...Object.keys(eventFields.shape),
      ...["composite_rule", "operator", "rules", "and", "or", "not", "alarm", "state", "field", "op", "value"],
    ];
    expect(words.length).toBeGreaterThan(90);
    expect(words.filter((word) => !new RegExp(`\\b${word}\\b`).test(template))).toEqual([]);
  });

  it("a cluster with everything", () => {
    const { clusters } = loadRules([join(RULES, "web.yaml")], RULES, DEFAULTS);
    const { rules } = clusters[0]!;
    expect(rules).toMatchObject({
      expect: 2,
      capacity: { min: 2, max: 10, bootS: 120 },
      settleS: 300,
      cooldownS: { out: 180, in: 600 },
    });
    const [busy, queueing, quiet, memberDown, stale] = rules.alarms;
    expect(busy).toMatchObject({ severity: "moderate", repeatIntervalS: 180, maxRepeats: 5, type: "threshold" });
    const ops = { receiver: "ops", class: "notice", direction: "unknown", maxAgeS: 86_400 };
    expect(busy?.actions.alarm[0]).toEqual({
      receiver: "scale_out",
      class: "control",
      direction: "out",
      maxAgeS: 86_400,
      onNoEffect: [ops],
    });
    expect(queueing?.rule).toMatchObject({ statistic: "p95", treatMissingData: "ignore", periodS: 60 });
    expect(quiet?.rule.kind === "composite" && shape(quiet.rule.expression)).toBe(
      "and(rule, not(alarm queueing), not(alarm busy))",
    );
    expect(quiet).toMatchObject({
      type: "composite",
      description: "composite alarm rule",
      suppressedBy: [stale?.id],
      timeConstraints: [
        {
          name: "nights",
          description: "Time constraint at 0 22 * * * lasting for 28800 seconds",
          start: "0 22 * * *",
          durationS: 28_800,
          timezone: "Asia/Shanghai",
        },
      ],
    });
    expect(memberDown).toMatchObject({
      type: "event",
      severity: "critical",
      description: "Alarm when haproxy.server.down event occurred.",
      rule: {
        kind: "event",
        eventType: "haproxy.server.down",
        query: [{ field: "traits.proxy", op: "eq", value: "web_cluster", type: "" }],
        autoOkAfterS: 600,
      },
    });
    expect(stale?.rule).toMatchObject({ meterName: "tocsin.source.age", statistic: "last" });
  });
});

describe("rules about a meter", () => {
  it.each(["avg", "first", "stddev", "median", "range", "rate", "increase", "p1", "p50", "p99.9", "p0.5"])(
    "the statistic %s",
    (statistic) => expect(threshold(`, statistic: ${statistic}`).rule).toMatchObject({ statistic }),
  );

  it("each server by itself, outliers left out", () => {
    expect(threshold(", per: server, exclude_outliers: true").rule).toMatchObject({
      per: "server",
      excludeOutliers: true,
    });
  });

  it("defaults hold for threshold alarms and for the rules inside composites, unless they say otherwise", () => {
    const { alarms } = rulesOf(
      `${HEAD}defaults: {statistic: p90, per: active_server, period: 2m, evaluation_periods: 3, treat_missing_data: ignore, exclude_outliers: true, max_repeats: 4, repeat_interval: 5m, repeat_actions: true}
alarms:
  - {name: a, type: composite, composite_rule: {or: [${LEAF}, ${LEAF.replace("}", ", period: 30, statistic: max}")}]}}
  - {name: b, meter_name: ${BYTES}, threshold: 5, comparison_operator: ge, per: total}\n`,
    );
    const [a, b] = alarms;
    const shared = { evaluationPeriods: 3, datapointsToAlarm: 3, treatMissingData: "ignore", excludeOutliers: true };
    const leaves = a?.rule.kind === "composite" ? leavesOf(a.rule.expression) : [];
    expect(leaves.map((leaf) => leaf.op === "rule" && leaf.rule)).toMatchObject([
      { ...shared, statistic: "p90", per: "active_server", periodS: 120 },
      { ...shared, statistic: "max", per: "active_server", periodS: 30 },
    ]);
    expect(b?.rule).toMatchObject({ ...shared, per: "total", periodS: 120, statistic: "p90" });
    expect([a, b]).toMatchObject([1, 2].map(() => ({ maxRepeats: 4, repeatIntervalS: 300, repeatActions: true })));
  });

  it("the words of a type may stand under <type>_rule, as in Aodh's JSON, which also says the type", () => {
    const flat = threshold(", period: 30");
    const words = `{meter_name: ${BYTES}.rate, threshold: 5, comparison_operator: ge, period: 30}`;
    expect(alarmsOf(`  - {name: a, type: threshold, threshold_rule: ${words}}\n`).a).toEqual(flat);
    expect(alarmsOf(`  - {name: a, threshold_rule: ${words}}\n`).a).toEqual(flat);
    const event = alarmsOf(
      "  - {name: a, event_rule: {event_type: x.*}}\n  - {name: b, type: event, event_type: x.*}\n",
    );
    expect(event.a?.rule).toEqual(event.b?.rule);
    expect(alarmsOf(`  - {name: a, composite_rule: {not: ${LEAF}}}\n`).a?.type).toBe("composite");
  });

  it("a receiver named twice in a list is told once", () => {
    const { alarm } = threshold(', alarm_actions: ["http://h/a", "http://h/a", "http://h/b"]').actions;
    expect(alarm).toHaveLength(2);
  });

  it("cron of six columns, UTC by default, and what is said of oneself", () => {
    const { timeConstraints } = threshold(
      ', time_constraints: [{name: n, start: "0 22 * * 1-5 30", duration: 0, description: at night}]',
    );
    expect(timeConstraints).toEqual([
      { name: "n", description: "at night", start: "0 22 * * 1-5 30", durationS: 0, timezone: "" },
    ]);
  });
});

describe("Aodh's rules on Gnocchi", () => {
  const gnocchi = (words: string) => alarmsOf(`  - {name: a, threshold: 5, comparison_operator: gt, ${words}}\n`).a!;

  it.each([
    ["mean", "avg"],
    ["max", "max"],
    ["min", "min"],
    ["sum", "sum"],
    ["count", "count"],
    ["last", "last"],
    ["first", "first"],
    ["std", "stddev"],
    ["median", "median"],
    ["1pct", "p1"],
    ["95pct", "p95"],
    ["99pct", "p99"],
    ...["mean", "sum", "last", "first", "max", "min", "median"].map((one) => [`rate:${one}`, "increase"]),
  ])("aggregation_method %s is our %s", (method, statistic) => {
    const { rule, type } = gnocchi(
      `type: gnocchi_resources_threshold, metric: ${BYTES}, resource_id: web, resource_type: x, granularity: 5m, aggregation_method: "${method}"`,
    );
    expect(type).toBe("gnocchi_resources_threshold");
    expect(rule).toMatchObject({ kind: "threshold", meterName: BYTES, statistic, periodS: 300 });
  });

  it("by metrics, and by resources; flat or nested", () => {
    const byMetrics = gnocchi(
      `type: gnocchi_aggregation_by_metrics_threshold, metrics: [${BYTES}, ${BYTES}], aggregation_method: max`,
    );
    expect(byMetrics).toMatchObject({
      description: "gnocchi_aggregation_by_metrics_threshold alarm rule",
      rule: { meterName: BYTES, statistic: "max", periodS: 60, evaluationPeriods: 1 },
    });
    const nested = alarmsOf(
      `  - name: a
    gnocchi_aggregation_by_resources_threshold_rule:
      {metric: ${BYTES}, query: '{"=": {"server_group": "web"}}', resource_type: x, aggregation_method: mean, threshold: 5, comparison_operator: gt}\n`,
    ).a;
    expect(nested).toMatchObject({
      type: "gnocchi_aggregation_by_resources_threshold",
      rule: { meterName: BYTES, statistic: "avg" },
    });
  });
});

describe("composites", () => {
  it.each([
    [`{and: [${LEAF}, {alarm: b}]}`, "and(rule, alarm b)"],
    [
      `{or: [{and: [${LEAF}]}, {not: {or: [${LEAF}, {alarm: b, state: ok}]}}]}`,
      "or(and(rule), not(or(rule, alarm b ok)))",
    ],
    [`{alarm: b, state: insufficient data}`, "alarm b insufficient data"],
    [LEAF, "rule"],
    [
      `{operator: or, rules: [${LEAF}, {and: [{alarm: b}]}, {operator: and, rules: [${LEAF}]}]}`,
      "or(rule, and(alarm b), and(rule))",
    ],
  ])("%s", (tree, expected) => expect(shapeOf(tree)).toBe(expected));

  it("a reference has the id of the alarm, also of one further down", () => {
    const { rule } = composite(
      "{not: {alarm: c}}",
      `  - {name: c, type: event, alarm_id: 0f8fad5b-d9cb-469f-a165-70867728950e}\n`,
    );
    expect(rule).toMatchObject({
      expression: { part: { alarmId: "0f8fad5b-d9cb-469f-a165-70867728950e", state: undefined } },
    });
  });

  it("written: Aodh's words in Aodh's order, its defaults filled in, type last", () => {
    const { rule } = composite(
      `{and: [${LEAF}, {meter_name: ${BYTES}, threshold: 5, clear_threshold: 4, comparison_operator: gt, evaluation_periods: 3, datapoints_to_alarm: 2, per: active_server, treat_missing_data: ignore, query: {metadata.metering.cluster_id: web}, type: threshold}, {type: gnocchi_resources_threshold, metric: ${BYTES}, resource_id: web, resource_type: lb, aggregation_method: 95pct, threshold: 1, comparison_operator: lt}]}`,
    );
    const written = (rule.kind === "composite" ? leavesOf(rule.expression) : []).map((leaf) =>
      leaf.op === "rule" ? JSON.stringify(leaf.written) : "",
    );
    expect(written).toEqual([
      `{"period":60,"comparison_operator":"ge","threshold":5,"statistic":"avg","evaluation_periods":1,"meter_name":"${BYTES}.rate","exclude_outliers":false,"query":[],"type":"threshold"}`,
      `{"period":60,"comparison_operator":"gt","threshold":5,"statistic":"avg","evaluation_periods":3,"meter_name":"${BYTES}","exclude_outliers":false,"query":[{"field":"metadata.metering.cluster_id","op":"eq","value":"web"}],"per":"active_server","datapoints_to_alarm":2,"clear_threshold":4,"treat_missing_data":"ignore","type":"threshold"}`,
      `{"granularity":60,"comparison_operator":"lt","threshold":1,"aggregation_method":"95pct","evaluation_periods":1,"metric":"${BYTES}","resource_id":"web","resource_type":"lb","type":"gnocchi_resources_threshold"}`,
    ]);
  });

  it.each([
    { tree: `{and: [${LEAF}, ${LEAF}]}`, direction: "out" },
    { tree: `{and: [${LEAF}, {not: ${LEAF.replace("ge", "le")}}, {alarm: b}]}`, direction: "out" },
    { tree: `{or: [${LEAF}, ${LEAF.replace("ge", "le")}]}`, direction: "unknown" },
    {
      tree: `{and: [${LEAF}, {meter_name: tocsin.source.age, threshold: 5, comparison_operator: ge}]}`,
      direction: "unknown",
    },
    { tree: "{alarm: b}", direction: "unknown" },
    { tree: `{not: ${LEAF}}`, direction: "unknown" },
  ])("A2: towards $direction: $tree", ({ tree, direction }) => {
    const { actions } = composite(tree, `    alarm_actions: ["${SENLIN}"]\n    ok_actions: ["${SENLIN}"]\n`);
    const inverted = direction === "out" ? "in" : "unknown";
    expect([actions.alarm[0]?.direction, actions.ok[0]?.direction]).toEqual([direction, inverted]);
  });

  it("A2: of an event alarm it is unknown", () => {
    const { actions } = alarmsOf(`  - {name: a, type: event, alarm_actions: ["${SENLIN}"]}\n`).a!;
    expect(actions.alarm[0]).toMatchObject({ class: "control", direction: "unknown" });
  });
});

describe("receivers", () => {
  it("signature, authority and connections are read when they are needed", () => {
    using folder = temporaryFolder();
    const caFile = join(folder.path, "ca.pem");
    const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const text = `${HEAD}receivers:
  ops:
    alarm_url: https://h.example/
    sign: {scheme: standard-webhooks, secret: "\${env:SIGN}"}
    tls: {ca_file: ${caFile}}
    keep_alive: true
    body: aodh
alarms: [{name: a, type: event, alarm_actions: [receiver:ops]}]\n`;
    const environment = { SIGN: secret };
    const { clusters, diagnostics } = loadRuleTexts([{ name: "a.yaml", text }], { ...DEFAULTS, environment });
    expect(diagnostics.map(({ code }) => code)).toEqual(["W005"]);
    expect(JSON.stringify(clusters[0]?.rules)).not.toContain(secret);
    const directory = new ReceiverBook(clusters, environment);
    expect(() => directory.resolve("web", "ops")).toThrow(/cannot read ca_file of receiver ops: ENOENT/);
    writeFileSync(caFile, "not a certificate");
    expect(() => directory.resolve("web", "ops")).toThrow(/holds no PEM certificate/);
    const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    writeFileSync(caFile, pem);
    expect(directory.resolve("web", "ops")).toEqual({
      kind: "webhook",
      url: "https://h.example/",
      headers: {},
      timeoutMs: 30_000,
      body: { kind: "aodh" },
      labels: {},
      clusterName: "shop",
      secrets: expect.any(Array),
      signSecret: secret,
      tls: { ca: pem },
      keepAlive: true,
    });
  });
});

describe("texts instead of files", () => {
  const text = `${HEAD}alarms: [{name: a, type: event}]\n`;

  it("are read like files, and keep what was written", () => {
    const { cluster, diagnostics } = loadRuleText("rules/a.yaml", text, DEFAULTS);
    expect(diagnostics).toEqual([]);
    expect(cluster?.rules.file).toBe("rules/a.yaml");
    expect(cluster?.file.text).toBe(text);
    expect(loadRuleText("rules/a.yaml", "x: [", DEFAULTS)).toMatchObject({
      cluster: undefined,
      diagnostics: [{ file: "rules/a.yaml", code: "E101" }],
    });
    expect(loadRuleText("rules/a.yaml", "x".repeat(1_100_000), DEFAULTS).diagnostics[0]?.code).toBe("E105");
  });

  it("clash with each other as files do", () => {
    const { diagnostics } = loadRuleTexts(
      [
        { name: "a.yaml", text },
        { name: "b.yaml", text },
      ],
      DEFAULTS,
    );
    expect(diagnostics.map(({ file, code }) => `${file} ${code}`)).toEqual(["b.yaml E207"]);
  });
});

it.each([
  ["", { rulesWatch: true, shadow: false }],
  ["rules: {watch: false}\nnotifier: {mode: shadow}\n", { rulesWatch: false, shadow: true }],
  ["notifier: {mode: live}\n", { rulesWatch: true, shadow: false }],
])("tocsin.yaml: %j", (text, expected) => {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  writeFileSync(path, text);
  expect(loadSettings(path, folder.path).settings).toMatchObject(expected);
});
