import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { ReceiverBook } from "../../src/config/receiverBook.ts";
import { maskedTarget } from "../../src/config/receiverUrl.ts";
import type { RuleDefaults } from "../../src/config/ruleFile.ts";
import { loadRuleTexts } from "../../src/config/rules.ts";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { BODY_FIELDS, SENLIN_INPUTS } from "../../src/model/body.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { alarmsOf, DEFAULTS, HEAD, problems, rulesOf } from "./loading.ts";

const SENLIN = "http://h:8778/v1/webhooks/59f632d6-4aad-4e79-817c-93947a318db2/trigger?V=2";
const URLS =
  "http(s)://host[:port]/path without user, spaces or fragment, trust+http(s)://… with notifier.keystone, log: or test:";

/** A receiver whose words begin on line 7, column 5. */
const words = (text: string) => `${HEAD}receivers:\n  r:\n${text.replace(/^/gm, "    ")}\nalarms: []\n`;
const senlin = (text: string) => words(`type: senlin\nalarm_url: "${SENLIN}"\n${text}`);
const ops = (text: string) => words(`class: notice\nalarm_url: "https://h/x"\n${text}`);
const url = (text: string) => words(`alarm_url: "${text}"`);
/** An alarm on line 6 whose action is the one written. */
const action = (written: string) =>
  `${HEAD}alarms:\n  - {name: a, type: event, alarm_actions: [${JSON.stringify(written)}]}\n`;

interface Case {
  readonly name: string;
  readonly text: string;
  readonly says?: string | readonly string[];
  readonly defaults?: Partial<RuleDefaults>;
}

function saidOf(text: string, defaults: Partial<RuleDefaults> = {}): readonly string[] {
  return loadRuleTexts([{ name: "a.yaml", text }], { ...DEFAULTS, ...defaults }).diagnostics.map(
    ({ line, column, code, message, hint }) => `${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`,
  );
}

function table(cases: readonly Case[]): void {
  it.each(cases)("$name", ({ text, says = [], defaults }) => expect(saidOf(text, defaults)).toEqual([says].flat()));
}

function target(text: string, environment: Readonly<Record<string, string>> = DEFAULTS.environment) {
  const { clusters, diagnostics } = loadRuleTexts([{ name: "a.yaml", text }], { ...DEFAULTS, hasKeystone: true });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return new ReceiverBook(clusters, environment).resolve("web", "r");
}

