/** Rule files with a secret at every place that takes one, and broken ones with a secret where they are broken. */

import { plant } from "./secretsSearch.ts";

/** Spelled differently by everything that spells. */
const ODD = "<&>\"'\\/+%25=";
const signing = (name: string) => `whsec_${Buffer.from(plant(name).slice(0, 30)).toString("base64")}`;

/** Where each is, by name. */
export const SECRETS = {
  "path of a Senlin URL": plant("senlin"),
  "value of a signed URL": plant("signed", "%2BQ%2f+w%3D%3D"),
  "URL of the environment": plant("environment URL"),
  "URL of a file": plant("file URL"),
  "literal header": plant("literal header", "&<'"),
  "header of the environment": plant("environment header", '\\"'),
  "header of a file": plant("file header", ODD),
  "signing secret of a file": signing("signing file"),
  "literal signing secret": signing("signing literal"),
  "body of the environment": plant("body", `${ODD}ü€`),
  "label of a file": plant("label", "\t€ & co"),
  "URL in an action list": plant("bare"),
  "path of a trust URL": plant("trust"),
  "first token of Keystone": plant("token 1"),
  "second token of Keystone": plant("token 2"),
  "password of Keystone": plant("keystone password", ODD),
  "application credential": plant("application credential"),
  "path of the heartbeat": plant("heartbeat"),
  "query of the heartbeat": plant("heartbeat query"),
  "path that is refused a connection": plant("refused"),
  "path on an unknown host": plant("unknown host"),
  "path behind TLS that fails": plant("bad TLS"),
  "path behind TLS": plant("good TLS"),
  "path that redirects": plant("redirect"),
  "path that resets": plant("reset"),
  "path that a receiver cuts": plant("cut"),
  "path that a body of HTML repeats": plant("html"),
  "path of a label": plant("python"),
  "path in JSON": plant("json"),
  "path in PHP's JSON": plant("php"),
  "path spelled small": plant("lower", "%c3%bc"),
  "path spelled large": plant("upper", "%C3%BC"),
  "file that is no PEM": plant("no PEM"),
  "variable that makes no URL": plant("no URL"),
  "header with a line break": plant("line break"),
  "variable that is no signing secret": plant("no base64", "!"),
  "user of a URL": plant("userinfo"),
  "said to the interface": plant("said"),
} as const;

/** Values of variables, as the service has them. */
export const ENVIRONMENT = (port: number): Record<string, string> => ({
  HOOK_URL: `http://127.0.0.1:${port}/404/plain/${SECRETS["URL of the environment"]}`,
  HOOK_TOKEN: SECRETS["header of the environment"],
  BODY_TOKEN: SECRETS["body of the environment"],
  NO_URL: `nothing like a URL ${SECRETS["variable that makes no URL"]}`,
  NO_HEADER: `${SECRETS["header with a line break"]}\nx: y`,
  NO_BASE64: SECRETS["variable that is no signing secret"],
});

/** Texts of the files that `${file:…}` names, by name. */
export const FILES: Readonly<Record<string, string>> = {
  url: SECRETS["URL of a file"],
  header: SECRETS["header of a file"],
  sign: SECRETS["signing secret of a file"],
  label: SECRETS["label of a file"],
  "no.pem": SECRETS["file that is no PEM"],
  keystone: SECRETS["password of Keystone"],
};

export interface Places {
  /** Of the receiver that repeats what it is asked, of the same behind TLS, and of nobody. */
  readonly port: number;
  readonly tlsPort: number;
  readonly deadPort: number;
  /** Folder of the files with secrets and certificates. */
  readonly folder: string;
}

