/** Which streams and buckets the bus is made of, and how each must be. */

import type { StreamConfig } from "nats";
import { DiscardPolicy, RetentionPolicy, StorageType } from "nats";
import type { NatsSettings, Role } from "../../../config/busSettings.ts";
import { formatDuration } from "../../../lib/durations.ts";
import type { BusNames } from "../names.ts";

/** A stream, or a bucket, which is a stream too. */
export interface Wanted {
  /** As people call it: the stream's, or the bucket's without `KV_`. */
  readonly name: string;
  readonly kind: "stream" | "bucket";
  readonly stream: string;
  readonly config: WantedConfig;
  /** Processes of which roles use it. */
  readonly roles: readonly Role[];
}

/** What is said of each, so that a server's own defaults cannot matter. */
const COMPARED = [
  "subjects",
  "retention",
  "storage",
  "discard",
  "discard_new_per_subject",
  "max_age",
  "max_bytes",
  "max_msgs",
  "max_msgs_per_subject",
  "max_msg_size",
  "num_replicas",
  "duplicate_window",
  "no_ack",
  "allow_direct",
  "allow_rollup_hdrs",
  "deny_purge",
  "sealed",
] as const satisfies readonly (keyof StreamConfig)[];

type Flag = (typeof COMPARED)[number];
type WantedConfig = Required<Pick<StreamConfig, Flag>>;

/** One flag that is not as it must be. */
export interface Difference {
  readonly flag: Flag | "mirror" | "sources";
  /** As people read them. */
  readonly wanted: string;
  readonly is: string;
  /** A size, an age or a number of copies: the bus works with it, otherwise than was asked for. */
  readonly isMild: boolean;
  /** The server lets it be changed. */
  readonly canChange: boolean;
}

const MS = 1_000_000;

/** Time within which the server knows a message by its id again, ns. */
const DUPLICATES = 120_000 * MS;

const PLAIN: WantedConfig = {
  subjects: [],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  discard_new_per_subject: false,
  max_age: 0,
  max_bytes: -1,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  num_replicas: 1,
  duplicate_window: DUPLICATES,
  no_ack: false,
  // A copy that lags behind would answer, too.
  allow_direct: false,
  allow_rollup_hdrs: false,
  deny_purge: false,
  sealed: false,
};

/** Every role. */
export const ALL: readonly Role[] = ["collector", "engine", "api"];
const INSIDE: readonly Role[] = ["engine", "api"];

/** Everything that the bus needs on the server. */
export function wantedStreams(names: BusNames, settings: NatsSettings): readonly Wanted[] {
  const { prefix } = names;
  const num_replicas = settings.replicas;
  const stream = (name: string, roles: readonly Role[], config: Partial<WantedConfig>): Wanted => ({
    name,
    kind: "stream",
    stream: name,
    config: { ...PLAIN, num_replicas, ...config },
    roles,
  });
  // In files, heartbeats too: a server alone forgets a stream in memory, with all that it says, when it restarts.
  const bucket = (name: string, roles: readonly Role[]): Wanted => ({
    name,
    kind: "bucket",
    stream: `KV_${name}`,
    config: { ...PLAIN, num_replicas, subjects: [`$KV.${name}.>`], max_msgs_per_subject: 1, allow_rollup_hdrs: true },
    roles,
  });
  return [
    stream(names.log, INSIDE, {
      subjects: [`${prefix}.log.>`, `${prefix}.part.>`],
      max_bytes: settings.logBytes || -1,
    }),
    stream(names.samples, ["collector", "engine"], {
      subjects: [`${prefix}.samples.*`],
      discard: DiscardPolicy.Old,
      max_age: settings.samplesAgeS * 1000 * MS,
      max_bytes: settings.samplesBytes || -1,
    }),
    bucket(names.members, INSIDE),
    bucket(names.owners, INSIDE),
    bucket(names.mappings, ["collector", "engine"]),
    bucket(names.agents, ALL),
    bucket(names.setup, ALL),
  ];
}

const MILD: ReadonlySet<string> = new Set(["max_bytes", "num_replicas", "duplicate_window"]);

/** What the server fixes when a stream is made. */
const FIXED: ReadonlySet<string> = new Set(["retention", "storage", "deny_purge", "sealed", "mirror"]);

/** How a stream differs from what is wanted; what the server leaves out is off, or without bound. */
export function differences({ config }: Wanted, is: Partial<StreamConfig>): readonly Difference[] {
  const found: Difference[] = [];
  const add = (flag: Difference["flag"], wanted: unknown, own: unknown) => {
    // An age of samples is asked for; that the log or a bucket forgets by age would be a loss.
    const isMild = MILD.has(flag) || (flag === "max_age" && wanted !== 0 && own !== 0);
    const [shownWanted, shownIs] = [wanted, own].map((value) => shown(flag, value));
    const canChange = !FIXED.has(flag);
    found.push({ flag, wanted: shownWanted ?? "", is: shownIs ?? "", isMild, canChange });
  };
  for (const flag of COMPARED) {
    const [wanted, own] = [config[flag], normal(flag, is[flag])];
    if (JSON.stringify(wanted) !== JSON.stringify(own)) add(flag, wanted, own);
  }
  if (is.mirror !== undefined) add("mirror", "none", is.mirror.name);
  if (is.sources !== undefined && is.sources.length > 0)
    add("sources", "none", is.sources.map(({ name }) => name).join(", "));
  return found;
}

function normal(flag: Flag, value: unknown): unknown {
  if (flag === "subjects") return Array.isArray(value) ? value.map(String).toSorted() : [];
  if (/^max_(msgs|bytes|msg_size)/.test(flag)) return value === undefined || value === 0 ? -1 : value;
  if (value !== undefined) return value;
  const { [flag]: plain } = PLAIN;
  return typeof plain === "boolean" ? false : typeof plain === "number" ? 0 : "";
}

function shown(flag: string, value: unknown): string {
  if (flag === "max_age" && value === 0) return "none";
  if (typeof value === "number" && /^(max_age|duplicate_window)$/.test(flag)) return formatDuration(value / MS);
  if (value === -1) return "no bound";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