describe("where a receiver is", () => {
  const policy = createAddressPolicy({ allow: ["169.254.7.7"], deny: ["*.evil.example", "10.9.0.0/16"] });
  table([
    { name: "log needs no URL", text: words("type: log") },
    { name: "log by its URL", text: url("log:") },
    { name: "log as Aodh writes it", text: url("log://") },
    { name: "test as Aodh writes it", text: url("test://whatever") },
    { name: "log with a URL of its own kind", text: words('type: log\nalarm_url: "log://"') },
    { name: "log as a bare action", text: action("log://") },
    { name: "test as a bare action", text: action("test:") },
    { name: "a bare URL with a token", text: action("trust+https://h/x"), defaults: { hasKeystone: true } },
    { name: "a URL with a token", text: url("trust+http://h:80/x?a=%2F"), defaults: { hasKeystone: true } },
    {
      name: "no URL",
      text: words("class: notice"),
      says: '7:5 E104 alarm_url is missing in receiver "r" | add "alarm_url:", or type: log',
    },
    {
      name: "log that leads elsewhere",
      text: words("type: log\nalarm_url: http://h/"),
      says: '8:16 E108 receiver "r" is of type log, and its alarm_url leads elsewhere | remove one of them',
    },
    ...["zaqar://?queue_name=q", "trust+zaqar://?queue_name=q", "trust+heat://stack", "ftp://h/x", "http:///x"].map(
      (one) => ({ name: `${one} as a bare action`, text: action(one), says: `6:44 E206 an alarm_url is ${URLS}` }),
    ),
    ...["zaqar:", "trust+heat:", "ftp://h/x", "log:/x", "logs:", "/path", "http://h/#f"].map((one) => ({
      name: one,
      text: url(one),
      says: `7:16 E206 an alarm_url is ${URLS}`,
    })),
    ...[
      "http://h/a b",
      "http://h/→",
      "trust+http://h/?ü=1",
      "http://h/a\\u0001",
      "http://h/\\u007f",
      "http://h/\\n",
    ].map((one) => ({
      name: `${one} as it is`,
      text: url(one),
      says: `7:16 E206 an alarm_url is ${URLS} | percent-encode what is no printable ASCII in its path or query: a space is %20`,
    })),
    ...["http://bücher.example/→", "http://h．example/x"].map((one) => ({
      name: `${one}: its host`,
      text: url(one),
      says: `7:16 E206 an alarm_url is ${URLS} | write its host in ASCII: as punycode, xn--…`,
    })),
    {
      name: "the same in a secret",
      text: url("https://h/$" + "{env:TOKEN}"),
      defaults: { environment: { TOKEN: "→" } },
      says: `7:16 W006 with its secrets put in: an alarm_url is ${URLS} | percent-encode what is no printable ASCII in its path or query: a space is %20`,
    },
    {
      name: "no URL as a bare action",
      text: action("mailto:ops"),
      says: `6:44 E201 an action is receiver:NAME or a URL: ${URLS}`,
    },
    {
      name: "a trust of Aodh's",
      text: url("trust+http://3a5:delete@h/x"),
      defaults: { hasKeystone: true },
      says: `7:16 E206 an alarm_url is ${URLS} | leave out what is before the @: the token is that of notifier.keystone`,
    },
    {
      name: "a token of nobody",
      text: url("trust+http://h/x"),
      says: "7:16 E214 trust+ takes a token of Keystone, and tocsin.yaml has no notifier.keystone | add it there, or leave out trust+",
    },
    {
      name: "a token of nobody, as a bare action",
      text: action("trust+http://h/x"),
      says: "6:44 E214 trust+ takes a token of Keystone, and tocsin.yaml has no notifier.keystone | add it there, or leave out trust+",
    },
    {
      name: "an address that is refused",
      text: url("http://169.254.169.254/latest"),
      defaults: { policy },
      says: "7:16 E213 nothing is sent to this address: 169.254.169.254 is link-local: refused unless notifier.allow names it | notifier.allow of tocsin.yaml lets it through",
    },
    {
      name: "an address that is refused, by another name, as a bare action",
      text: action("trust+http://[::ffff:169.254.169.254]:80/latest"),
      defaults: { policy, hasKeystone: true },
      says: expect.stringMatching(/^6:44 E213 nothing is sent to this address: .*169\.254\.169\.254/) as string,
    },
    { name: "an address that is allowed", text: url("http://169.254.7.7/"), defaults: { policy } },
    { name: "private and loopback addresses are normal", text: url("http://127.0.0.1:9/"), defaults: { policy } },
    {
      name: "a host name that is denied",
      text: url("https://api.evil.example/x"),
      defaults: { policy },
      says: expect.stringMatching(/^7:16 E213 .*notifier\.deny/) as string,
    },
    {
      name: "an address of a secret that is refused: its value is not told",
      text: url("http://$" + "{env:TOKEN}/x"),
      defaults: { policy, environment: { TOKEN: "10.9.8.7" } },
      says: "7:16 W006 with its secrets put in: nothing is sent to this address | notifier.allow of tocsin.yaml lets it through",
    },
    {
      name: "V=1",
      text: url(SENLIN.replace("V=2", "a=b&V=1")),
      says: "7:16 L006 with V=1 Senlin refuses the body of an alarm (400) | write V=2",
    },
    {
      name: "V=1 as a bare action",
      text: action(SENLIN.replace("V=2", "V=1&a=b")),
      says: expect.stringContaining("6:44 L006 ") as string,
    },
    { name: "V=1 without a body", text: words(`alarm_url: "${SENLIN.replace("V=2", "V=1")}"\nbody: none`) },
    { name: "V=1 of somebody else", text: url("http://h/x?V=1") },
    { name: "V=10", text: url(SENLIN.replace("V=2", "V=10")) },
    ...["aodh-alarm-ssl-verify=0", "ceilometer-alarm-ssl-verify=0"].map((verify) => ({
      name: verify,
      text: url(`https://h/x?a=b&${verify}`),
      says: `7:16 W007 "${verify}" is sent along and not heeded: certificates are verified all the same | name the authority of the certificate: tls: {ca_file: …}`,
    })),
    { name: "certificates that are verified", text: url("https://h/x?aodh-alarm-ssl-verify=1") },
    { name: "no certificates", text: url("http://h/x?aodh-alarm-ssl-verify=0") },
  ]);

  it("is resolved: a URL to the byte, a token, nothing at all", () => {
    const webhook = { kind: "webhook", headers: {}, timeoutMs: 30_000, body: { kind: "aodh" }, labels: {} };
    const common = { ...webhook, clusterName: "shop", secrets: [] };
    expect(target(url("http://H:80/%7e?b=1&a=%2F"))).toEqual({ ...common, url: "http://H:80/%7e?b=1&a=%2F" });
    expect(target(url("trust+https://h/x"))).toEqual({ ...common, url: "https://h/x", trust: true });
    expect(() => target(url("http://h/$" + "{env:TOKEN}"), { TOKEN: "→" })).toThrow(/alarm_url of receiver r must be/);
    expect(target(url("$" + "{env:TOKEN}"), { TOKEN: "TRUST+http://h/" })).toMatchObject({ trust: true });
    expect(target(words("type: log"))).toEqual({ kind: "log" });
    expect(target(url("TEST://x"))).toEqual({ kind: "test" });
    expect(() => target(url("$" + "{env:TOKEN}"), { TOKEN: "gopher://hush" })).toThrow(
      /alarm_url of receiver r must be/,
    );
    expect(() => target(url("$" + "{env:TOKEN}"), { TOKEN: "gopher://hush" })).not.toThrow(/hush/);
  });

  it("a host that a secret brings in is one of its secrets", () => {
    const of = (written: string, TOKEN: string) => {
      const found = target(url(written), { TOKEN });
      return found?.kind === "webhook" ? found.secrets : undefined;
    };
    expect(of("https://$" + "{env:TOKEN}/x", "Hush.example")).toEqual(["Hush.example", "hush.example"]);
    expect(of("$" + "{env:TOKEN}", "http://0x7f.1:80/x")).toEqual(["http://0x7f.1:80/x", "0x7f.1", "127.0.0.1"]);
    expect(of("https://a.$" + "{env:TOKEN}:8/x", "hush")).toEqual(["hush", "a.hush"]);
    expect(of("https://[$" + "{env:TOKEN}]:8/x", "fe80::00a")).toEqual(["fe80::00a", "fe80::a"]);
    expect(of("https://h.example/$" + "{env:TOKEN}", "hush")).toEqual(["hush"]);
  });

  it.each([
    ["http://h:8778/v1/webhooks/hush/trigger?V=2", "http://h:8778/…"],
    ["https://user:hush@h/hush", "https://h/…"],
    ["trust+https://[::1]:5/hush", "trust+https://[::1]:5/…"],
    ["http://h", "http://h/…"],
    ["http://h?hush", "http://h/…"],
    ["log://hush", "log:"],
    ["TEST:", "test:"],
    ["https://$" + "{env:HOST}:9/hush", "https://$" + "{env:HOST}:9/…"],
    ["https://$" + "{file:/run/host}/hush", "https://$" + "{file:/run/host}/…"],
    ["$" + "{file:/run/url}/hush?hush", "$" + "{file:/run/url}/…"],
    ["hush", "…"],
    ["ftp://hush", "…"],
  ])("as people may see it: %s", (written, shown) => expect(maskedTarget(written)).toBe(shown));
});