/** Receivers that are told, by name. */
function notices({ port, tlsPort, deadPort, folder }: Places): Readonly<Record<string, string>> {
  const at = (status: number | string, form: string, rest: string) =>
    `alarm_url: "http://127.0.0.1:${port}/${status}/${form}/${rest}"`;
  const behindTls = (secret: string) => `alarm_url: "https://127.0.0.1:${tlsPort}/200/plain/${secret}"`;
  return {
    signed: at(500, "form", `?Signature=${SECRETS["value of a signed URL"]}&Expires=1`),
    environment_url: `alarm_url: "\${env:HOOK_URL}"`,
    file_url: at(200, "plain", `\${file:${folder}/url}`),
    headers: `${at(404, "html", "h")}, headers: {X-Shared: "${SECRETS["literal header"]}", Authorization: "Bearer \${env:HOOK_TOKEN}", X-File: "\${file:${folder}/header}"}`,
    headers_python: `${at(404, "python", SECRETS["path of a label"])}, headers: {X-File: "\${file:${folder}/header}"}`,
    headers_json: `${at(200, "json", SECRETS["path in JSON"])}, headers: {X-File: "\${file:${folder}/header}"}`,
    headers_php: `${at(500, "php", SECRETS["path in PHP's JSON"])}, headers: {X-File: "\${file:${folder}/header}"}`,
    headers_lower: `${at(200, "lower", SECRETS["path spelled small"])}, headers: {X-File: "\${file:${folder}/header}"}`,
    headers_upper: `${at(200, "upper", SECRETS["path spelled large"])}, headers: {X-File: "\${file:${folder}/header}"}`,
    signed_by_file: `${at(404, "plain", "s")}, sign: {scheme: standard-webhooks, secret: "\${file:${folder}/sign}"}`,
    signed_by_text: `${at(404, "plain", "s")}, sign: {scheme: standard-webhooks, secret: "${SECRETS["literal signing secret"]}"}`,
    own_body: `${at(404, "json", "b")}, body: {text: "\${alarm_name}", auth: {token: "\${env:BODY_TOKEN}"}}`,
    own_body_html: `${at(404, "html", SECRETS["path that a body of HTML repeats"])}, body: {auth: "\${env:BODY_TOKEN}"}`,
    labelled: `${at(404, "plain", "l")}, body: alertmanager-v4, labels: {team: "\${file:${folder}/label}"}`,
    trusted: `alarm_url: "trust+http://127.0.0.1:${port}/401/plain/${SECRETS["path of a trust URL"]}"`,
    refused: `alarm_url: "http://127.0.0.1:${deadPort}/${SECRETS["path that is refused a connection"]}"`,
    unknown_host: `alarm_url: "http://nobody.invalid/${SECRETS["path on an unknown host"]}"`,
    bad_tls: behindTls(SECRETS["path behind TLS that fails"]),
    good_tls: `${behindTls(SECRETS["path behind TLS"])}, tls: {ca_file: ${folder}/ca.pem, cert_file: ${folder}/cert, key_file: ${folder}/key}`,
    no_pem: `${behindTls("x")}, tls: {ca_file: ${folder}/ca.pem, cert_file: ${folder}/cert, key_file: ${folder}/no.pem}`,
    redirected: at(302, "plain", SECRETS["path that redirects"]),
    reset: at("reset", "plain", SECRETS["path that resets"]),
    cut: at("cut", "plain", SECRETS["path that a receiver cuts"]),
    no_url: `alarm_url: "\${env:NO_URL}"`,
    no_header: `${at(200, "plain", "n")}, headers: {X-Broken: "\${env:NO_HEADER}"}`,
    no_base64: `${at(200, "plain", "n")}, sign: {scheme: standard-webhooks, secret: "\${env:NO_BASE64}"}`,
    no_file: at(200, "plain", `\${file:/nonexistent/there-is-no-such-secret}`),
    logged: "type: log",
  };
}

/** Names of the receivers of `goodRules`, but for the one that stands as a URL. */
export function noticeNames(places: Places): readonly string[] {
  return Object.keys(notices(places));
}

/** An alarm takes so many actions. */
const MOST_ACTIONS = 20;

const busy = (actions: readonly string[]) =>
  `alarms:\n${actions.length > MOST_ACTIONS ? alarm("busier", actions.slice(MOST_ACTIONS)) : ""}${alarm("busy", actions.slice(0, MOST_ACTIONS))}`;

