import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { ruleDefaults } from "../../src/config/ruleDefaults.ts";
import { loadRuleTexts } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { sourceSecrets } from "../../src/config/sourceSecrets.ts";
import type { WebEntry } from "../../src/model/source.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

function load(text: string, environment?: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  writeFileSync(path, text);
  return { ...loadSettings(path, folder.path, environment), folder: folder.path };
}

function said(text: string, environment?: Readonly<Record<string, string>>): readonly string[] {
  const { diagnostics } = load(text, environment);
  return diagnostics.map(
    ({ line, column, code, message, hint }) => `${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`,
  );
}

const secret = (name: string) => `$${"{"}env:${name}}`;
const DAY_S = 86_400;

describe("collector.sources", () => {
  it("by default the well-known sockets, of which none is missed", () => {
    const { settings } = load("");
    expect(settings?.sources).toEqual(
      [
        ["octavia", "/var/lib/octavia/*.sock"],
        ["neutron", "/var/lib/neutron/lbaas/v2/*/haproxy_stats.sock"],
        ["debian", "/run/haproxy/admin.sock"],
        ["centos", "/var/lib/haproxy/stats"],
        ["kolla", "/var/lib/kolla/haproxy/haproxy.sock"],
      ].map(([name, socket]) => ({ name, socket, kind: "socket", quiet: true })),
    );
  });

  it("every kind of them", () => {
    const { settings, diagnostics, folder } = load(`
collector:
  sources:
    - {name: local, socket: run/*.sock}
    - {name: lb1, tcp: "127.0.0.1:9999"}
    - {name: lb2, tcp: "[fd00::1]:9999"}
    - {name: page, url: "https://10.0.0.1:1080/;csv", username: admin, password: "${secret("PASS")}", tls: {ca_file: ca.pem}}
    - {name: plain, url: "http://lb/haproxy?stats;csv"}
    - {name: api, prometheus: "http://127.0.0.1:8088/metrics"}
`);
    expect(diagnostics).toEqual([]);
    expect(settings?.sources).toEqual([
      { name: "local", quiet: false, kind: "socket", socket: join(folder, "run/*.sock") },
      { name: "lb1", quiet: false, kind: "tcp", host: "127.0.0.1", port: 9999 },
      { name: "lb2", quiet: false, kind: "tcp", host: "fd00::1", port: 9999 },
      {
        name: "page",
        quiet: false,
        kind: "page",
        url: "https://10.0.0.1:1080/;csv",
        username: "admin",
        password: secret("PASS"),
        caFile: join(folder, "ca.pem"),
      },
      { name: "plain", quiet: false, kind: "page", url: "http://lb/haproxy?stats;csv" },
      { name: "api", quiet: false, kind: "prometheus", url: "http://127.0.0.1:8088/metrics" },
    ]);
  });

  const itemOfSources = '1:23 E103 an item of "sources" must be a map | write {name: NAME, socket: PATH}';
  const source = (words: string) => `collector:\n  sources:\n    - {name: a, ${words}}\n`;

  it.each([
    [
      source("quiet: true"),
      [
        '3:7 E104 source "a" does not say where it is | add "socket:", or "tcp:", "url:" or "prometheus:"',
        '3:17 E102 unknown key "quiet" | remove it',
      ],
    ],
    [
      "collector: {sources: [{name: a}]}",
      ['1:23 E104 source "a" does not say where it is | add "socket:", or "tcp:", "url:" or "prometheus:"'],
    ],
    ["collector: {sources: [{socket: /x}]}", ['1:23 E104 name is missing | add "name:"']],
    [source("socket: /x, tcp: h:1"), ['3:34 E108 source "a" has socket already | one source for each of them']],
    [
      source('url: "http://h/", prometheus: "http://h/"'),
      ['3:47 E108 source "a" has url already | one source for each of them'],
    ],
    [source('tcp: "9999"'), ['3:22 E103 "tcp": expected host:port such as 127.0.0.1:9999 or [::1]:9999, not "9999"']],
    [
      source('tcp: "::1:9999"'),
      ['3:22 E103 "tcp": expected host:port such as 127.0.0.1:9999 or [::1]:9999, not "::1:9999"'],
    ],
    [source('tcp: "h:0"'), ['3:22 E103 "tcp": expected host:port such as 127.0.0.1:9999 or [::1]:9999, not "h:0"']],
    [source('tcp: "h:65536"'), [expect.stringContaining('E103 "tcp"')]],
    [source('tcp: "tcp://h:1"'), [expect.stringContaining('E103 "tcp"')]],
    [
      source('url: "http://admin:hush@h/;csv"'),
      ['3:22 E103 "url": user and password do not belong into the URL: write username: and password: beside it'],
    ],
    [source('url: "ftp://h/"'), ['3:22 E103 "url": expected http(s)://host[:port]/path, no other scheme']],
    [
      source("url: h:1080/;csv"),
      ['3:22 E103 "url": expected http(s)://host[:port]/path: write http:// (or https://) before it'],
    ],
    [source("tcp:"), ['3:21 E103 "tcp" is empty: write host:port']],
    [source('socket: "unix:///run/h.sock"'), ['3:25 E103 "socket": write the path alone: /run/h.sock']],
    [source('socket: "unix@/run/h.sock"'), ['3:25 E103 "socket": write the path alone: /run/h.sock']],
    [source('socket: "http://h/"'), ['3:25 E103 "socket": give it as url:']],
    [source('socket: "tcp://h:1"'), ['3:25 E103 "socket": give it as tcp: host:port']],
    ["collector: {sources: [/run/h.sock]}", [itemOfSources]],
    ["collector: {sources: [[]]}", [itemOfSources]],
    ...["{file}", "{env}", "{env:}", "{PASS}", "{env:PASS"].map((written): [string, readonly string[]] => [
      source(`url: "http://h/", username: u, password: "x$${written}"`),
      [expect.stringMatching(/^3:58 E103 "password": a secret is written \$\{env:NAME\} or \$\{file:\/path\};/)],
    ]),
    ...[
      ["auth: {user: u, password: p}", "auth", "write username: and password:"],
      ["basic_auth: [u, p]", "basic_auth", "write username: and password:"],
      ["user: u, password: p", "user", "write username:"],
      ["cert: x.pem", "cert", "write tls: {ca_file: PATH}"],
      [
        "insecure: true",
        "insecure",
        "certificates are always verified: name their authority with tls: {ca_file: PATH}",
      ],
    ].map(([words, key, hint]): [string, readonly string[]] => [
      source(`url: "https://h/", ${words}`),
      [`3:36 E102 unknown key "${key}" | ${hint}`],
    ]),
    [
      source('url: "https://h/", tls: {insecure: true}'),
      ['3:42 E102 unknown key "insecure" | tls takes ca_file, and nothing else'],
    ],
    [
      source('prometheus: "http://h/a b"'),
      [expect.stringMatching(/E103 "prometheus": .* without spaces or fragment$/)],
    ],
    [source('url: "http://h/#x"'), [expect.stringMatching(/E103 "url": .* without spaces or fragment$/)]],
    [
      source(`url: "http://h/${secret("TOKEN")}"`),
      ['3:22 E103 "url": expected http(s)://host[:port]/path: secrets belong into username and password'],
    ],
    [
      source("socket: /x, username: u, password: p"),
      [
        '3:39 E108 "username" is for url and prometheus: source "a" has socket | remove username',
        '3:52 E108 "password" is for url and prometheus: source "a" has socket | remove password',
      ],
    ],
    [source("tcp: h:1, tls: {ca_file: x}"), [expect.stringContaining('E108 "tls" is for url and prometheus')]],
    [
      source('url: "http://h/", username: u'),
      ['3:7 E104 password is missing beside username in source "a" | add "password:"'],
    ],
    [
      source('url: "http://h/", password: p'),
      ['3:7 E104 username is missing beside password in source "a" | add "username:"'],
    ],
    [
      source('url: "http://h/", username: "u:v", password: p'),
      [expect.stringContaining('E103 "username": must not hold')],
    ],
    [
      source('url: "http://h/", tls: {ca_file: ca.pem}'),
      ['3:50 E108 source "a" is asked without TLS | write https://, or remove tls'],
    ],
    [source('url: "https://h/", tls: {cert_file: x}'), [expect.stringContaining('E102 unknown key "cert_file"')]],
    ["collector: {sources: [{name: 'a:b', socket: /x}]}", ['1:30 E103 "name": must not hold a colon']],
    [
      "collector: {sources: [{name: a, socket: x}, {name: b, tcp: 'h:1'}, {name: a, socket: y}]}",
      ['1:75 E203 there are two sources named "a"'],
    ],
  ])("%s", (text, says) => expect(said(text)).toEqual(says));

  it("a password is shown nowhere", () => {
    for (const text of [
      source('url: "http://admin:hush-42@h/;csv"'),
      source("socket: /x, username: u, password: hush-42"),
      source('url: "http://h/", pasword: hush-42'),
      source('url: "http://h/", pasword: hush-42, tcp: "h:1"'),
      source("auth: {user: u, key: hush-42}"),
      "collector:\n  sources:\n    - name: a\n      socket: /x\n      basic_auth:\n        - hush-42\n        - hush-42\n      pwd: >-\n        hush-42\n      tcp: h",
    ]) {
      const { diagnostics } = load(text);
      expect(diagnostics.length).toBeGreaterThan(0);
      const shown = diagnostics.map(formatDiagnostic).join("\n");
      expect(shown).not.toContain("hush-42");
      expect(JSON.stringify(diagnostics.map(({ message, hint }) => [message, hint]))).not.toContain("hush-42");
    }
  });
});