describe("what it gets", () => {
  const list = (count: number) => `body: {a: [${Array.from({ length: count }, () => 0).join(",")}]}`;
  const deep = (levels: number) => `body: ${"{a: ".repeat(levels)}0${"}".repeat(levels)}`;
  const field = (text: string) => `body: {a: "${text}"}`;
  table([
    ...["aodh", "alertmanager-v4", "none"].map((body) => ({ name: body, text: ops(`body: ${body}`) })),
    { name: "tacker-v2", text: ops("body: tacker-v2\nlabels: {vnf_instance_id: x, aspect_id: VDU1}") },
    { name: "every field", text: ops(field(BODY_FIELDS.map((one) => `$${"{"}${one}}`).join(" "))) },
    { name: "no field at all", text: ops(field("$ {x} $(y) ${")) },
    { name: "as deep as can be", text: ops(deep(20)) },
    { name: "as much as can be", text: ops(list(998)) },
    {
      name: "another name",
      text: ops("body: alertmanager"),
      says: '9:11 E103 "body" must be one of aodh, alertmanager-v4, tacker-v2, none, or a map in receiver "r" | did you mean "alertmanager-v4"?',
    },
    {
      name: "a list",
      text: ops("body: [1]"),
      says: '9:11 E103 "body": must be one of aodh, alertmanager-v4, tacker-v2, none, or a map in receiver "r"',
    },
    {
      name: "tacker-v2 of nobody",
      text: ops("body: tacker-v2\nlabels: {aspect_id: VDU1}"),
      says: '10:13 E104 the label vnf_instance_id is missing in receiver "r": the body tacker-v2 needs it | add it to "labels:"',
    },
    {
      name: "a field near another",
      text: ops(field("a $" + "{alarm_nme}")),
      says: '9:15 E216 there is no field "alarm_nme" for the body of receiver "r" | did you mean "alarm_name"?',
    },
    {
      name: "a field like no other, in a list",
      text: ops('body: {a: [1, "$' + '{x}"]}'),
      says: `9:19 E216 there is no field "x" for the body of receiver "r" | one of ${BODY_FIELDS.join(", ")}`,
    },
    {
      name: "a field in a key",
      text: ops('body: {"$' + '{at}": 1}'),
      says: '9:21 E216 a key holds no field in the body of receiver "r" | put it into a value',
    },
    {
      name: "a key that could pollute",
      text: ops("body: {a: {__proto__: {x: 1}}}"),
      says: expect.stringMatching(
        /^9:\d+ E102 the key "__proto__" is never allowed in the body of receiver "r"$/,
      ) as string,
    },
    {
      name: "too deep",
      text: ops(deep(21)),
      says: '9:91 E103 the body of receiver "r" is nested more than 20 deep',
    },
    {
      name: "too much",
      text: ops(list(999)),
      says: '9:11 E103 the body of receiver "r" has more than 1000 values | make it smaller',
    },
    {
      name: "a number that JSON has not",
      text: ops("body: {a: .inf}"),
      says: '9:15 E103 a value in the body of receiver "r" is nothing that JSON has',
    },
    {
      name: "secrets that nobody set",
      text: ops('body: {a: "$' + '{env:NOBODY}"}\nheaders: {b: "$' + '{env:NOBODY}"}'),
      says: [
        "9:15 W006 the environment has no variable NOBODY | nothing can be sent to this receiver until it can be read",
        "10:18 W006 the environment has no variable NOBODY | nothing can be sent to this receiver until it can be read",
      ],
    },
    {
      name: "a label that is no name",
      text: ops("labels: {a-b: x}"),
      says: '9:19 E103 "a-b": a label\'s name is a letter, then at most 254 letters, digits and _ in receiver "r"',
    },
    {
      name: "a label that is no text",
      text: ops("labels: {a: 1}"),
      says: '9:17 E103 "a" must be a string in receiver "r"',
    },
  ]);

  it.each([...SENLIN_INPUTS])("Senlin's input %s", (input) => {
    const hint = input === "count" ? "write scale: {count: proportional}" : "put it into a map of its own";
    const says = `9:${14 + input.length} E215 Senlin takes "${input}" at the top of a body as an input of its action | ${hint}`;
    expect(saidOf(senlin(`body: {${input}: 1}`))).toEqual([says]);
    expect(saidOf(words(`alarm_url: "${SENLIN}"\nbody: {${input}: 1}`))).toHaveLength(1);
    expect(saidOf(senlin(`body: {tocsin: {${input}: 1}}`))).toEqual([]);
    expect(saidOf(ops(`body: {${input}: 1}`))).toEqual([]);
  });

  it.each(["unset_hook", "state"])("Heat's input %s", (input) => {
    const says = `9:${14 + input.length} E215 Heat takes "${input}" at the top of a body as an input of its action | put it into a map of its own`;
    expect(saidOf(words(`type: heat\nalarm_url: "http://h/x"\nbody: {${input}: 1}`))).toEqual([says]);
    expect(saidOf(words(`alarm_url: "http://h/v1/signal/x?y"\nbody: {${input}: 1}`))).toHaveLength(1);
    expect(saidOf(senlin(`body: {${input}: 1}`))).toEqual([]);
  });

  it("is resolved with its secrets, fields left for what is sent", () => {
    const body =
      'body: {a: "$' + "{env:TOKEN} $" + '{reason}", b: [1, 1.5, true, null, {c: "$' + '{at}"}], "$' + 'k": "$"}';
    const text = ops(`${body}\nlabels: {team: "$${"{"}env:TOKEN}", x: y}`);
    expect(JSON.stringify(rulesOf(text))).not.toContain("s3cret");
    expect(target(text)).toMatchObject({
      body: {
        kind: "custom",
        tree: { a: "s3cret $" + "{reason}", b: [1, 1.5, true, null, { c: "$" + "{at}" }], $k: "$" },
      },
      labels: { team: "s3cret", x: "y" },
    });
    expect(() => target(text, {})).toThrow(/the environment has no variable TOKEN/);
  });
});