const alarm = (name: string, actions: readonly string[]) => `  - name: ${name}
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    threshold: 60
    comparison_operator: ge
    alarm_actions: ${JSON.stringify(actions)}
`;

/** Two clusters: one that is scaled, one whose alarm tells everybody. */
export function goodRules(places: Places): Readonly<Record<string, string>> {
  const all = notices(places);
  const lines = Object.entries(all).map(([name, words]) => `  ${name}: {class: notice, timeout: 2s, ${words}}`);
  const senlin = `http://127.0.0.1:${places.port}/v1/webhooks/${SECRETS["path of a Senlin URL"]}/trigger?V=2`;
  const bare = `http://127.0.0.1:${places.port}/404/decoded/${SECRETS["URL in an action list"]}`;
  return {
    "shop.yaml": `version: 1
cluster_id: shop
haproxy: [{proxy: "shop_*"}]
control: {settle: 60s}
receivers:
  grow: {direction: out, alarm_url: "${senlin}"}
${busy(["receiver:grow"])}`,
    "told.yaml": `version: 1
cluster_id: told
haproxy: [{proxy: "told_*"}]
receivers:
${lines.join("\n")}
${busy([...Object.keys(all).map((name) => `receiver:${name}`), bare])}`,
  };
}

/** Receivers with a mistake, each with a secret in its line or the one before. */
const MISTAKES: Readonly<Record<string, (secret: string) => string>> = {
  "an unknown word after a URL": (s) =>
    `  ops:\n    alarm_url: http://127.0.0.1/v1/webhooks/${s}/trigger?V=2\n    tiemout: 3s`,
  "an unknown word after a header": (s) =>
    `  ops:\n    alarm_url: http://h/\n    headers:\n      X-Shared: ${s}\n      bad header: x`,
  "a value that is no word": (s) => `  ops: {alarm_url: "http://h/${s}", class: notise}`,
  "no space after the colon": (s) => `  ops: {alarm_url:http://h/v1/${s}/x, class: notice}`,
  "no space in a header": (s) => `  ops: {alarm_url: "http://h/", headers: {Authorization:${s}: }}`,
  "a quoted key with its value": (s) => `  ops: {alarm_url: "http://h/", headers: {"Authorization: ${s}": x}}`,
  "a secret that looks like an alias": (s) => `  ops: {alarm_url: "http://h/", headers: {Authorization: *${s} }}`,
  "a secret that looks like a tag": (s) =>
    `  ops: {alarm_url: "http://h/", headers: {Authorization: !!${s} x}, clas: notice}`,
  "a secret that looks like a bad tag": (s) => `  ops: {alarm_url: "http://h/", headers: {Authorization: !x!${s} x}}`,
  "a secret that looks like a verbatim tag": (s) =>
    `  ops: {alarm_url: "http://h/", headers: {Authorization: !<!${s}> x}, clas: notice}`,
  "a secret that looks like a block": (s) => `  ops:\n    alarm_url: |${s}\n    class: notice`,
  "a secret that looks like a block, folded": (s) => `  ops:\n    alarm_url: >${s}\n    class: notice`,
  "a secret that looks reserved": (s) => `  ops: {alarm_url: "http://h/", headers: {Authorization: @${s}}}`,
  "a secret that looks like a directive": (s) => `  ops: {alarm_url: "http://h/", headers: {Authorization: %${s}}}`,
  "a quote that is not closed": (s) => `  ops: {alarm_url: "http://h/${s}, class: notice}`,
  "a bad escape": (s) => `  ops: {alarm_url: "http://h/\\U${s}", class: notice}`,
  "a tab": (s) => `  ops:\n\talarm_url: http://h/${s}`,
  "a user": (s) => `  ops: {alarm_url: "http://user:${s}@127.0.0.1/x"}`,
  "a user with a slash": (s) => `  ops: {alarm_url: "http://user:x/${s}@127.0.0.1/x"}`,
  "a trusted user": (s) => `  ops: {alarm_url: "trust+http://user:${s}@127.0.0.1/x"}`,
  "a scheme with a typo": (s) => `  ops: {alarm_url: "htps://127.0.0.1/${s}/x"}`,
  "a scheme with one slash": (s) => `  ops: {alarm_url: "http:/127.0.0.1/${s}/x"}`,
  "an address that is refused": (s) => `  ops: {alarm_url: "http://169.254.169.254/${s}"}`,
  "a signing secret that is none": (s) =>
    `  ops: {alarm_url: "http://h/", sign: {scheme: standard-webhooks, secret: ${s}!}}`,
  "a URL where a name belongs": (s) =>
    `  ops: {direction: out, alarm_url: "http://h/", on_no_effect: ["http://h/${s}"]}`,
  "a name that is a URL": (s) =>
    `  ops: {direction: out, alarm_url: "http://h/", on_no_effect: ["receiver:http://h/${s}"]}`,
  "the same key twice": (s) => `  ops:\n    alarm_url: http://h/${s}\n    alarm_url: http://h/x`,
  "a list of URLs": (s) => `  ops: {alarm_url: ["http://h/${s}"]}`,
  "a block of text": (s) => `  ops:\n    alarm_url: >-\n      http://h/${s}\n    clas: notice`,
  "a URL as a time-out": (s) => `  ops: {alarm_url: "http://h/", timeout: "http://h/${s}"}`,
  "a receiver whose name is its URL": (s) => `  "http://h/${s}": {class: notise}`,
  "a field that is a secret": (s) => `  ops: {alarm_url: "http://h/", body: {text: "\${${s}}"}}`,
};

