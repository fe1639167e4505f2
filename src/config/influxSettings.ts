/** `store.influx` of `tocsin.yaml`: which InfluxDB series are kept in, as whom, and what waits here while it is away. */

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { messageOf } from "../lib/errors.ts";
import { parseSize } from "../lib/sizes.ts";
import type { InfluxSettings } from "../model/influxSettings.ts";
import type { Path } from "./explain.ts";
import { attemptTimeout, duration } from "./fields.ts";
import { checkSecret } from "./secretCheck.ts";
import { hasHalfPlaceholder, hasSecrets } from "./secrets.ts";
import type { Written } from "./written.ts";
import { hasWord, meansWord, writtenMap } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

const LEAST_SPOOL = 2 ** 20;

const text = z
  .string()
  .min(1, "must not be empty")
  .max(2048, "at most 2048 characters")
  .refine((written) => !/\p{Cc}/u.test(written), "must not hold control characters");

const secret = text.refine(
  (written) => !hasHalfPlaceholder(written),
  `a secret is written \${env:NAME} or \${file:/path}; one that has \${ in it belongs into a file`,
);

const serverUrl = text.superRefine((url, context) => {
  const message = problemOf(url);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

function problemOf(url: string): string | undefined {
  const expected = "expected http(s)://host[:port]";
  if (hasSecrets(url)) return `${expected}: secrets belong into token, or username and password`;
  if (/^https?:\/\/[^/?#]*@/i.test(url))
    return "user and password do not belong into the URL: write username: and password: beside it";
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return expected;
  const { search, hash, pathname } = new URL(url);
  if (search !== "" || hash !== "")
    return `${expected}, without a query: the database and the org have words of their own`;
  return /\/(write|query|api)(\/|$)/.test(pathname) ? `${expected}: the paths below it are known` : undefined;
}

const spool = z.unknown().transform((value, context): number => {
  const bytes = typeof value === "number" || typeof value === "string" ? parseSize(value) : undefined;
  if (bytes !== undefined && bytes >= LEAST_SPOOL) return bytes;
  const message = bytes === undefined ? "expected a size such as 500MiB, 10GiB or 1GB" : "at least 1MiB is needed";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** The words. */
export const influxFields = z.strictObject({
  url: serverUrl,
  database: text.max(255, "at most 255 characters").optional(),
  bucket: text.max(255, "at most 255 characters").optional(),
  retention_policy: text.max(255, "at most 255 characters").optional(),
  org: text.max(255, "at most 255 characters").optional(),
  version: z
    .union([z.literal("auto"), z.literal(1), z.literal(2), z.literal(3)], "must be one of auto, 1, 2, 3")
    .optional(),
  token: secret.optional(),
  username: secret.optional(),
  password: secret.optional(),
  tls: z
    .strictObject({
      ca_file: z.string().min(1, "must not be empty").max(4096, "at most 4096 characters").optional(),
    })
    .optional(),
  spool: spool.optional(),
  batch: z
    .strictObject({
      lines: z
        .int("must be a whole number")
        .min(1, "must be at least 1")
        .max(100_000, "must be at most 100000")
        .optional(),
      delay: duration(0, 60).optional(),
    })
    .optional(),
  timeout: attemptTimeout.optional(),
});

/** As they are written. */
export type InfluxFields = z.infer<typeof influxFields>;

const WORDS = Object.keys(influxFields.shape);

/** Checks what the schema cannot see. `written`: what the file says in `store`. */
export function checkStore(file: YamlFile, written: unknown): void {
  const store = writtenMap(written);
  const known = ["type", "influx", "path", "detail", "retention", "quota"];
  const path: Path = ["store", "influx"];
  if (store.type === "influx" && !meansWord(store, "influx", known))
    file.error(["store", "type"], "E104", "influx is missing in store", 'add "influx: {url: http://host:8086}"');
  if (!hasWord(store, "influx")) return;
  if (!meansWord(store, "type", known)) {
    const message = "influx is given in store, and not whether it is used";
    file.error(["store"], "E104", message, 'add "type: influx", or "type: sqlite"');
  }
  const influx = writtenMap(store.influx);
  const twice = (first: string, second: string, message: string) => {
    if (hasWord(influx, first) && hasWord(influx, second))
      file.error([...path, second], "E108", message, `remove ${second}, or ${first}`);
  };
  twice("database", "bucket", "database and bucket say the same in store.influx");
  twice("token", "username", "token says already who is writing to InfluxDB");
  if (!hasWord(influx, "username")) twice("token", "password", "token says already who is writing to InfluxDB");
  checkPair(file, path, influx);
}

function checkPair(file: YamlFile, path: Path, influx: Written): void {
  for (const [given, other] of [
    ["username", "password"],
    ["password", "username"],
  ] as const)
    if (hasWord(influx, given) && !meansWord(influx, other, WORDS))
      file.error(path, "E104", `${other} is missing beside ${given} in store.influx`, `add "${other}:"`);
}

/** The settings of words that are in order. `folder`: what paths are relative to. */
export function influxSettings(fields: InfluxFields, folder: string): InfluxSettings {
  const { tls: { ca_file: caFile } = {}, token, username, password, org, retention_policy: retentionPolicy } = fields;
  return {
    url: fields.url.replace(/\/+$/, ""),
    database: fields.database ?? fields.bucket ?? "tocsin",
    version: fields.version ?? "auto",
    ...(retentionPolicy === undefined ? {} : { retentionPolicy }),
    ...(org === undefined ? {} : { org }),
    ...(token === undefined ? {} : { token }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(caFile === undefined ? {} : { caFile: resolve(folder, caFile) }),
    spoolBytes: fields.spool ?? 2 ** 30,
    batchLines: fields.batch?.lines ?? 5000,
    batchDelayMs: (fields.batch?.delay ?? 0.25) * 1000,
    timeoutMs: (fields.timeout ?? 10) * 1000,
  };
}

const UNWRITTEN = "series wait on this disk until that is mended";

/** Warns of what cannot be read now: it is read again whenever it is needed. `folder`: what paths are relative to. */
export function warnOfInflux(
  file: YamlFile,
  { token, username, password, tls = {} }: InfluxFields,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const path: Path = ["store", "influx"];
  for (const [word, written] of Object.entries({ token, username, password }))
    if (written !== undefined) checkSecret(file, [...path, word], written, environment, UNWRITTEN);
  if (tls.ca_file === undefined) return;
  try {
    accessSync(resolve(folder, tls.ca_file), constants.R_OK);
  } catch (error) {
    file.warn([...path, "tls", "ca_file"], "W005", `cannot read ca_file: ${messageOf(error)}`, UNWRITTEN);
  }
}