describe("TLS", () => {
  const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const KEY = "-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n";
  table([
    {
      name: "a certificate without its key",
      text: ops("tls: {cert_file: /dev/null}"),
      says: "9:22 E108 cert_file is said without key_file | add key_file:, or remove cert_file",
    },
    {
      name: "a key without its certificate",
      text: ops("tls: {ca_file: /dev/null, key_file: /dev/null}"),
      says: "9:41 E108 key_file is said without cert_file | add cert_file:, or remove key_file",
    },
    {
      name: "files that are not there",
      text: ops("tls: {cert_file: /nowhere/c, key_file: /nowhere/k}"),
      says: [
        "9:22 W005 cannot read cert_file: ENOENT: no such file or directory, access '/nowhere/c' | nothing can be sent to this receiver until it can be read",
        "9:44 W005 cannot read key_file: ENOENT: no such file or directory, access '/nowhere/k' | nothing can be sent to this receiver until it can be read",
      ],
    },
    {
      name: "where there is none",
      text: words("alarm_url: http://h/\ntls: {ca_file: /dev/null}"),
      says: "8:20 E108 tls is said, but alarm_url is not https | remove one, or mend the other",
    },
    {
      name: "with a token",
      text: words('alarm_url: "trust+https://h/"\ntls: {ca_file: /dev/null}'),
      defaults: { hasKeystone: true },
    },
  ]);

  it("files are read when they are needed, and must hold what they are for", () => {
    using folder = temporaryFolder();
    const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    const text = ops(`tls: {cert_file: ${cert}, key_file: ${key}}`);
    expect(() => target(text)).toThrow(/cannot read cert_file of receiver r: ENOENT/);
    writeFileSync(cert, CERTIFICATE);
    writeFileSync(key, CERTIFICATE);
    expect(() => target(text)).toThrow(/key_file of receiver r, .*key\.pem, holds no PEM private key/);
    writeFileSync(key, KEY.replaceAll("EC", "ENCRYPTED"));
    expect(() => target(text)).toThrow(/is encrypted: a key without a passphrase is needed/);
    writeFileSync(key, KEY);
    expect(target(text)).toMatchObject({ tls: { cert: CERTIFICATE, key: KEY } });
  });
});

