/**
 * Removes from the log what is older than it is kept, a few clusters at a time. A cluster's log begins with a record that
 * holds a checkpoint, the state, and the rules in force; and so far back that the windows of the oldest checkpoint that is
 * still wanted, and those of now, can be filled from it. A log that is full takes nothing, and nothing could be judged: where
 * it is nearly so, it is kept for a shorter time.
 */

import { parseRfc3339 } from "../../../lib/clock.ts";
import type { Ledger, Trimmed } from "../../../ports.ts";
import { reachOf } from "../../forget.ts";
import type { NatsLink } from "../link/link.ts";
import { isRetryable } from "../link/link.ts";
import type { LogMessage } from "./recordsGet.ts";
import { messageAt, nextRecord, partsNamed } from "./recordsGet.ts";
import { beginningsFrom } from "./trimBeginnings.ts";

/** Clusters that one slice looks at. */
const CLUSTERS_AT_ONCE = 20;
/** A cluster is looked at so often while the log is kept once. */
const LOOKS = 8;
/** Checkpoints are an hour apart at the most where ticks come: so long before the wanted time one is looked for first, ms. */
const BACK_MS = 3 * 3_600_000;
/** And then so many times as long. */
const FURTHER = 8;
/** Above this share of its room the log is nearly full; so much of it is to be used when it was cut. */
const FULL_SHARE = 0.8;
const CUT_SHARE = 0.7;
/** How full it is is looked at so often, ms. */
const ROOM_EVERY_MS = 60_000;

export class LogTrimmer {
  readonly #link: NatsLink;
  readonly #ageMs: number;
  /** As long as there is room for. */
  #keptMs: number;
  #roomAt = -Infinity;
  /** By cluster: when it is looked at next, on the monotonic clock. */
  readonly #due = new Map<string, number>();

  /** `ageS`: how long the log is kept, seconds; 0: for as long as there is room. */
  constructor(link: NatsLink, ageS: number) {
    this.#link = link;
    this.#ageMs = ageS === 0 ? Infinity : ageS * 1000;
    this.#keptMs = this.#ageMs;
  }

  /** One slice of it. What the bus does not do now is left to a later one. */
  async slice(clusterIds: readonly string[], ledger: Pick<Ledger, "checkpoint">): Promise<Trimmed> {
    if (!this.#link.isUp()) return { deleted: 0, more: false };
    const { clock, log } = this.#link;
    await this.#lookForRoom();
    if (this.#keptMs === Infinity) return { deleted: 0, more: false };
    const due = clusterIds.filter((clusterId) => (this.#due.get(clusterId) ?? 0) <= clock.monotonic());
    let deleted = 0;
    for (const clusterId of due.slice(0, CLUSTERS_AT_ONCE)) {
      try {
        deleted += await this.#trim(clusterId, ledger);
      } catch (error) {
        if (!isRetryable(error))
          log.warn("the log cannot be trimmed", { cluster_id: clusterId, reason: String(error) });
        return { deleted, more: false };
      }
      this.#due.set(clusterId, clock.monotonic() + this.#keptMs / LOOKS);
    }
    return { deleted, more: due.length > CLUSTERS_AT_ONCE };
  }

  async #lookForRoom(): Promise<void> {
    const { clock, jsm, log, names } = this.#link;
    if (clock.monotonic() - this.#roomAt < ROOM_EVERY_MS) return;
    this.#roomAt = clock.monotonic();
    try {
      const { config, state } = await jsm.streams.info(names.log);
      const share = config.max_bytes > 0 ? state.bytes / config.max_bytes : 0;
      if (share <= FULL_SHARE) {
        // There may be room for more again.
        if (share < FULL_SHARE / 2) this.#keptMs = this.#ageMs;
        return;
      }
      if (this.#keptMs === this.#ageMs) log.warn("the log is nearly full: it is kept for a shorter time", { share });
      const oldestAt = parseRfc3339(state.first_ts);
      this.#keptMs = (Math.min(this.#keptMs, Math.max(0, clock.now() - oldestAt)) * CUT_SHARE) / share;
      this.#due.clear();
    } catch (error) {
      if (!isRetryable(error)) log.warn("how full the log is cannot be told", { reason: String(error) });
    }
  }

  async #trim(clusterId: string, ledger: Pick<Ledger, "checkpoint">): Promise<number> {
    const { clock, jsm, names } = this.#link;
    const oldest = clock.now() - this.#keptMs;
    const first = await nextRecord(this.#link, clusterId, 1);
    if (!first || first.at > oldest) return 0;
    const wanted = await wantedFrom(clusterId, oldest, ledger);
    if (!wanted) return 0;
    const beginning = await this.#beginning(clusterId, first, wanted);
    if (!beginning || beginning.seq <= first.seq) return 0;
    const record = await messageAt(this.#link, beginning.seq);
    // Another has trimmed it meanwhile.
    if (!record) return 0;
    const pieces = record.parts > 0 ? (partsNamed(record.payload) ?? [0]) : [record.seq];
    const { purged } = await jsm.streams.purge(names.log, { filter: names.logSubject(clusterId), seq: record.seq });
    await jsm.streams.purge(names.log, { filter: names.partSubject(clusterId), seq: Math.min(...pieces) });
    return purged;
  }

  /** The newest record that the log may begin with. */
  async #beginning(clusterId: string, first: LogMessage, { number, at }: Wanted) {
    for (let back = BACK_MS; ; back *= FURTHER) {
      const from = Math.max(first.at, at - back);
      const beginnings = await beginningsFrom(this.#link, clusterId, from, number);
      if (beginnings.length > 0 || from === first.at) return beginnings.at(-1);
    }
  }
}

/** The last tick that need not be there, and about when it was, epoch ms. */
interface Wanted {
  readonly number: number;
  readonly at: number;
}

/** `undefined`: all is wanted. */
async function wantedFrom(
  clusterId: string,
  oldest: number,
  ledger: Pick<Ledger, "checkpoint">,
): Promise<Wanted | undefined> {
  const past = await ledger.checkpoint(clusterId, oldest, Number.MAX_SAFE_INTEGER);
  const newest = await ledger.checkpoint(clusterId, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  if (!past || !newest) return undefined;
  const ends = [past, newest].map(({ number, doc }) => number - (reachOf(doc) ?? Infinity));
  const number = Math.min(...ends);
  const [, intervalMs] = /"intervalMs":(\d+)/.exec(past.doc) ?? [];
  if (!Number.isFinite(number) || intervalMs === undefined) return undefined;
  return { number, at: past.at - (past.number - number) * Number(intervalMs) };
}