/** Actions with a mistake. */
const ACTIONS: Readonly<Record<string, (secret: string) => string>> = {
  "an action that names a URL": (s) => `receiver:http://h/${s}/x`,
  "an action of a scheme that is not supported": (s) => `ftp://h/${s}`,
  "an action that is no URL": (s) => `h/${s}`,
  "an action with a user": (s) => `http://user:${s}@h/`,
};

const BROKEN: Readonly<Record<string, (secret: string) => string>> = {
  ...Object.fromEntries(
    Object.entries(MISTAKES).map(([name, words]) => [
      name,
      (secret: string) => `receivers:\n${words(secret)}\n${busy(["log:"])}`,
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(ACTIONS).map(([name, words]) => [name, (secret: string) => busy([words(secret)])]),
  ),
};

/** The secrets of the broken files, by what is wrong. */
export const BROKEN_SECRETS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(BROKEN).map((name) => [name, plant(name)]),
);

/** Files that are not in force, each with a secret where it is wrong. */
export const BROKEN_RULES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(BROKEN).map(([name, words], at) => [
    `broken${at}.yaml`,
    `version: 1\ncluster_id: broken${at}\nhaproxy: [{proxy: "broken${at}_*"}]\n${words(plant(name))}`,
  ]),
);

/** Settings with a mistake, and a secret in its line or the one before. */
export const BROKEN_SETTINGS = [
  (s: string) => `notifier:\n  heartbeat_url: http://h/${s}\n  tiemout: 3s\n`,
  (s: string) => `notifier:\n  heartbeat_url: htp://h/${s}\n`,
  (s: string) => `notifier:\n  heartbeat_url: http://u:${s}@h/x\n`,
  (s: string) => `notifier:\n  {heartbeat_url:http://h/${s}}\n`,
  (s: string) => `notifier:\n  keystone:\n    password: ${s}\n    usrname: x\n`,
  (s: string) => `notifier:\n  keystone: {password: *${s} }\n`,
  (s: string) => `notifier:\n  keystone: {password: |${s}}\n`,
  (s: string) => `notifier:\n  keystone: {application_credential_secret:${s}}\n`,
  (s: string) => `notifier:\n  allow: ["http://u:${s}@h/"]\n`,
].map((write, at) => {
  const secret = plant(`settings ${at}`);
  return { secret, text: write(secret) };
});