describe("scale: {count: proportional}", () => {
  const scaled = (alarm: string, more: { capacity?: string; words?: string; list?: string } = {}) => {
    const { capacity = "capacity: {min: 2, max: 9}", words: other = "", list: name = "alarm_actions" } = more;
    const receiver = `type: senlin, alarm_url: "${SENLIN}", scale: {count: proportional}${other}`;
    return `${HEAD}${capacity}\nreceivers: {r: {${receiver}}}\nalarms: [{name: a, ${alarm}, ${name}: [receiver:r]}]\n`;
  };
  const load = (comparison: string, more = "") =>
    `meter_name: network.services.lb.incoming.bytes.rate, threshold: 5, comparison_operator: ${comparison}${more}`;
  const says = (why: string, hint: string) =>
    expect.stringContaining(` E217 receiver "r" scales in proportion, and ${why} | ${hint}`) as string;
  const another = "name a receiver without scale:";
  const COUNT = '"$' + '{count}"';
  table([
    ...["lt", "le", "ge", "gt"].map((one) => ({ name: one, text: scaled(load(one)) })),
    { name: "per active server", text: scaled(load("ge", ", per: active_server")) },
    { name: "out with max alone", text: scaled(load("ge"), { capacity: "capacity: {max: 9}" }) },
    { name: "in with min alone", text: scaled(load("le"), { capacity: "capacity: {min: 2}" }) },
    { name: "a body of one's own that says it", text: scaled(load("ge"), { words: `, body: {count: ${COUNT}}` }) },
    {
      name: "out without max",
      text: scaled(load("ge"), { capacity: "capacity: {min: 2}" }),
      says: says("nothing says how large the cluster may be", "add capacity: {max: …} to the file"),
    },
    {
      name: "in without a capacity",
      text: scaled(load("le"), { capacity: "expect: 1" }),
      says: says("nothing says how small the cluster may be", "add capacity: {min: …} to the file"),
    },
    {
      name: "its own direction rules",
      text: scaled(load("ge"), { capacity: "capacity: {max: 9}", words: ", direction: in" }),
      says: says("nothing says how small the cluster may be", "add capacity: {min: …} to the file"),
    },
    {
      name: "a direction that nobody knows may be either",
      text: scaled(load("ge").replace("incoming.bytes.rate", "members.up"), { capacity: "capacity: {max: 9}" }),
      says: says("nothing says how small the cluster may be", "add capacity: {min: …} to the file"),
    },
    {
      name: "eq",
      text: scaled(load("eq"), { words: ", direction: out" }),
      says: says('alarm "a" compares by eq: that has no side', "use lt, le, ge or gt"),
    },
    {
      name: "per server",
      text: scaled(load("ge", ", per: server")),
      says: says('alarm "a" is per: server, and says nothing of the cluster', "use per: active_server or total"),
    },
    {
      name: "a threshold that nothing is a part of",
      text: scaled(load("ge").replace("threshold: 5", "threshold: 0")),
      says: says('the threshold of alarm "a" is not above 0: nothing is a part of it', another),
    },
    {
      name: "an event",
      text: scaled("type: event", { words: ", direction: out" }),
      says: says('alarm "a" is no threshold alarm: it has no one value', another),
    },
    {
      name: "want of data",
      text: scaled(load("ge"), { words: ", direction: out", list: "insufficient_data_actions" }),
      says: says('alarm "a" has no value without data', another),
    },
    {
      name: "of a receiver that only tells someone",
      text: senlin("class: notice\nscale: {count: proportional}"),
      says: '10:12 E217 receiver "r" is none that scales a Senlin cluster: it reads no count | remove it, or set type: senlin',
    },
    {
      name: "of another receiver",
      text: words('direction: out\nalarm_url: "http://h/x"\nscale: {count: proportional}'),
      says: '9:12 E217 receiver "r" is none that scales a Senlin cluster: it reads no count | remove it, or set type: senlin',
    },
    ...["none", "alertmanager-v4"].map((body) => ({
      name: `with body: ${body}`,
      text: senlin(`body: ${body}\nscale: {count: proportional}`),
      says: '10:12 E108 receiver "r" scales in proportion, and its body says no count | use body: aodh',
    })),
    {
      name: "with a body of one's own that says nothing of it",
      text: senlin("body: {a: 1}\nscale: {count: proportional}"),
      says: `10:12 E108 receiver "r" scales in proportion, and its body says no count | add count: ${COUNT} at its top`,
    },
    {
      name: "with a body of one's own that says something else",
      text: senlin("body: {count: 5}\nscale: {count: proportional}"),
      says: [
        '9:19 E215 Senlin takes "count" at the top of a body as an input of its action | write scale: {count: proportional}',
        `10:12 E108 receiver "r" scales in proportion, and its body says no count | add count: ${COUNT} at its top`,
      ],
    },
    {
      name: "another word",
      text: senlin("scale: {count: 5}"),
      says: '9:20 E103 "count" must be proportional in receiver "r"',
    },
  ]);

  it("is known to the action", () => {
    const [alarm] = rulesOf(scaled(load("ge"))).alarms;
    expect(alarm?.actions.alarm).toEqual([
      { receiver: "r", class: "control", direction: "out", maxAgeS: 86_400, scale: "proportional" },
    ]);
  });
});

