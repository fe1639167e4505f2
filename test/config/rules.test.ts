import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { ReceiverBook } from "../../src/config/receiverBook.ts";
import { loadRules } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const DEFAULTS = {
  repeatIntervalS: 60,
  timeoutS: 30,
  intervalS: 10,
  environment: { TOKEN: "s3cret", HOST: "h.example" },
};

const SENLIN_OUT = "http://172.16.10.10:8778/v1/webhooks/59f632d6-4aad-4e79-817c-93947a318db2/trigger?V=2";
const ALARM = `  - name: busy
    meter_name: network.services.lb.incoming.bytes.rate
    threshold: 28000
    comparison_operator: ge
`;

function file(body: string, head = "version: 1\ncluster_id: web\nhaproxy: [{proxy: web}]\n"): string {
  return head + body;
}

function load(texts: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder.path, name), text);
  return loadRules([folder.path], folder.path, DEFAULTS);
}

const problems = (texts: Readonly<Record<string, string>>) =>
  load(texts).diagnostics.map(
    ({ file: name, line, column, code, message, hint }) =>
      `${name}:${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`,
  );

describe("a rule file", () => {
  it("the starting pair, unchanged in meaning", () => {
    const { clusters, diagnostics } = loadRules(
      [new URL("../../rules/my_cluster.yaml", import.meta.url).pathname],
      "/",
      DEFAULTS,
    );
    expect(diagnostics).toEqual([]);
    const [cluster] = clusters;
    expect(cluster?.rules.settleS).toBe(60);
    expect(
      cluster?.rules.alarms.map(({ name, rule, actions }) => ({
        name,
        ...(rule.kind === "threshold" && {
          periodS: rule.periodS,
          comparison: rule.comparison,
          threshold: rule.threshold,
        }),
        alarm: actions.alarm,
      })),
    ).toEqual([
      {
        name: "scale_in_alarm",
        periodS: 180,
        comparison: "le",
        threshold: 12_000,
        alarm: [{ receiver: "scale_in", class: "control", direction: "in", maxAgeS: 86_400 }],
      },
      {
        name: "scale_out_alarm",
        periodS: 60,
        comparison: "ge",
        threshold: 28_000,
        alarm: [{ receiver: "scale_out", class: "control", direction: "out", maxAgeS: 86_400 }],
      },
    ]);
  });

  it("takes Aodh's defaults where it says nothing", () => {
    const [cluster] = load({ "a.yaml": file(`alarms:\n${ALARM}`) }).clusters;
    expect(cluster?.rules.alarms[0]).toMatchObject({
      description: "Alarm when network.services.lb.incoming.bytes.rate is ge a avg of 28000 over 60 seconds",
      type: "threshold",
      rule: {
        statistic: "avg",
        per: "total",
        periodS: 60,
        evaluationPeriods: 1,
        datapointsToAlarm: 1,
        clearThreshold: 28_000,
        treatMissingData: "missing",
        excludeOutliers: false,
      },
      severity: "low",
      enabled: true,
      timeConstraints: [],
      suppressedBy: [],
      repeatActions: false,
      repeatIntervalS: 60,
      repeatStates: ["alarm"],
      maxRepeats: undefined,
    });
    expect(cluster?.rules.expect).toBe(0);
  });

  it("an alarm's id depends on cluster and name alone", () => {
    const ids = ["28000", "5"].map(
      (threshold) =>
        load({ "a.yaml": file(`alarms:\n${ALARM.replace("28000", threshold)}`) }).clusters[0]?.rules.alarms[0]?.id,
    );
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  });

  it("A1, A2: class and direction of a bare URL come from its shape and the operator, inverted for ok_actions", () => {
    const actions = `    alarm_actions: ["${SENLIN_OUT}", "http://ops.example/hook"]\n    ok_actions: ["${SENLIN_OUT}"]\n`;
    const [cluster] = load({ "a.yaml": file(`alarms:\n${ALARM}${actions}`) }).clusters;
    const { alarm, ok } = cluster!.rules.alarms[0]!.actions;
    expect(alarm.map((one) => [one.class, one.direction])).toEqual([
      ["control", "out"],
      ["notice", "out"],
    ]);
    expect(ok.map((one) => [one.class, one.direction])).toEqual([["control", "in"]]);
    expect(alarm[0]?.receiver).toMatch(/^url-[0-9a-f]{12}$/);
  });

  it("an alarm pasted from Heat brings its query, which must select this cluster", () => {
    const query = (id: string) => `    query: {metadata.user_metadata.cluster_id: ${id}}\n`;
    expect(problems({ "a.yaml": file(`alarms:\n${ALARM}${query("web")}`) })).toEqual([]);
    expect(problems({ "a.yaml": file(`alarms:\n${ALARM}${query("other")}`) })[0]).toContain(
      'E204 the query of alarm "busy" selects something else',
    );
  });

  it("secrets are read when they are needed, and never stand in what is recorded", () => {
    const receivers = `receivers:\n  ops: {alarm_url: "https://\${env:HOST}/x", headers: {Authorization: "Bearer \${env:TOKEN}"}}\n`;
    const { clusters } = load({ "a.yaml": file(`${receivers}alarms:\n${ALARM}    alarm_actions: [receiver:ops]\n`) });
    expect(JSON.stringify(clusters[0]?.rules)).not.toContain("s3cret");
    const target = new ReceiverBook(clusters, DEFAULTS.environment).resolve("web", "ops");
    expect(target).toEqual({
      kind: "webhook",
      url: "https://h.example/x",
      headers: { authorization: "Bearer s3cret" },
      timeoutMs: 30_000,
      body: { kind: "aodh" },
      labels: {},
      clusterName: "web",
      secrets: expect.any(Array),
    });
  });
});