describe("secrets of a source", () => {
  const entry: WebEntry = { name: "page", quiet: false, kind: "page", url: "http://h/" };

  it("are put in when they are asked for", () => {
    const own = { ...entry, username: secret("WHO"), password: `x${secret("PASS")}` };
    expect(sourceSecrets(own, { WHO: "me", PASS: "hush" })).toEqual({ username: "me", password: "xhush" });
    expect(sourceSecrets(entry, {})).toEqual({});
  });

  it("what cannot be read is told without a value", () => {
    const own = { ...entry, username: "me", password: secret("PASS") };
    expect(() => sourceSecrets(own, {})).toThrow(expect.objectContaining({ code: "E205" }));
    expect(() => sourceSecrets({ ...entry, caFile: "/nowhere/ca.pem" }, {})).toThrow(
      expect.objectContaining({ code: "E212", message: expect.stringContaining("ca_file of source page") }),
    );
  });

  it("and warned of at the start", () => {
    const text = `collector:
  sources:
    - {name: a, url: "https://h/", username: u, password: "${secret("PASS")}", tls: {ca_file: /nowhere/ca.pem}}`;
    expect(said(text)).toEqual([]);
    expect(said(text, {})).toEqual([
      "3:59 W006 the environment has no variable PASS | this source fails until that is mended",
      expect.stringMatching(/^3:\d+ W005 cannot read ca_file: ENOENT: .* \| this source fails until that is mended$/),
    ]);
    expect(load(text, {}).settings?.sources).toHaveLength(1);
  });
});

