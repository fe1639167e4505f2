/** `tocsin.yaml` → settings. Everything has a default; an absent or empty file is valid. */

import { existsSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { z } from "zod";
import { isPolicyEntry } from "../lib/addressPolicy.ts";
import { checkBus, checkRoles, warnOfBus, warnOfHistory } from "./busChecks.ts";
import type { BusSettings, Role } from "./busSettings.ts";
import { busFields, busSettings, roleFields, rolesOf } from "./busSettings.ts";
import type { CollectorSettings } from "./collectorSettings.ts";
import { checkCollector, collectorFields, collectorSettings, warnOfSources } from "./collectorSettings.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { Words } from "./explain.ts";
import { attemptTimeout, duration, httpUrl } from "./fields.ts";
import { hostPort } from "./hostPort.ts";
import { checkStore, warnOfInflux } from "./influxSettings.ts";
import type { KeystoneSettings } from "./keystoneSettings.ts";
import { checkKeystone, keystoneFields, keystoneSettings } from "./keystoneSettings.ts";
import { checkOutgoing } from "./outgoingCheck.ts";
import { warnOfHaste } from "./receiverChecks.ts";
import { checkSourceSecrets } from "./sourceFields.ts";
import { knownSources } from "./sourceNames.ts";
import { sourceWordHint } from "./sourceWords.ts";
import type { StoreSettings } from "./storeSettings.ts";
import { dataPathOf, storeFields, storeSettings, warnOfRetention } from "./storeSettings.ts";
import { writtenMap } from "./written.ts";
import { YamlFile } from "./yamlFile.ts";

export type { KeystoneSettings } from "./keystoneSettings.ts";

export interface Settings extends CollectorSettings {
  /** The file they came from; `undefined`: defaults alone. */
  readonly file: string | undefined;
  readonly rulesPath: string;
  /** A change of a rule file takes effect while the service runs. */
  readonly rulesWatch: boolean;
  readonly dataPath: string;
  readonly store: StoreSettings;
  readonly bus: BusSettings;
  /** What this process does; all roles where the bus is local. */
  readonly roles: readonly Role[];
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

const LATER_WORDS: ReadonlySet<string> = new Set(["auth", "cors"]);

const WORDS: Words = {
  later: LATER_WORDS,
  elsewhere: sourceWordHint,
  asMap: (word) => (word === "sources" ? "write {name: NAME, socket: PATH}" : undefined),
  values: {
    listen: "host:port",
    tcp: "host:port",
    socket: "a path",
    path: "a path",
    ca_file: "a path",
    cert_file: "a path",
    key_file: "a path",
    creds: "a path",
    nkey: "a path",
    url: "http(s)://host[:port]/path",
    prometheus: "http(s)://host[:port]/path",
    name: "a name",
  },
};

const count = z.int("must be a whole number").min(1, "must be at least 1").max(100_000, "must be at most 100000");
const path = z.string().min(1, "must not be empty").max(4096);

const policyEntry = z
  .string()
  .refine(
    isPolicyEntry,
    "expected a CIDR such as 10.0.0.0/8, an address, or a host name or glob such as *.example.net",
  );
const policyEntries = z.array(policyEntry).max(1000, "at most 1000 entries");

const settingsFile = z.strictObject({
  collector: collectorFields.optional(),
  rules: z.strictObject({ path: path.optional(), watch: z.boolean().optional() }).optional(),
  store: storeFields.optional(),
  bus: busFields.optional(),
  roles: roleFields.optional(),
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
  api: z.strictObject({ listen: hostPort("127.0.0.1:8042").optional() }).optional(),
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
 * read is warned of. `roles`: these, whatever the file says.
 */
export function loadSettings(
  file: string | undefined,
  cwd: string,
  environment?: Readonly<Record<string, string | undefined>>,
  roles?: readonly Role[],
): { readonly settings: Settings | undefined; readonly diagnostics: readonly Diagnostic[] } {
  if (file === undefined) return { settings: settingsFrom({}, undefined, cwd, roles), diagnostics: [] };
  const yaml = YamlFile.read(file, relative(cwd, file) || file);
  const fields = yaml.isEmpty ? {} : yaml.validate(settingsFile, WORDS);
  checkWritten(yaml, roles);
  yaml.sort();
  const { diagnostics } = yaml;
  if (!fields || diagnostics.length > 0) return { settings: undefined, diagnostics };
  const settings = settingsFrom(fields, file, dirname(file), roles);
  checkHaste(yaml, fields, settings);
  if (environment) {
    warnOfSources(yaml, fields.collector ?? {}, knownSources(settings.sources));
    warnOfRetention(yaml, fields.store ?? {}, settings.intervalMs);
    if (fields.store?.influx) warnOfInflux(yaml, fields.store.influx, dirname(file), environment);
    checkSourceSecrets(yaml, ["collector", "sources"], fields.collector?.sources ?? [], dirname(file), environment);
    checkOutgoing(yaml, fields.notifier ?? {}, dirname(file), environment);
    if (settings.bus.type === "nats") {
      warnOfBus(yaml, fields.bus ?? {}, settings.bus, dirname(file), environment);
      warnOfHistory(yaml, settings.roles, settings.store.type);
    }
  }
  yaml.sort();
  return { settings, diagnostics };
}

/** What schemas cannot see, told in the same round as what they see. */
function checkWritten(yaml: YamlFile, roles: readonly Role[] | undefined): void {
  // What has no end cannot be walked through.
  if (yaml.diagnostics.some(({ code }) => code === "E101")) return;
  const { collector, notifier, ...written } = writtenMap(yaml.root);
  checkCollector(yaml, collector);
  checkStore(yaml, written.store);
  checkBus(yaml, written.bus);
  if (roles === undefined) checkRoles(yaml, written.roles, written.bus);
  const { keystone } = writtenMap(notifier);
  if (keystone !== undefined && keystone !== null) checkKeystone(yaml, ["notifier", "keystone"], writtenMap(keystone));
}

function settingsFrom(
  fields: SettingsFile,
  file: string | undefined,
  folder: string,
  roles: readonly Role[] | undefined,
): Settings {
  const {
    collector = {},
    rules = {},
    store = {},
    evaluator = {},
    notifier = {},
    api = {},
    log = {},
    bus = {},
  } = fields;
  return {
    file,
    ...collectorSettings(collector, folder),
    rulesPath: resolve(folder, rules.path ?? "rules"),
    rulesWatch: rules.watch ?? true,
    dataPath: dataPathOf(store, folder),
    store: storeSettings(store, folder),
    bus: busSettings(bus, folder),
    roles: rolesOf(roles ?? fields.roles),
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

function checkHaste(yaml: YamlFile, { notifier }: SettingsFile, settings: Settings): void {
  const { timeoutS, connectTimeoutMs } = settings.notifier;
  const word = notifier?.timeout === undefined ? "connect_timeout" : "timeout";
  warnOfHaste(yaml, ["notifier", word], timeoutS, connectTimeoutMs / 1000);
}

/** Largest offset of a scrape from its tick, so that many sources are not asked all at once (rule T2), ms. */
export function maxOffsetMs({ intervalMs }: Pick<Settings, "intervalMs">): number {
  return Math.min(intervalMs / 10, 1000);
}

/** Time after a tick at which it is sealed whatever is missing (rule T2), ms. */
export function evaluationDelayMs(settings: Pick<Settings, "intervalMs" | "timeoutMs">): number {
  return maxOffsetMs(settings) + settings.timeoutMs + 500;
}