describe("mode and timeout", () => {
  it("a receiver in shadow, also where it is told of no effect; live says nothing", () => {
    const receivers = `receivers:
  out: {alarm_url: "http://h/", direction: out, mode: live, on_no_effect: [receiver:ops]}
  ops: {type: log, mode: shadow}\n`;
    const text = `${HEAD}${receivers}alarms: [{name: a, type: event, alarm_actions: [receiver:out, receiver:ops]}]\n`;
    const told = { receiver: "ops", class: "notice", direction: "unknown", maxAgeS: 86_400, shadow: true };
    expect(rulesOf(text).alarms[0]?.actions.alarm).toEqual([
      { receiver: "out", class: "control", direction: "out", maxAgeS: 86_400, onNoEffect: [told] },
      told,
    ]);
  });

  it("an alarm in shadow", () => {
    const { a, b, c } = alarmsOf(
      "  - {name: a, type: event, mode: shadow}\n  - {name: b, type: event, mode: live}\n  - {name: c, type: event}\n",
    );
    expect([a, b, c].map((alarm) => "shadow" in alarm!)).toEqual([true, false, false]);
    expect(a?.shadow).toBe(true);
  });

  const SHORT = (s: string) =>
    `9:14 W008 a timeout of ${s} s is short: Senlin needs up to 20 s when busy, and an attempt without an answer counts as uncertain | allow 30s, the default, or more`;
  table([
    {
      name: "another mode",
      text: senlin("mode: dry"),
      says: '9:11 E103 "mode" must be one of live, shadow in receiver "r"',
    },
    { name: "less than Senlin needs", text: senlin("timeout: 4.5"), says: SHORT("4.5") },
    { name: "enough", text: senlin("timeout: 5s") },
    { name: "as long as can be", text: senlin("timeout: 75s") },
    {
      name: "longer than anybody waits",
      text: senlin("timeout: 24h"),
      says: '9:14 E103 "timeout": a duration of at most 75 s is needed, not "24h" in receiver "r"',
    },
    {
      name: "no longer than a connection may take",
      text: ops("timeout: 5s"),
      defaults: { connectTimeoutS: 5 },
      says: "9:14 W008 a timeout of 5 s is not above notifier.connect_timeout, 5 s: an attempt may end before its connection stands | make it longer, or notifier.connect_timeout shorter",
    },
    { name: "longer than a connection may take", text: ops("timeout: 5.1s"), defaults: { connectTimeoutS: 5 } },
    {
      name: "neither as long as Senlin needs, nor as a connection may take",
      text: senlin("timeout: 2"),
      defaults: { connectTimeoutS: 5 },
      says: SHORT("2"),
    },
    { name: "short, and nobody scales", text: senlin("timeout: 2s\nclass: notice") },
    { name: "short, of somebody else", text: words('direction: out\nalarm_url: "http://h/"\ntimeout: 2s') },
  ]);
});