describe("collector.families", () => {
  it("in order, with what they may say", () => {
    const { settings, diagnostics } = load(`
collector:
  unmapped: proxy
  families:
    - {proxy: "{service}_cluster", cluster_id: "{service}", cluster_name: "the {service}"}
    - {backend: "{pool}:*", source: amphorae, cluster_id: "{pool}"}
    - {frontend: "web?", cluster_id: web}
`);
    expect(diagnostics).toEqual([]);
    expect(settings).toMatchObject({
      unmapped: "proxy",
      families: [
        { kind: "proxy", pattern: "{service}_cluster", clusterId: "{service}", clusterName: "the {service}" },
        { kind: "backend", pattern: "{pool}:*", source: "amphorae", clusterId: "{pool}" },
        { kind: "frontend", pattern: "web?", clusterId: "web" },
      ],
    });
    expect(load("").settings).toMatchObject({ families: [], unmapped: "warn" });
  });

  const family = (words: string) => `collector: {families: [{${words}}]}`;

  it.each([
    [family('proxy: "{a}_b"'), ['1:24 E104 cluster_id is missing | add "cluster_id:"']],
    [
      family('cluster_id: "x"'),
      ['1:24 E104 a family says which proxies it is about | add "proxy:", or "frontend:" or "backend:"'],
    ],
    [
      family('proxy: a, backend: b, cluster_id: "x"'),
      ["1:44 E108 this family is about proxy already | one family for each of them"],
    ],
    [
      family('proxy: "{service}_x", cluster_id: "{sevice}"'),
      ['1:59 E103 "cluster_id": there is no {sevice} in "proxy" | did you mean "service"?'],
    ],
    [
      family('proxy: "a*", cluster_id: "{service}"'),
      ['1:50 E103 "cluster_id": there is no {service} in "proxy" | it has none'],
    ],
    [
      family('proxy: "{a}_{b}", cluster_id: "{a}", cluster_name: "{xyz}"'),
      ['1:76 E103 "cluster_name": there is no {xyz} in "proxy" | it has {a}, {b}'],
    ],
    [
      family('proxy: "{a}", cluster_id: "{a}*"'),
      ['1:51 E103 "cluster_id" takes {placeholders} of "proxy", no * and no ?'],
    ],
    [family('proxy: "{a}_{a}", cluster_id: "{a}"'), ['1:32 E103 {a} stands twice in "proxy" | name one otherwise']],
    [
      family('proxy: "{a}{b}", cluster_id: "{a}"'),
      [expect.stringMatching(/^1:32 E103 "proxy": two placeholders stand without a text between them/)],
    ],
    [
      family('proxy: "{a", cluster_id: "x"'),
      ['1:32 E103 "proxy": a placeholder is a word in braces, such as {service}'],
    ],
    [
      family('proxy: "{a}", cluster_id: "{a b}"'),
      [expect.stringContaining('E103 "cluster_id": a placeholder is a word')],
    ],
    [
      family('proxi: "{a}", cluster_id: "x"'),
      [expect.stringContaining('E102 unknown key "proxi" | did you mean "proxy"?')],
    ],
    ["collector: {unmapped: warm}", ['1:23 E103 "unmapped" must be one of warn, ignore, proxy | did you mean "warn"?']],
  ])("%s", (text, says) => expect(said(text)).toEqual(says));
});

