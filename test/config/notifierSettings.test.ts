import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { expandKeystone } from "../../src/config/keystoneSettings.ts";
import { ruleDefaults } from "../../src/config/ruleDefaults.ts";
import { loadRuleTexts } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { HEAD } from "./loading.ts";

function load(notifier: string, environment?: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  writeFileSync(path, `notifier: {${notifier}}\n`);
  return { ...loadSettings(path, folder.path, environment), folder: folder.path };
}

function said(notifier: string, environment?: Readonly<Record<string, string>>): readonly string[] {
  const { diagnostics } = load(notifier, environment);
  return diagnostics.map(({ code, message, hint }) => `${code} ${message}${hint ? ` | ${hint}` : ""}`);
}

const WHO = "username: u, user_domain_name: Default, password: p";
const WHERE = "project_name: service, project_domain_id: default";
const CREDENTIAL = "application_credential_id: i, application_credential_secret: s";
const HASTE = (timeout: number, connect: number) =>
  `W008 a timeout of ${timeout} s is not above notifier.connect_timeout, ${connect} s: an attempt may end before its connection stands | make it longer, or notifier.connect_timeout shorter`;
const keystone = (words: string) => `keystone: {auth_url: "http://k:5000/v3", ${words}}`;

describe("tocsin.yaml, notifier:", () => {
  it("by default nothing more is allowed or denied, nobody is called, and there is no Keystone", () => {
    const { settings } = load("");
    expect(settings?.notifier).toEqual({
      timeoutS: 30,
      connectTimeoutMs: 5000,
      concurrency: 1024,
      perOrigin: 32,
      allow: [],
      deny: [],
    });
  });

  it("secrets stay unexpanded until they are needed", () => {
    const heartbeat = "https://$" + "{env:HOST}/ping/$" + "{file:/run/secrets/ping}";
    const words = `allow: [169.254.7.0/24, "::1"], deny: ["*.example.net"], heartbeat_url: "${heartbeat}"`;
    const { settings, diagnostics } = load(
      `${words}, ${keystone(`${WHO.replace(": p", ': "$' + '{env:PASS}"')}, ${WHERE}`)}`,
    );
    expect(diagnostics).toEqual([]);
    expect(settings?.notifier).toMatchObject({
      allow: ["169.254.7.0/24", "::1"],
      deny: ["*.example.net"],
      heartbeatUrl: heartbeat,
      keystone: {
        authUrl: "http://k:5000/v3",
        credentials: {
          kind: "password",
          user: { name: "u", domain: { name: "Default" } },
          password: "$" + "{env:PASS}",
          project: { name: "service", domain: { id: "default" } },
        },
      },
    });
    const { credentials } = expandKeystone(settings!.notifier.keystone!, { PASS: "hush" });
    expect(credentials).toMatchObject({ password: "hush", project: { name: "service" } });
    expect(() => expandKeystone(settings!.notifier.keystone!, {})).toThrow(/no variable PASS/);
  });

  it("a user and a project by id, and an application credential with an authority beside tocsin.yaml", () => {
    const { settings } = load(keystone("user_id: a, password: p, project_id: b"));
    const credentials = { kind: "password", user: { id: "a" }, password: "p", project: { id: "b" } };
    expect(settings?.notifier.keystone).toEqual({ authUrl: "http://k:5000/v3", credentials });
    const own = load(keystone(`${CREDENTIAL.replace(": s", ': "$' + '{env:S}"')}, ca_file: ca.pem`));
    const expanded = expandKeystone(own.settings!.notifier.keystone!, { S: "hush" });
    expect(expanded).toEqual({
      authUrl: "http://k:5000/v3",
      caFile: join(own.folder, "ca.pem"),
      credentials: { kind: "application_credential", credential: { id: "i" }, secret: "hush" },
    });
  });

  it.each([
    ["allow: [10.0.*]", expect.stringMatching(/^E103 "allow": expected a CIDR such as /)],
    ["deny: [10.0.0.0/33]", expect.stringMatching(/^E103 "deny": expected a CIDR such as /)],
    ["deny: 10.0.0.0/8", 'E103 "deny" must be a list'],
    [
      "heartbeat_url: trust+http://h/",
      'E103 "heartbeat_url": expected http(s)://host[:port]/path, without user, spaces or fragment',
    ],
    ["heartbeat_url: ftp://h/", expect.stringMatching(/^E103 "heartbeat_url"/)],
    [`heartbeat_url: "ftp://$${"{"}env:H}/"`, expect.stringMatching(/^E103 "heartbeat_url"/)],
    ["heartbeat_url: http://u:p@h/", expect.stringMatching(/^E103 "heartbeat_url"/)],
    ["timeout: 76s", 'E103 "timeout": a duration of at most 75 s is needed, not "76s"'],
    ["connect_timeout: 31s", 'E103 "connect_timeout": a duration of at most 30 s is needed, not "31s"'],
    ["timeout: 5s", HASTE(5, 5)],
    ["connect_timeout: 30s", HASTE(30, 30)],
    ["timeout: 2s, connect_timeout: 10s", HASTE(2, 10)],
    ["heartbeat_uri: http://h/", 'E102 unknown key "heartbeat_uri" | did you mean "heartbeat_url"?'],
  ])("%s", (words, says) => expect(said(words)).toEqual([says]));

  it.each([
    [keystone(`${WHO}, ${WHERE}`), []],
    [`keystone: {${CREDENTIAL}}`, ['E104 auth_url is missing | add "auth_url:"']],
    [
      keystone("project_id: x"),
      [
        'E104 username is missing in notifier.keystone | add "username:"',
        'E104 password is missing in notifier.keystone | add "password:"',
      ],
    ],
    [keystone(WHO), ['E104 project_name is missing in notifier.keystone | add "project_name:"']],
    [
      keystone("username: u, password: p, project_id: x"),
      ['E104 user_domain_name is missing in notifier.keystone: username needs a domain | add "user_domain_name:"'],
    ],
    [
      keystone(`${WHO}, project_name: x`),
      [
        'E104 project_domain_name is missing in notifier.keystone: project_name needs a domain | add "project_domain_name:"',
      ],
    ],
    [
      keystone(`${WHO}, user_domain_id: default, ${WHERE}`),
      ["E108 user_domain_name and user_domain_id say the same in notifier.keystone | remove user_domain_id"],
    ],
    [
      keystone(`username: u, user_id: a, password: p, ${WHERE}`),
      ["E108 username and user_id say the same in notifier.keystone | remove user_id"],
    ],
    [
      keystone(`${WHO}, project_id: x, project_domain_id: default`),
      ["E108 project_id needs no domain in notifier.keystone | remove project_domain_id"],
    ],
    [
      keystone("application_credential_id: i"),
      ['E104 application_credential_secret is missing in notifier.keystone | add "application_credential_secret:"'],
    ],
    [
      keystone("application_credential_secret: s"),
      ['E104 application_credential_id is missing in notifier.keystone | add "application_credential_id:"'],
    ],
    [
      keystone(`${CREDENTIAL}, password: p, project_id: x`),
      [
        "E108 an application credential says by itself who asks, and for which project: not password | remove password",
        "E108 an application credential says by itself who asks, and for which project: not project_id | remove project_id",
      ],
    ],
    [keystone(`${CREDENTIAL}, region: x`), ['E102 unknown key "region" | remove it']],
  ])("%s", (words, says) => expect(said(words)).toEqual(says));

  it("no diagnostic shows a secret", () => {
    const { diagnostics } = load(
      `heartbeat_url: "https://u:hush@h/", ${keystone("password: hush, application_credential_secret: hush")}`,
    );
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(diagnostics.map(formatDiagnostic).join("\n")).not.toContain("hush");
  });

  describe("what the service will not find is warned of, and it starts all the same", () => {
    const secret = (name: string) => `"$${"{"}env:${name}}"`;
    const words = `heartbeat_url: ${secret("PING")}, ${keystone(`${CREDENTIAL.replace(": s", `: ${secret("S")}`)}, ca_file: ca.pem`).replace('"http://k:5000/v3"', secret("K"))}`;
    const missing = (name: string) => `W006 the environment has no variable ${name} | `;
    const [uncalled, noToken] = ["nobody is called until that is mended", "no token is had until that is mended"];

    it("secrets and the authority's file", () => {
      expect(load(words, {}).settings).toBeDefined();
      expect(said(words, {})).toEqual([
        `${missing("PING")}${uncalled}`,
        `${missing("K")}${noToken}`,
        `${missing("S")}${noToken}`,
        expect.stringMatching(
          /^W005 cannot read ca_file: ENOENT: .*\/ca\.pem' \| no token is had until that is mended$/,
        ),
      ]);
      expect(said(words)).toEqual([]);
    });

    it("secrets that make no URL, which are not shown", () => {
      const both = said(words.replace(", ca_file: ca.pem", ""), { PING: "hush", K: "trust+http://hush/", S: "s" });
      const shape = "expected http(s)://host[:port]/path, without user, spaces or fragment";
      expect(both).toEqual([
        `W006 with its secrets put in: "heartbeat_url": ${shape} | ${uncalled}`,
        `W006 with its secrets put in: "auth_url": ${shape} | ${noToken}`,
      ]);
    });

    it("nothing where all is there", () =>
      expect(said(words.replace("ca.pem", "/dev/null"), { PING: "http://h/", K: "http://k/", S: "s" })).toEqual([]));
  });

  it("rule files are read with them", () => {
    const text = `${HEAD}receivers: {a: {alarm_url: "trust+http://h/"}, b: {alarm_url: "http://10.0.0.1/"}}\nalarms: []\n`;
    const codes = (notifier: string) =>
      loadRuleTexts([{ name: "a.yaml", text }], ruleDefaults(load(notifier).settings!, {})).diagnostics.map(
        ({ code }) => code,
      );
    expect(codes("deny: [10.0.0.0/8]")).toEqual(["E214", "E213"]);
    expect(codes(`allow: [10.0.0.0/8], ${keystone(CREDENTIAL)}`)).toEqual([]);
    expect(ruleDefaults(load("timeout: 7s").settings!, { A: "b" })).toMatchObject({
      repeatIntervalS: 60,
      timeoutS: 7,
      connectTimeoutS: 5,
      intervalS: 10,
      environment: { A: "b" },
      hasKeystone: false,
    });
  });
});
