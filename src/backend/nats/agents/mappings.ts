/**
 * Where rows go, told by those who own the clusters to those who scrape (rule N4): a bucket with one key for each cluster,
 * one for what is said of the rest, and one for each partition with the sources that its clusters know.
 */

import type { ClusterRows } from "../../../model/clusterRows.ts";
import type { Timer } from "../../../ports.ts";
import { follow } from "../link/follow.ts";
import type { NatsLink } from "../link/link.ts";
import { idOf, keyOf } from "../names.ts";
import type { FamilyRules } from "./mappingsCheck.ts";
import { familiesFrom, rowsFrom, sourcesFrom } from "./mappingsCheck.ts";
import { KeyWriter } from "./mappingsWriter.ts";

export { withoutStale } from "../../../model/staleSlice.ts";
export type { FamilyRules } from "./mappingsCheck.ts";

/**
 * The owners' side. Each call resolves when it is done, however long the bus is away; one that changes nothing writes
 * nothing, nor does one that `isOver` says of that its caller is not the owner any more.
 */
export interface MappingBook {
  put(rows: ClusterRows, isOver?: () => boolean): Promise<void>;
  /** No rule file has the cluster any more. */
  remove(clusterId: string, isOver?: () => boolean): Promise<void>;
  /** Clusters that the bucket has rows of now, whoever put them. */
  clusters(): Promise<readonly string[]>;
  /** Revision of the newest change of a cluster's rows, as the last call found it; `undefined`: nothing was put. */
  newest(clusterId: string): number | undefined;
  putFamilies(rules: FamilyRules): Promise<void>;
  /**
   * The sources, as they are called on the bus, that some cluster of a partition knows: their agents report to it also
   * when they have no row of it (any more), and go on asking them. A source that no partition knows any longer is
   * asked no more once its path is gone.
   */
  putKnown(partition: number, sources: readonly string[], isOver?: () => boolean): Promise<void>;
  /** Waits for nothing any more: calls under way resolve, done or not. */
  close(): void;
}

const FAMILIES_KEY = "families";
const CLUSTER_PREFIX = "cluster.";
const KNOWN_PREFIX = "known.";

export function createMappingBook(link: NatsLink): MappingBook {
  const writer = new KeyWriter(link, link.names.mappings);
  const newest = new Map<string, number>();
  const write = async (clusterId: string, text: string | undefined, isOver = () => false) => {
    const revision = await writer.set(`${CLUSTER_PREFIX}${keyOf(clusterId)}`, text, isOver);
    // A bucket that was made anew counts anew: what was newest in the one before is older than nothing there.
    if (revision !== undefined) newest.set(clusterId, revision);
    else if (!isOver()) newest.delete(clusterId);
  };
  return {
    put: (rows, isOver) => write(rows.clusterId, JSON.stringify(rows), isOver),
    remove: (clusterId, isOver) => write(clusterId, undefined, isOver),
    async clusters() {
      const keys = await writer.keys(CLUSTER_PREFIX);
      return keys.flatMap((key) => idOf(key.slice(CLUSTER_PREFIX.length)) ?? []);
    },
    newest: (clusterId) => newest.get(clusterId),
    async putFamilies({ families, ignore, unmapped }) {
      await writer.set(FAMILIES_KEY, JSON.stringify({ families, ignore, unmapped }));
    },
    async putKnown(partition, sources, isOver) {
      await writer.set(`${KNOWN_PREFIX}${partition}`, JSON.stringify([...sources].sort()), isOver);
    },
    close: () => writer.close(),
  };
}

/** All that is told, as of one revision of the bucket. */
export interface ToldMappings {
  /** In order: of two that claim a row the first has it. */
  readonly clusters: readonly ClusterRows[];
  /** `undefined`: no owner has said so yet. */
  readonly families: FamilyRules | undefined;
  /** By source as it is called on the bus, the partitions that know it. */
  readonly known: ReadonlyMap<string, ReadonlySet<number>>;
  readonly revision: number;
}

/** Changes that come together are told together, ms. */
const GATHER_MS = 100;

/** Tells what is mapped, at first when all of it is known, then at each change. */
export function watchMappings(link: NatsLink, onChange: (told: ToldMappings) => void): { stop(): void } {
  const { clock, log, names } = link;
  const prefix = `$KV.${names.mappings}.`;
  const garbled = new Set<string>();
  let entries = new Map<string, Entry>();
  /** What comes again of a reading from the beginning, until all of it has. */
  let growing: { readonly entries: Map<string, Entry>; revision: number } | undefined;
  let revision = 0;
  let timer: Timer | undefined;
  let stopped = false;
  const soon = () => {
    timer ??= clock.after(GATHER_MS, () => {
      timer = undefined;
      if (!stopped) onChange(toldBy(entries, revision));
    });
  };
  const take = (into: Map<string, Entry>, key: string, text: string) => {
    const entry = entryOf(key, text);
    if (entry) into.set(key, entry);
    else if (!garbled.has(key) && garbled.size < MOST_TOLD) {
      garbled.add(key);
      log.warn("a mapping of the bus cannot be read", { code: "E635", key });
    }
  };
  const following = follow({
    link,
    stream: `KV_${names.mappings}`,
    subject: `${prefix}>`,
    from: "newest",
    onBegin() {
      growing = { entries: new Map(), revision: 0 };
    },
    onMessage({ subject, data, headers, seq }) {
      const key = subject.slice(prefix.length);
      const into = growing?.entries ?? entries;
      if (headers?.has("KV-Operation")) into.delete(key);
      else take(into, key, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
      if (growing) growing.revision = seq;
      else {
        revision = seq;
        soon();
      }
    },
    onComplete() {
      if (growing) ({ entries, revision } = growing);
      growing = undefined;
      soon();
    },
  });
  return {
    stop() {
      stopped = true;
      timer?.cancel();
      following.stop();
    },
  };
}

const MOST_TOLD = 1000;

type Entry =
  | { readonly kind: "families"; readonly families: FamilyRules }
  | { readonly kind: "cluster"; readonly rows: ClusterRows }
  | { readonly kind: "known"; readonly partition: number; readonly sources: readonly string[] };

/** `undefined`: it is none of ours. */
function entryOf(key: string, text: string): Entry | undefined {
  if (key === FAMILIES_KEY) {
    const families = familiesFrom(text);
    return families && { kind: "families", families };
  }
  if (key.startsWith(KNOWN_PREFIX)) {
    const partition = Number(key.slice(KNOWN_PREFIX.length));
    const sources = sourcesFrom(text);
    return sources && Number.isSafeInteger(partition) && partition >= 0
      ? { kind: "known", partition, sources }
      : undefined;
  }
  const rows = key.startsWith(CLUSTER_PREFIX) ? rowsFrom(text) : undefined;
  // A key that speaks for another cluster is nobody's.
  return rows && keyOf(rows.clusterId) === key.slice(CLUSTER_PREFIX.length) ? { kind: "cluster", rows } : undefined;
}

function toldBy(entries: ReadonlyMap<string, Entry>, revision: number): ToldMappings {
  const clusters: ClusterRows[] = [];
  const known = new Map<string, Set<number>>();
  let families: FamilyRules | undefined;
  for (const entry of entries.values()) {
    if (entry.kind === "families") families = entry.families;
    else if (entry.kind === "cluster") clusters.push(entry.rows);
    else for (const source of entry.sources) known.set(source, (known.get(source) ?? new Set()).add(entry.partition));
  }
  clusters.sort((a, b) => compare(a.file ?? a.clusterId, b.file ?? b.clusterId) || compare(a.clusterId, b.clusterId));
  return { clusters, families, known, revision };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