describe("all mistakes are told in one round", () => {
  it("what words of tocsin.yaml mean together, beside what each says wrong", () => {
    const text = `
collector:
  interval: 2500ms
  timeout: 2s
  sorces: []
  sources:
    - {name: a, socket: /x, tcp: "h:1"}
    - {name: b}
    - {name: b, url: "https://h/", username: u}
    - {name: c, url: "https://h/", username: u, pasword: p}
    - {name: c, sokcet: /x}
    - {url: "http://h/", tls: {ca_file: x}}
  families:
    - {proxy: "{service}_x", cluster_id: "{svc}"}
    - {proxy: a, backend: b, cluster_id: 5}
notifier:
  keystone: {auth_url: "http://k", username: u, pasword: p, user_domain_id: default, projectname: x, project_domain_id: d}
`;
    expect(said(text).map((one) => one.split(" | ")[0])).toEqual([
      "3:13 E109 the interval must be whole seconds",
      "4:12 E109 the timeout must be below 0.8 × interval, that is 2 s",
      '5:3 E102 unknown key "sorces"',
      '7:34 E108 source "a" has socket already',
      '8:7 E104 source "b" does not say where it is',
      '9:7 E104 password is missing beside username in source "b"',
      '9:14 E203 there are two sources named "b"',
      '10:49 E102 unknown key "pasword"',
      '11:14 E203 there are two sources named "c"',
      '11:17 E102 unknown key "sokcet"',
      "12:7 E104 name is missing",
      "12:41 E108 source 6 is asked without TLS",
      '14:42 E103 "cluster_id": there is no {svc} in "proxy"',
      "15:27 E108 this family is about proxy already",
      '15:42 E103 "cluster_id" must be a string',
      '17:49 E102 unknown key "pasword"',
      '17:86 E102 unknown key "projectname"',
    ]);
  });

  it.each(["collector: {sources: 5, families: x, interval: []}", "collector: [5]", "notifier: {keystone: [x]}", "x"])(
    "%s is no map or list, and does no harm",
    (text) => expect(said(text).length).toBeGreaterThan(0),
  );
});

describe("sources that there are not", () => {
  const family = (source: string, sources = "") =>
    `collector: {${sources}families: [{proxy: web, cluster_id: web, source: "${source}"}]}\n`;
  const own = 'sources: [{name: lb1, socket: /x}, {name: amphorae, socket: "/var/lib/octavia/*.sock"}], ';

  it.each([
    "lb1",
    "lb*",
    "*",
    "amphorae",
    "amphorae:*",
    "amphorae:/var/lib/octavia/x.sock",
    "amphorae:/var/*",
    "*:/var/*",
  ])("%s is there", (name) => expect(said(family(name, own), {})).toEqual([]));

  it.each([
    ["lb2", 'did you mean "lb1"?'],
    ["nothere", "collector.sources has lb1, amphorae"],
    ["lb1:*", expect.anything()],
    ["x*", expect.anything()],
    ["amphorae:/run/*", expect.anything()],
  ])("%s is not", (name, hint) => {
    const { settings, diagnostics } = load(family(name, own), {});
    expect(settings).toBeDefined();
    const message = `no source of tocsin.yaml fits "${name}": no row comes of it`;
    expect(diagnostics).toMatchObject([{ severity: "warning", code: "W011", message, hint }]);
  });

  it("the well-known ones count where no other are named", () => {
    expect(said(family("octavia"), {})).toEqual([]);
    expect(said(family("octavio"), {})).toEqual([expect.stringContaining('did you mean "octavia"?')]);
    expect(said(family("octavio"))).toEqual([]);
  });

  it("none at all", () => {
    expect(said("collector: {sources: []}", {})).toEqual([
      "1:22 W011 there are no sources: nothing is collected | add one, or remove sources: for the well-known sockets",
    ]);
  });

  it("rule files are held against them", () => {
    const text =
      "version: 1\ncluster_id: web\nhaproxy: [{proxy: a, source: lb1}, {proxy: b, source: lb2}]\nalarms: []\n";
    const rules = (settings: string | undefined) => {
      const loaded = settings === undefined ? loadSettings(undefined, "/").settings : load(settings).settings;
      return loadRuleTexts([{ name: "a.yaml", text }], ruleDefaults(loaded!, {}));
    };
    const { clusters, diagnostics } = rules(`collector: {${own}}`);
    expect(clusters).toHaveLength(1);
    expect(diagnostics).toMatchObject([{ line: 3, column: 55, code: "W011", hint: 'did you mean "lb1"?' }]);
    expect(rules("").diagnostics).toHaveLength(2);
    expect(rules(undefined).diagnostics).toEqual([]);
  });
});