describe("every mistake, with its place and how to mend it", () => {
  it.each([
    {
      name: "an unknown key",
      text: file(`alarms:\n${ALARM}    statistc: max\n`),
      says: 'a.yaml:9:5 E102 unknown key "statistc" in alarm "busy" | did you mean "statistic"?',
    },
    {
      name: "a wrong value",
      text: file(`alarms:\n${ALARM}    statistic: maxx\n`),
      says: 'a.yaml:9:16 E103 "statistic" must be one of avg, max, min, sum, count, last, first, stddev, median, range, rate, increase, p1 … p99.9 in alarm "busy" | did you mean "max"?',
    },
    {
      name: "a wrong type",
      text: file(`alarms:\n${ALARM.replace("28000", '"28000"')}`),
      says: 'a.yaml:7:16 E103 "threshold" must be a number in alarm "busy"',
    },
    {
      name: "a missing key",
      text: file(`alarms:\n${ALARM.replace("    threshold: 28000\n", "")}`),
      says: 'a.yaml:5:5 E104 threshold is missing in alarm "busy" | add "threshold:"',
    },
    {
      name: "a bad duration",
      text: file(`alarms:\n${ALARM}    period: 5 parsecs\n`),
      says: 'a.yaml:9:13 E103 "period": expected a duration such as 60, 90s, 3m, 1h30m or 7d, not "5 parsecs" in alarm "busy"',
    },
    {
      name: "a word of receivers",
      text: file(`alarms:\n${ALARM}    scale: {by: 2}\n`),
      says: 'a.yaml:9:5 E102 unknown key "scale" in alarm "busy" | it belongs to a receiver',
    },
    {
      name: "a key that could pollute",
      text: file(`alarms:\n${ALARM}    __proto__: {x: 1}\n`),
      says: 'a.yaml:9:5 E102 the key "__proto__" is never allowed in alarm "busy"',
    },
    {
      name: "an unknown meter",
      text: file(`alarms:\n${ALARM.replace("incoming.bytes.rate", "incoming.byte.rate")}`),
      says: 'a.yaml:6:17 E202 there is no meter "network.services.lb.incoming.byte.rate", of which alarm "busy" speaks | did you mean "network.services.lb.incoming.bytes.rate"?',
    },
    {
      name: "an unknown receiver",
      text: file(`receivers:\n  ops: {alarm_url: "http://h/"}\nalarms:\n${ALARM}    alarm_actions: [receiver:opps]\n`),
      says: 'a.yaml:11:21 E201 there is no receiver "opps" | did you mean "receiver:ops"?',
    },
    {
      name: "a bad URL",
      text: file(`alarms:\n${ALARM}    alarm_actions: ["http://user:pass@h/"]\n`),
      says: "a.yaml:9:21 E206 an alarm_url is http(s)://host[:port]/path without user, spaces or fragment, trust+http(s)://… with notifier.keystone, log: or test:",
    },
    {
      name: "a secret that is not there",
      text: file(`alarms:\n${ALARM}    alarm_actions: ["\${env:NOBODY}"]\n`),
      says: "a.yaml:9:21 W006 the environment has no variable NOBODY | nothing can be sent to this receiver until it can be read",
    },
    {
      name: "two alarms of one name",
      text: file(`alarms:\n${ALARM}${ALARM}`),
      says: 'a.yaml:9:11 E203 there are two alarms named "busy" | give one another name',
    },
    {
      name: "M above N",
      text: file(`alarms:\n${ALARM}    datapoints_to_alarm: 2\n`),
      says: 'a.yaml:9:26 E108 datapoints_to_alarm 2 is more than evaluation_periods 1 of alarm "busy"',
    },
    {
      name: "a clear threshold on the wrong side",
      text: file(`alarms:\n${ALARM}    clear_threshold: 30000\n`),
      says: 'a.yaml:9:22 E108 clear_threshold 30000 of alarm "busy" must not lie on the alarm\'s side of threshold 28000 | choose one below it',
    },
    {
      name: "a duplicate key",
      text: file(`alarms:\n${ALARM}    threshold: 5\n`),
      says: "a.yaml:9:5 E101 Map keys must be unique",
    },
    {
      name: "broken YAML",
      text: "version: [1\n",
      says: "a.yaml:2:1 E101 Flow sequence in block collection must be sufficiently indented and end with a ]",
    },
    {
      name: "nothing",
      text: "# only a comment\n",
      says: "a.yaml:1:1 E107 the file says nothing | write a cluster into it, or remove it",
    },
    {
      name: "a row of nothing",
      text: file(`alarms: []\n`, "version: 1\ncluster_id: web\nhaproxy: [{source: x}]\n"),
      says: 'a.yaml:3:11 E103 "haproxy": says one of frontend, backend and proxy',
    },
    {
      name: "a header that frames the request",
      text: file(`receivers:\n  ops: {alarm_url: "http://h/", headers: {Host: x}}\nalarms: []\n`),
      says: 'a.yaml:5:49 E103 "Host": this header is set by Tocsin in receiver "ops"',
    },
  ])("$name", ({ text, says }) => expect(problems({ "a.yaml": text })[0]).toBe(says));

  it("all of them at once, of all files", () => {
    const bad = file(`alarms:\n${ALARM}    statistc: max\n    period: x\n`);
    expect(problems({ "a.yaml": bad, "b.yaml": bad.replace("cluster_id: web", "cluster_id: api") })).toHaveLength(4);
  });

  it("one cluster in two files, and one row in two clusters", () => {
    const good = file(`alarms:\n${ALARM}`);
    expect(problems({ "a.yaml": good, "b.yaml": good.replace("proxy: web", "proxy: api") })[0]).toContain(
      "b.yaml:2:13 E207 cluster web is also in a.yaml",
    );
    expect(problems({ "a.yaml": good, "b.yaml": good.replace("cluster_id: web", "cluster_id: api") })[0]).toContain(
      "b.yaml:3:11 E208 these rows belong to the cluster of a.yaml already",
    );
  });

  it("warnings do not fail", () => {
    const text = file(
      `alarms:\n${ALARM}    per: active_server\n`,
      "version: 1\ncluster_id: web\nhaproxy: [{frontend: web}]\n",
    );
    expect(problems({ "a.yaml": text })[0]).toContain(
      'W001 alarm "busy" is per server, but the cluster has no server rows',
    );
  });

  it("a period that is no whole number of ticks is rounded up, and told", () => {
    const [problem] = problems({ "a.yaml": file(`alarms:\n${ALARM}    period: 15s\n`) });
    expect(problem).toBe(
      'a.yaml:9:13 W003 the period of alarm "busy", 15 s, is not a whole number of ticks of 10 s | it is taken as 20 s',
    );
  });

  it("is printed with the line and a caret", () => {
    const [diagnostic] = load({ "a.yaml": file(`alarms:\n${ALARM}    statistc: max\n`) }).diagnostics;
    expect(formatDiagnostic(diagnostic!)).toBe(
      [
        'a.yaml:9:5  error  E102  unknown key "statistc" in alarm "busy"',
        "   8 |     comparison_operator: ge",
        " > 9 |     statistc: max",
        '     |     ^^^^^^^^  did you mean "statistic"?',
      ].join("\n"),
    );
  });

  it("hostile YAML is refused at once", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ...Array.from({ length: 9 }, (_, n) => `b${n}: &b${n} [${`*${n === 0 ? "a" : `b${n - 1}`},`.repeat(9)}]`),
    ].join("\n");
    expect(problems({ "a.yaml": bomb })[0]).toContain("E101 Excessive alias count");
    expect(problems({ "a.yaml": `x: ${"y".repeat(1_100_000)}` })[0]).toContain("E105 the file has");
  });

  it("tests beside the rules, and other files, are no rules", () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "sub.yaml.d"));
    writeFileSync(join(folder.path, "a.test.yaml"), "broken: [");
    writeFileSync(join(folder.path, "notes.txt"), "x");
    expect(loadRules([folder.path], folder.path, DEFAULTS).files).toBe(0);
  });
});

