/** `tocsin.yaml` → settings. Everything has a default; an absent or empty file is valid. */

import { existsSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { z } from "zod";
import { isPolicyEntry } from "../lib/addressPolicy.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { attemptTimeout, duration, httpUrl, name } from "./fields.ts";
import type { KeystoneSettings } from "./keystoneSettings.ts";
import { checkKeystone, keystoneFields, keystoneSettings } from "./keystoneSettings.ts";
import { checkOutgoing } from "./outgoingCheck.ts";
import { warnOfHaste } from "./receiverChecks.ts";
import { YamlFile } from "./yamlFile.ts";

export type { KeystoneSettings } from "./keystoneSettings.ts";

export interface SourceSetting {
  readonly name: string;
  readonly socket: string;
  /** A built-in default: its absence is no news. */
  readonly quiet: boolean;
}

export interface Settings {
  /** The file they came from; `undefined`: defaults alone. */
  readonly file: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly sources: readonly SourceSetting[];
  readonly ignore: readonly string[];
  readonly unmapped: "warn" | "ignore";
  readonly rulesPath: string;
  /** A change of a rule file takes effect while the service runs. */
  readonly rulesWatch: boolean;
  readonly dataPath: string;
  readonly repeatIntervalS: number;
  readonly notifier: {
    readonly timeoutS: number;
    readonly connectTimeoutMs: number;
    readonly concurrency: number;
    readonly perOrigin: number;
    /** CIDRs, addresses and host globs: what may be connected to whatever else is refused, and what may not. */
    readonly allow: readonly string[];
    readonly deny: readonly string[];
    /** Called while all is well; its secrets still in `${…}` form. */
    readonly heartbeatUrl?: string;
    readonly keystone?: KeystoneSettings;
  };
  /** Everything is decided and recorded, and nothing is sent. */
  readonly shadow: boolean;
  readonly api: { readonly host: string; readonly port: number };
  readonly log: { readonly level: "debug" | "info" | "warn" | "error"; readonly format: "auto" | "json" | "text" };
}

/** The well-known stats sockets of Octavia, Neutron, Debian and Kolla. */
const DEFAULT_SOURCES: readonly SourceSetting[] = [
  { name: "octavia", socket: "/var/lib/octavia/*.sock", quiet: true },
  { name: "neutron", socket: "/var/lib/neutron/lbaas/v2/*/haproxy_stats.sock", quiet: true },
  { name: "debian", socket: "/run/haproxy/admin.sock", quiet: true },
  { name: "centos", socket: "/var/lib/haproxy/stats", quiet: true },
  { name: "kolla", socket: "/var/lib/kolla/haproxy/haproxy.sock", quiet: true },
];

const LATER_WORDS: ReadonlySet<string> = new Set([
  "tcp",
  "url",
  "username",
  "password",
  "prometheus",
  "families",
  "type",
  "detail",
  "retention",
  "influx",
  "bus",
  "auth",
  "cors",
]);

const count = z.int("must be a whole number").min(1, "must be at least 1").max(100_000, "must be at most 100000");
const path = z.string().min(1, "must not be empty").max(4096);

/** `host:port`, with IPv6 hosts in brackets. */
const listen = z.string().transform((value, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port <= 65_535) return { host, port };
  context.addIssue({
    code: "custom",
    message: `expected host:port such as 127.0.0.1:8042, not ${JSON.stringify(value)}`,
  });
  return z.NEVER;
});

const policyEntry = z
  .string()
  .refine(
    isPolicyEntry,
    "expected a CIDR such as 10.0.0.0/8, an address, or a host name or glob such as *.example.net",
  );
const policyEntries = z.array(policyEntry).max(1000, "at most 1000 entries");

const settingsFile = z.strictObject({
  collector: z
    .strictObject({
      interval: duration(1).optional(),
      timeout: duration(0.1).optional(),
      sources: z
        .array(
          z.strictObject({
            name: name.refine((one) => !one.includes(":"), "must not hold a colon"),
            socket: path,
          }),
        )
        .optional(),
      ignore: z.array(name).optional(),
      unmapped: z.enum(["warn", "ignore"]).optional(),
    })
    .optional(),
  rules: z.strictObject({ path: path.optional(), watch: z.boolean().optional() }).optional(),
  store: z.strictObject({ path: path.optional() }).optional(),
  evaluator: z.strictObject({ repeat_interval: duration(1).optional() }).optional(),
  notifier: z
    .strictObject({
      timeout: attemptTimeout.optional(),
      connect_timeout: duration(0.1, 30).optional(),
      concurrency: count.optional(),
      per_origin: count.optional(),
      mode: z.enum(["live", "shadow"]).optional(),
      allow: policyEntries.optional(),
      deny: policyEntries.optional(),
      heartbeat_url: httpUrl.optional(),
      keystone: keystoneFields.optional(),
    })
    .optional(),
  api: z.strictObject({ listen: listen.optional() }).optional(),
  log: z
    .strictObject({
      level: z.enum(["debug", "info", "warn", "error"]).optional(),
      format: z.enum(["auto", "json", "text"]).optional(),
    })
    .optional(),
});

type SettingsFile = z.infer<typeof settingsFile>;