describe("store", () => {
  it.each([
    ["{rows: 2d, rollups: 1h}", "the series of clusters that they sum up for 30d", "30d"],
    ["{clusters: 2h, rows: 2d, rollups: 1h}", "the rows that they sum up for 2d", "2d"],
  ])("rollups that are gone before what they sum up: %s", (words, what, longest) => {
    const { settings, diagnostics } = load(`store: {retention: ${words}}`, {});
    expect(settings).toBeDefined();
    const message = `rollups are kept for 1h, and ${what}`;
    const hint = `set rollups to ${longest} or more`;
    expect(diagnostics).toMatchObject([{ code: "W012", severity: "warning", message, hint }]);
  });

  it.each([
    { interval: "10s", clusters: "1h", wanted: "2h" },
    { interval: "20s", clusters: "2h", wanted: "4h" },
  ])(
    "series that are kept for less than a restart looks back: $clusters at $interval",
    ({ interval, clusters, wanted }) => {
      const words = `collector: {interval: ${interval}}\nstore: {retention: {clusters: ${clusters}}}`;
      const { settings, diagnostics } = load(words, {});
      expect(settings).toBeDefined();
      const message = `a restart looks back ${wanted}, and series are kept for ${clusters}: the newest stay for longer than that`;
      expect(diagnostics).toMatchObject([
        { code: "W010", severity: "warning", message, hint: `set clusters to ${wanted} or more` },
      ]);
    },
  );

  it("rollups that are kept long enough", () => {
    expect(said("store: {retention: {clusters: 2h, rows: 2h, rollups: 2h}}", {})).toEqual([]);
    expect(said("store: {retention: {history: 1h}}", {})).toEqual([]);
  });

  it("has defaults", () => {
    expect(load("").settings?.store).toEqual({
      type: "sqlite",
      detail: "proxies",
      retention: { clustersS: 30 * DAY_S, rowsS: 2 * DAY_S, rollupsS: 90 * DAY_S, historyS: 90 * DAY_S },
      quotaBytes: 10 * 2 ** 30,
    });
  });

  it("takes words for all of them", () => {
    const { settings, folder } = load(
      "store: {path: d, detail: members, retention: {clusters: 1h, rows: 90m, rollups: 400d, history: 7d}, quota: 500MiB}",
    );
    expect(settings?.dataPath).toBe(join(folder, "d"));
    expect(settings?.store).toEqual({
      type: "sqlite",
      detail: "members",
      retention: { clustersS: 3600, rowsS: 5400, rollupsS: 400 * DAY_S, historyS: 7 * DAY_S },
      quotaBytes: 500 * 2 ** 20,
    });
    expect(load("store: {quota: 0}").settings?.store.quotaBytes).toBe(0);
    expect(load("store: {quota: 1GB}").settings?.store.quotaBytes).toBe(1e9);
  });

  it.each([
    ["store: {detail: rows}", '1:17 E103 "detail" must be one of clusters, proxies, members'],
    ["store: {retention: {clusters: 59m}}", '1:31 E103 "clusters": a duration of at least 1h is needed, not "59m"'],
    ["store: {retention: {rows: 2 days}}", expect.stringContaining('E103 "rows": expected a duration such as')],
    ["store: {retention: 30d}", '1:20 E103 "retention" must be a map'],
    ["store: {quota: 63MiB}", '1:16 E103 "quota": at least 64MiB is needed, or 0 for no bound'],
    ["store: {quota: ten}", '1:16 E103 "quota": expected a size such as 500MiB, 10GiB or 1GB'],
  ])("%s", (text, says) => expect(said(text)).toEqual([says]));
});