describe("tocsin.yaml", () => {
  const settingsOf = (text: string | undefined) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "tocsin.yaml");
    if (text !== undefined) writeFileSync(path, text);
    return { ...loadSettings(text === undefined ? undefined : path, folder.path), folder: folder.path };
  };

  it("has a default for everything", () => {
    for (const text of [undefined, "", "# nothing\n"]) {
      const { settings, folder } = settingsOf(text);
      expect(settings).toMatchObject({
        intervalMs: 10_000,
        timeoutMs: 3000,
        rulesPath: join(folder, "rules"),
        dataPath: join(folder, "data"),
        api: { host: "127.0.0.1", port: 8042 },
      });
    }
  });

  it("T2: the timeout follows the interval", () => {
    expect(settingsOf("collector: {interval: 2s}").settings?.timeoutMs).toBe(1200);
    expect(settingsOf("collector: {interval: 2s, timeout: 1.6s}").diagnostics[0]).toMatchObject({
      code: "E109",
      line: 1,
      column: 36,
    });
  });

  it.each([
    ["collector: {intervall: 5s}", 'E102 unknown key "intervall"'],
    ["api: {listen: 8042}", 'E103 "listen" must be a string'],
    ['api: {listen: "nowhere"}', 'E103 "listen": expected host:port'],
    ["api: {cors: []}", 'E106 "cors" is not supported by this version'],
    ["collector: {sources: [{name: a, socket: x}, {name: a, socket: y}]}", 'E203 there are two sources named "a"'],
  ])("%s", (text, says) => {
    const [diagnostic] = settingsOf(text).diagnostics;
    expect(`${diagnostic?.code} ${diagnostic?.message}`).toContain(says);
  });
});