describe("words without effect", () => {
  const W004 = (at: string, message: string, hint = "remove it") => `${at} W004 ${message} | ${hint}`;
  const secret = `{scheme: standard-webhooks, secret: whsec_${"A".repeat(43)}=}`;
  table([
    ...["type: log", 'alarm_url: "log:"', 'alarm_url: "test:"'].map((where) => ({
      name: where,
      text: words(
        `${where}\ntimeout: 7s\nheaders: {A: b}\nsign: ${secret}\nbody: none\nkeep_alive: true\nlabels: {a: b}\ntls: {ca_file: /dev/null}`,
      ),
      says: ["timeout", "headers", "sign", "body", "keep_alive", "labels", "tls"].map((word, index) =>
        W004(`${8 + index}:${7 + word.length}`, `receiver "r" sends nothing over the network: ${word} has no effect`),
      ),
    })),
    ...["aodh", "none"].map((body) => ({
      name: `labels with ${body}`,
      text: ops(`body: ${body}\nlabels: {a: b}`),
      says: W004("10:13", `the body of receiver "r" has no labels: labels has no effect`),
    })),
    {
      name: "labels with a body of one's own",
      text: ops("body: {a: b}\nlabels: {a: b}"),
      says: W004("10:13", `the body of receiver "r" has no labels: labels has no effect`),
    },
    { name: "labels with alertmanager-v4", text: ops("body: alertmanager-v4\nlabels: {a: b}") },
    {
      name: "how long an action is tried",
      text: senlin("max_age: 1h"),
      says: W004(
        "9:14",
        'receiver "r" scales, and actions do not age: max_age has no effect',
        "remove it, or set class: notice",
      ),
    },
    { name: "how long a notice is tried, also in a log", text: words("type: log\nmax_age: 1h") },
    {
      name: "a header that no connection takes",
      text: ops("headers: {Keep-Alive: timeout=5}"),
      says: expect.stringContaining('E103 "Keep-Alive": this header is set by Tocsin') as string,
    },
  ]);
});