/** Where `tocsin.yaml` is: `--config`, `$TOCSIN_CONFIG`, `./tocsin.yaml`, `/etc/tocsin/tocsin.yaml`. */
export function findSettingsFile(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
): string | undefined {
  const named = flag ?? environment.TOCSIN_CONFIG;
  if (named !== undefined && named !== "") return resolve(cwd, named);
  return [resolve(cwd, "tocsin.yaml"), "/etc/tocsin/tocsin.yaml"].find((candidate) => existsSync(candidate));
}

/**
 * Reads settings. Paths in the file are relative to its folder; the defaults `rules` and `data` too, or to `cwd`
 * where there is no file. With errors there are no settings. With an `environment`, what of it and of files cannot be
 * read is warned of.
 */
export function loadSettings(
  file: string | undefined,
  cwd: string,
  environment?: Readonly<Record<string, string | undefined>>,
): { readonly settings: Settings | undefined; readonly diagnostics: readonly Diagnostic[] } {
  if (file === undefined) return { settings: settingsFrom({}, undefined, cwd), diagnostics: [] };
  const yaml = YamlFile.read(file, relative(cwd, file) || file);
  const fields = yaml.isEmpty ? {} : yaml.validate(settingsFile, { later: LATER_WORDS });
  if (fields) checkTimes(yaml, fields);
  if (fields?.notifier?.keystone) checkKeystone(yaml, ["notifier", "keystone"], fields.notifier.keystone);
  checkSourceNames(yaml, fields);
  const { diagnostics } = yaml;
  if (!fields || diagnostics.length > 0) return { settings: undefined, diagnostics };
  const settings = settingsFrom(fields, file, dirname(file));
  checkHaste(yaml, fields, settings);
  if (environment) checkOutgoing(yaml, fields.notifier ?? {}, dirname(file), environment);
  yaml.sort();
  return { settings, diagnostics };
}

function settingsFrom(fields: SettingsFile, file: string | undefined, folder: string): Settings {
  const { collector = {}, rules = {}, store = {}, evaluator = {}, notifier = {}, api = {}, log = {} } = fields;
  const intervalS = collector.interval ?? 10;
  return {
    file,
    intervalMs: intervalS * 1000,
    timeoutMs: (collector.timeout ?? Math.min(3, 0.6 * intervalS)) * 1000,
    sources:
      collector.sources?.map(({ name: source, socket }) => ({
        name: source,
        socket: resolve(folder, socket),
        quiet: false,
      })) ?? DEFAULT_SOURCES,
    ignore: collector.ignore ?? ["stats", "metrics", "status", "prometheus-exporter-internal*"],
    unmapped: collector.unmapped ?? "warn",
    rulesPath: resolve(folder, rules.path ?? "rules"),
    rulesWatch: rules.watch ?? true,
    dataPath: resolve(folder, store.path ?? "data"),
    repeatIntervalS: evaluator.repeat_interval ?? 60,
    notifier: {
      timeoutS: notifier.timeout ?? 30,
      connectTimeoutMs: (notifier.connect_timeout ?? 5) * 1000,
      concurrency: notifier.concurrency ?? 1024,
      perOrigin: notifier.per_origin ?? 32,
      allow: notifier.allow ?? [],
      deny: notifier.deny ?? [],
      ...(notifier.heartbeat_url === undefined ? {} : { heartbeatUrl: notifier.heartbeat_url }),
      ...(notifier.keystone === undefined ? {} : { keystone: keystoneSettings(notifier.keystone, folder) }),
    },
    shadow: notifier.mode === "shadow",
    api: api.listen ?? { host: "127.0.0.1", port: 8042 },
    log: { level: log.level ?? "info", format: log.format ?? "auto" },
  };
}

/** Rule T2: an answer must come well before the next tick. */
function checkTimes(yaml: YamlFile, { collector }: SettingsFile): void {
  const intervalS = collector?.interval ?? 10;
  if (collector?.timeout !== undefined && collector.timeout >= 0.8 * intervalS) {
    yaml.error(
      ["collector", "timeout"],
      "E109",
      `the timeout must be below 0.8 × interval, that is ${0.8 * intervalS} s`,
    );
  }
  if (collector?.interval !== undefined && !Number.isInteger(intervalS)) {
    yaml.error(["collector", "interval"], "E109", "the interval must be whole seconds");
  }
}

function checkHaste(yaml: YamlFile, { notifier }: SettingsFile, settings: Settings): void {
  const { timeoutS, connectTimeoutMs } = settings.notifier;
  const word = notifier?.timeout === undefined ? "connect_timeout" : "timeout";
  warnOfHaste(yaml, ["notifier", word], timeoutS, connectTimeoutMs / 1000);
}

function checkSourceNames(yaml: YamlFile, fields: SettingsFile | undefined): void {
  const seen = new Set<string>();
  fields?.collector?.sources?.forEach(({ name: source }, index) => {
    if (seen.has(source))
      yaml.error(["collector", "sources", index, "name"], "E203", `there are two sources named "${source}"`);
    seen.add(source);
  });
}

/** Largest offset of a scrape from its tick, so that many sources are not asked all at once (rule T2), ms. */
export function maxOffsetMs({ intervalMs }: Pick<Settings, "intervalMs">): number {
  return Math.min(intervalMs / 10, 1000);
}

/** Time after a tick at which it is sealed whatever is missing (rule T2), ms. */
export function evaluationDelayMs(settings: Pick<Settings, "intervalMs" | "timeoutMs">): number {
  return maxOffsetMs(settings) + settings.timeoutMs + 500;
}
