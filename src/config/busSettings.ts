/** `bus` and `roles` of `tocsin.yaml`: how the parts of the service reach each other, and which of them a process is. */

import { resolve } from "node:path";
import { z } from "zod";
import { parseSize } from "../lib/sizes.ts";
import { duration } from "./fields.ts";
import { hasHalfPlaceholder } from "./secrets.ts";

/** What a process does. */
export type Role = "collector" | "engine" | "api";

/** Within one process, or over NATS JetStream. */
export type BusSettings = { readonly type: "local" } | ({ readonly type: "nats" } & NatsSettings);

export interface NatsSettings {
  /** `nats://host:port` or `tls://host:port`, without secrets. */
  readonly servers: readonly string[];
  /** What the names of streams, buckets and subjects begin with. */
  readonly prefix: string;
  /** Files of credentials or of an nkey's seed; user, password and token still in `${…}` form. */
  readonly credsFile?: string;
  readonly nkeyFile?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Into how many parts the clusters are divided; engines own parts. */
  readonly partitions: number;
  /** Copies that the server keeps of each stream: 1, 3 or 5. */
  readonly replicas: number;
  /** A process says that it is there so often, ms. */
  readonly heartbeatMs: number;
  /** One that has not said so for this long is taken for dead, ms. */
  readonly ttlMs: number;
  /** How long the server keeps samples, seconds, and how many bytes of them; 0: no bound of bytes. */
  readonly samplesAgeS: number;
  readonly samplesBytes: number;
  /** How long the log is kept, seconds, and most bytes of it; 0: no bound. */
  readonly logAgeS: number;
  readonly logBytes: number;
}

/** Every role, in the order in which people name them. */
export const ROLES: readonly Role[] = ["collector", "engine", "api"];

const path = z.string().min(1, "must not be empty").max(4096, "at most 4096 characters");

/** Where a file is named: what stands there by mistake may be what belongs into it. */
const secretPath = path.refine(
  (written) => !/^SU[A-Z2-7]{30,}$|-----BEGIN/.test(written.trim()),
  "expected the path of a file: what is secret belongs into it",
);

const secret = z
  .string()
  .min(1, "must not be empty")
  .max(2048, "at most 2048 characters")
  .refine(
    (written) => !hasHalfPlaceholder(written),
    `a secret is written \${env:NAME} or \${file:/path}; one that has \${ in it belongs into a file`,
  );

const SERVER = /^(?:nats|tls):\/\/(?:\[[0-9a-f:.]+\]|[^\s:/@[\]?#${}]+)(?::(\d{1,5}))?\/?$/i;

/** `nats://host:port` or `tls://host:port`; without a port it is 4222. */
const server = z.string().transform((written, context) => {
  const match = SERVER.exec(written);
  const port = match?.[1];
  if (match && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535))) {
    const plain = written.replace(/\/$/, "");
    return port === undefined ? `${plain}:4222` : plain;
  }
  const message = written.includes("@")
    ? "user and password do not belong into the URL: write user: and password: beside servers"
    : "expected nats://host:port or tls://host:port";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** A size in bytes: 0, which is no bound, or at least so many. */
function size(least: number, shown: string): z.ZodType<number> {
  return z.unknown().transform((value, context): number => {
    const bytes = typeof value === "number" || typeof value === "string" ? parseSize(value) : undefined;
    if (bytes !== undefined && (bytes === 0 || bytes >= least)) return bytes;
    const message =
      bytes === undefined
        ? "expected a size such as 500MiB, 10GiB or 1GB"
        : `at least ${shown} is needed, or 0 for no bound`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/**
 * A new owner reads samples back to the newest tick in the log, which gets one at least once a minute: twice that, and
 * what a takeover takes.
 */
const LEAST_SAMPLES_S = 180;

const natsFields = z.strictObject({
  servers: z.array(server).min(1, "at least one server is needed").max(64, "at most 64 servers").optional(),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, "expected up to 32 letters, digits, - and _")
    .optional(),
  creds: secretPath.optional(),
  nkey: secretPath.optional(),
  user: secret.optional(),
  password: secret.optional(),
  token: secret.optional(),
  tls: z
    .strictObject({ ca_file: secretPath.optional(), cert_file: secretPath.optional(), key_file: secretPath.optional() })
    .optional(),
  partitions: z.int("must be a whole number").min(1, "must be at least 1").max(1024, "must be at most 1024").optional(),
  replicas: z.literal([1, 3, 5]).optional(),
  heartbeat: duration(0.1, 60).optional(),
  ttl: duration(1, 600).optional(),
  samples: z
    .strictObject({
      retention: duration(LEAST_SAMPLES_S, 7 * 86_400).optional(),
      max_bytes: size(2 ** 24, "16MiB").optional(),
    })
    .optional(),
  log: z
    .strictObject({
      retention: duration(0)
        .refine((seconds) => seconds === 0 || seconds >= 3600, "at least 1h is needed, or 0 for no bound")
        .optional(),
      max_bytes: size(2 ** 26, "64MiB").optional(),
    })
    .optional(),
});

/** The words of `bus`. */
export const busFields = z.strictObject({
  type: z.enum(["local", "nats"]).optional(),
  nats: natsFields.optional(),
});

/** The words of `roles`. */
export const roleFields = z.array(z.enum(["collector", "engine", "api"])).min(1, "at least one role is needed");

export type BusFields = z.infer<typeof busFields>;

/** The settings of words that `checkBus` finds nothing wrong with. `folder`: what paths are relative to. */
export function busSettings({ type = "local", nats = {} }: BusFields, folder: string): BusSettings {
  if (type === "local") return { type };
  const file = (name: string, written: string | undefined) =>
    written === undefined ? {} : { [name]: resolve(folder, written) };
  const { user, password, token, tls, samples = {}, log = {} } = nats;
  return {
    type,
    servers: nats.servers ?? ["nats://127.0.0.1:4222"],
    prefix: nats.prefix ?? "tocsin",
    ...file("credsFile", nats.creds),
    ...file("nkeyFile", nats.nkey),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined
      ? {}
      : {
          tls: { ...file("caFile", tls.ca_file), ...file("certFile", tls.cert_file), ...file("keyFile", tls.key_file) },
        }),
    partitions: nats.partitions ?? 1,
    replicas: nats.replicas ?? 1,
    heartbeatMs: (nats.heartbeat ?? 0.5) * 1000,
    ttlMs: (nats.ttl ?? 2) * 1000,
    samplesAgeS: samples.retention ?? 600,
    samplesBytes: samples.max_bytes ?? 2 ** 28,
    logAgeS: log.retention ?? 7 * 86_400,
    logBytes: log.max_bytes ?? 2 ** 31,
  };
}

/** The roles that a process has, in their own order; nothing said: all. */
export function rolesOf(said: readonly Role[] | undefined): readonly Role[] {
  return said === undefined ? ROLES : ROLES.filter((role) => said.includes(role));
}