it("the book lists the receivers of the newest rules by cluster and name, bare URLs too, without secrets", () => {
  const of = (cluster: string, text: string) =>
    loadRuleTexts(
      [{ name: `${cluster}.yaml`, text: text.replace("cluster_id: web", `cluster_id: ${cluster}`) }],
      DEFAULTS,
    ).clusters[0]!;
  const bare = action("http://h/bare");
  const named = ops('headers: {A: "$' + '{env:TOKEN}"}').replace("  r:", "  z: {type: log}\n  r:");
  const book = new ReceiverBook([of("web", named), of("api", bare)], DEFAULTS.environment);
  const names = () =>
    book.list().map(({ clusterId, clusterName, receiver }) => [clusterId, clusterName, receiver.name]);
  const url12 = expect.stringMatching(/^url-[0-9a-f]{12}$/) as string;
  expect(names()).toEqual([
    ["api", "shop", url12],
    ["web", "shop", "r"],
    ["web", "shop", "z"],
  ]);
  expect(JSON.stringify(book.list())).not.toContain("s3cret");
  const change = book.change("web", of("web", bare));
  expect(names()).toEqual([
    ["api", "shop", url12],
    ["web", "shop", url12],
  ]);
  expect(book.resolve("web", "r")).toMatchObject({ url: "https://h/x" });
  change.done();
  expect(book.resolve("web", "r")).toBeUndefined();
  book.change("web", undefined).done();
  expect(names()).toHaveLength(1);
});

it("no diagnostic shows what a secret stands for", () => {
  const text = words(`alarm_url: "http://$${"{"}env:A}/x"
headers: {X: "$${"{"}env:A}"}
labels: {x: "$${"{"}env:A}"}
body: {x: "$${"{"}env:A} $${"{"}nothing}"}
sign: {scheme: standard-webhooks, secret: "$${"{"}env:A}"}`);
  const policy = createAddressPolicy({ allow: [], deny: ["hush.example"] });
  const { diagnostics } = loadRuleTexts([{ name: "a.yaml", text }], {
    ...DEFAULTS,
    policy,
    environment: { A: "hush.example" },
  });
  expect(diagnostics.map(({ code }) => code)).toEqual(["W006", "W004", "E216", "W006"]);
  expect(diagnostics.map(formatDiagnostic).join("\n")).not.toContain("hush");
  expect(problems(text, { A: "hush" }).join("\n")).not.toContain("hush");
});

describe("docs/receivers.md", () => {
  const page = readFileSync(new URL("../../docs/receivers.md", import.meta.url), "utf8");

  it("its examples are in order, but for files and variables that are not here", () => {
    const [all = "", body = ""] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
    const codes = (text: string) =>
      loadRuleTexts([{ name: "a.yaml", text: `${HEAD}${text}alarms: []\n` }], DEFAULTS).diagnostics.map(
        ({ code }) => code,
      );
    expect(all).toMatch(/^receivers:\n/);
    expect(new Set(codes(all))).toEqual(new Set(["W005", "W006"]));
    expect(body).toMatch(/^ {4}body:\n/);
    expect(codes(`receivers:\n  r:\n    alarm_url: http://h/\n${body}`)).toEqual(["W006"]);
  });

  it("names every field of a body", () => {
    expect(BODY_FIELDS.filter((field) => !page.includes(`\`${field}\``))).toEqual([]);
  });
});
