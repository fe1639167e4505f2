/** The bus as a person looks at it: what is set up, who is there, who owns what, how much there is, who lags behind. */

import type { ConsumerInfo, StreamInfo } from "nats";
import type { NatsSettings } from "../../../config/busSettings.ts";
import { wait } from "../../../lib/wait.ts";
import { partitionOfKey, readMember, readOwner } from "../coordination/membersRecord.ts";
import type { NatsLink } from "../link/link.ts";
import { retrying } from "../link/retry.ts";
import type { BusFindings, StreamFinding } from "./inspect.ts";
import { inspectBus } from "./inspect.ts";
import { bucketEntries, countSubjects } from "./inspectKeys.ts";
import { findingsOf } from "./inspectWords.ts";
import { detailOf } from "./setup.ts";

/** A stream or bucket of the bus, as `tocsin bus check -o json` has it. */
export interface ReportedStream {
  readonly name: string;
  readonly kind: "stream" | "bucket";
  readonly status: "ok" | "missing" | "differs";
  /** `max_age is 10m, wanted 1h`. */
  readonly differences: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  /** `null`: no bound. */
  readonly max_bytes: number | null;
  readonly copies: number;
  /** Copies that have not everything, or are away. */
  readonly copies_behind: number;
  /** Who reads it now, and how many messages the last of them lags behind. */
  readonly readers: number;
  readonly lag: number;
}

export interface ReportedMember {
  readonly id: string;
  readonly roles: readonly string[];
  readonly host: string;
  readonly version: string;
  readonly ready: boolean;
  /** It has said that it is there while we looked. */
  readonly alive: boolean;
}

export interface ReportedPartition {
  readonly partition: number;
  /** `null`: nobody's. */
  readonly owner: string | null;
  readonly alive: boolean;
}

export interface BusReport {
  readonly servers: readonly string[];
  readonly prefix: string;
  /** Empty: all is well. */
  readonly findings: readonly string[];
  /** What the bus was set up for; `null`: nothing yet. */
  readonly setup: { readonly partitions: number; readonly interval_s: number } | null;
  readonly streams: readonly ReportedStream[];
  readonly members: readonly ReportedMember[];
  readonly partitions: readonly ReportedPartition[];
  readonly log: { readonly bytes: number; readonly messages: number; readonly clusters: number };
}

/** Looks for as long as a process may be silent before it is taken for dead. Throws as `inspectBus` does. */
export async function reportBus(link: NatsLink, settings: NatsSettings, intervalMs: number): Promise<BusReport> {
  const findings = await inspectBus(link, settings, intervalMs);
  const members = await membersNow(link, settings.ttlMs);
  const partitions = await partitionsNow(link, findings, members);
  const streams: ReportedStream[] = [];
  for (const finding of findings.streams) streams.push(await reportStream(link, finding));
  const { recorded } = findings.setup;
  return {
    servers: settings.servers,
    prefix: settings.prefix,
    findings: findingsOf(findings, streams, members, partitions),
    setup: recorded ? { partitions: recorded.partitions, interval_s: recorded.intervalMs / 1000 } : null,
    streams,
    members,
    partitions,
    log: await logNow(link, findings),
  };
}

async function membersNow(link: NatsLink, ttlMs: number): Promise<readonly ReportedMember[]> {
  const before = await bucketEntries(link, link.names.members);
  if (before.length === 0) return [];
  await wait(link.clock, ttlMs);
  const revisions = new Map(before.map(({ key, revision }) => [key, revision]));
  return (await bucketEntries(link, link.names.members)).flatMap(({ key, value, revision }) => {
    const member = readMember(key, value)?.member;
    if (!member) return [];
    const { id, roles, host, version, isReady } = member;
    return [{ id, roles, host, version, ready: isReady, alive: revisions.get(key) !== revision }];
  });
}

async function partitionsNow(
  link: NatsLink,
  { setup }: BusFindings,
  members: readonly ReportedMember[],
): Promise<readonly ReportedPartition[]> {
  const count = (setup.recorded ?? setup.wanted).partitions;
  const owners = new Map<number, string | undefined>();
  for (const { key, value } of await bucketEntries(link, link.names.owners)) {
    const partition = partitionOfKey(key, count);
    if (partition !== undefined) owners.set(partition, readOwner(value));
  }
  const alive = new Set(members.filter((member) => member.alive).map(({ id }) => id));
  return Array.from({ length: count }, (_, partition) => {
    const owner = owners.get(partition);
    return { partition, owner: owner ?? null, alive: owner !== undefined && alive.has(owner) };
  });
}

async function reportStream(link: NatsLink, finding: StreamFinding): Promise<ReportedStream> {
  const { wanted, status, differences, info } = finding;
  const readers = info ? await consumersOf(link, wanted.stream) : [];
  const bound = info?.config.max_bytes ?? -1;
  return {
    name: wanted.name,
    kind: wanted.kind,
    status,
    differences: differences.map(detailOf),
    messages: info?.state.messages ?? 0,
    bytes: info?.state.bytes ?? 0,
    max_bytes: bound > 0 ? bound : null,
    copies: info ? copiesOf(info).length + 1 : 0,
    copies_behind: info ? copiesOf(info).filter(({ current, offline }) => !current || offline === true).length : 0,
    readers: readers.length,
    lag: Math.max(0, ...readers.map(({ num_pending: pending }) => pending)),
  };
}

/** Beside the leader. */
function copiesOf({ cluster }: StreamInfo): readonly { readonly current: boolean; readonly offline?: boolean }[] {
  return cluster?.replicas ?? [];
}

/** Readers that are counted: a bus of a thousand partitions has as many. */
const MOST_READERS = 5000;

async function consumersOf(link: NatsLink, stream: string): Promise<readonly ConsumerInfo[]> {
  return retrying(link, async () => {
    const found: ConsumerInfo[] = [];
    const lister = link.jsm.consumers.list(stream);
    for (let page = await lister.next(); page.length > 0 && found.length < MOST_READERS; page = await lister.next())
      found.push(...page);
    return found;
  });
}

async function logNow(link: NatsLink, { streams }: BusFindings): Promise<BusReport["log"]> {
  const { log, prefix } = link.names;
  const state = streams.find(({ wanted }) => wanted.name === log)?.info?.state;
  if (state === undefined) return { bytes: 0, messages: 0, clusters: 0 };
  // Of the two kinds of subjects, clusters' are many: the others are counted.
  const others = await countSubjects(link, log, `${prefix}.part.>`);
  return { bytes: state.bytes, messages: state.messages, clusters: Math.max(0, (state.num_subjects ?? 0) - others) };
}
