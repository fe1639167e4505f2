/**
 * The index of the log in this process: all of it that was followed, in a ledger of its own. It is a cache: whatever is
 * wrong with it, it is emptied, and the log is read again from its beginning.
 */

import type { StreamInfo } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import type { Commit } from "../../../ports.ts";
import type { LedgerIndex } from "../../sqlite/backend.ts";
import type { NatsLink } from "../link/link.ts";
import { idOf } from "../names.ts";
import { commitOf } from "./records.ts";
import { lastRecord, messageAt } from "./recordsGet.ts";
import type { TailMessage } from "./tail.ts";
import type { Head } from "./tailPosition.ts";
import { readPosition, removePosition, writePosition } from "./tailPosition.ts";

/** Opens the index in a folder; `isEmpty`: whatever is there, it is begun anew. */
export type OpenIndex = (folder: string, isEmpty: boolean) => Promise<LedgerIndex>;

/** What was applied since is applied again by a start after a crash: as much as comes in so long, ms. */
const SAVED_EVERY_MS = 30_000;
const RETRY_MS = 1000;
/**
 * A leader that has just been elected may not have come to the end of its log: it is believed when the log has ended
 * there, or lacked a piece, for so long, ms.
 */
const LAGGING_MS = 15_000;

export class TailIndex {
  readonly #link: NatsLink;
  readonly #folder: string;
  readonly #open: OpenIndex;
  readonly #logPrefix: string;
  #ledger: LedgerIndex;
  #heads = new Map<string, Head>();
  #stream = "";
  #seq = 0;
  #appendId = "";
  #savedAt: number;
  /** One thing at a time works on it, so that what is read belongs to one place in the log. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #failure: string | undefined;
  /** The log ends there, before what was read of it, since then (monotonic). */
  #short: { readonly end: number; readonly sinceMs: number } | undefined;
  /** Since when pieces of records have been missing (monotonic). */
  #missingSinceMs: number | undefined;
  /** Messages that were no commits of their cluster. */
  skipped = 0;
  /** How often the log was found to have lost what had been read of it. */
  losses = 0;
  readonly #broken = new Set<string>();
  /** Clusters whose last record the log does not seem to have any more. */
  readonly #doubted = new Set<string>();

  private constructor(link: NatsLink, folder: string, open: OpenIndex, ledger: LedgerIndex) {
    this.#link = link;
    this.#folder = folder;
    this.#open = open;
    this.#ledger = ledger;
    // A cluster's key is never empty.
    this.#logPrefix = link.names.logSubject("x").slice(0, -1);
    this.#savedAt = link.clock.monotonic();
  }

  /** Opens it where it stood. Throws what `open` throws. */
  static async open(link: NatsLink, folder: string, open: OpenIndex): Promise<TailIndex> {
    const ledger = await open(folder, false);
    const seqs = new Map(await ledger.seqs());
    const position = readPosition(folder);
    const isWhole = position && [...position.heads].every(([id, { seq }]) => (seqs.get(id) ?? 0) >= seq);
    if (position && isWhole) {
      const index = new TailIndex(link, folder, open, ledger);
      // What it has beyond the place that was saved comes again, and is known by its sequence.
      index.#heads = new Map([...seqs].map(([id, seq]) => [id, { streamSeq: 0, seq }]));
      for (const [id, head] of position.heads) {
        index.#heads.set(id, { streamSeq: head.streamSeq, seq: seqs.get(id) ?? head.seq });
      }
      [index.#stream, index.#seq, index.#appendId] = [position.stream, position.seq, position.appendId];
      return index;
    }
    removePosition(folder);
    if (seqs.size === 0) return new TailIndex(link, folder, open, ledger);
    await ledger.close();
    return new TailIndex(link, folder, open, await open(folder, true));
  }

  /** Reads from it. */
  get ledger(): LedgerIndex {
    return this.#ledger;
  }

  /** Runs `work` while nothing is applied. */
  alone<T>(work: (ledger: LedgerIndex, heads: ReadonlyMap<string, Head>) => Promise<T>): Promise<T> {
    const own = this.#last.then(() => work(this.#ledger, this.#heads));
    this.#last = own.catch(() => {});
    return own;
  }

  /** Makes sure that the stream is the one that it follows, or begins anew. Sequence of the last message that is in it. */
  begin(info: StreamInfo): Promise<number> {
    return this.alone(async () => {
      const why = await this.#strangeness(info);
      if (why !== undefined) {
        this.#link.log.error("the log is not the one that was followed: its index is made anew", { reason: why });
        // What was trimmed while nobody read it here is no loss.
        if (info.created !== this.#stream || info.state.first_seq <= this.#seq + 1) this.losses++;
        await this.#empty();
      }
      this.#stream = info.created;
      return this.#seq;
    });
  }

  /** What shows that the stream is another, or another's past; `undefined`: nothing does. */
  async #strangeness({ created, state }: StreamInfo): Promise<string | undefined> {
    if (this.#stream === "") return undefined;
    if (created !== this.#stream) return `the stream was made at ${created}, and not at ${this.#stream}`;
    if (state.last_seq < this.#seq) {
      const why = `it ends at ${state.last_seq}, and was read up to ${this.#seq}`;
      const now = this.#link.clock.monotonic();
      if (this.#short?.end !== state.last_seq) this.#short = { end: state.last_seq, sinceMs: now };
      if (now - this.#short.sinceMs >= LAGGING_MS) return why;
      throw new Error(why);
    }
    this.#short = undefined;
    if (state.first_seq > this.#seq + 1) return `it begins at ${state.first_seq}, and was read up to ${this.#seq}`;
    if (this.#seq === 0) return undefined;
    const message = await messageAt(this.#link, this.#seq);
    if (message && message.appendId !== this.#appendId) return `its message ${this.#seq} is another one`;
    for (const clusterId of this.#doubted) {
      const { streamSeq = 0 } = this.#heads.get(clusterId) ?? {};
      const last = await lastRecord(this.#link, clusterId);
      if ((last?.seq ?? 0) < streamSeq) return `record ${streamSeq} of cluster ${clusterId} is gone`;
      this.#doubted.delete(clusterId);
    }
    return undefined;
  }

  /** Looks at a cluster's last record when it begins again. */
  doubt(clusterId: string): void {
    this.#doubted.add(clusterId);
  }

  async #empty(): Promise<void> {
    removePosition(this.#folder);
    await this.#ledger.close();
    this.#ledger = await this.#open(this.#folder, true);
    this.#heads.clear();
    this.#broken.clear();
    this.#doubted.clear();
    this.#short = undefined;
    [this.#seq, this.#appendId] = [0, ""];
  }

  /**
   * Takes messages in, in order. What is no commit is passed over; where it is a record all the same, its cluster waits
   * for one that can be read. Rejects when a piece of one cannot be fetched now.
   */
  apply(messages: readonly TailMessage[]): Promise<void> {
    return this.alone(async () => {
      const heads = new Map<string, Head>();
      const commits: Commit[] = [];
      const skips: (() => void)[] = [];
      for (const message of messages) {
        const clusterId = this.#clusterOf(message);
        if (clusterId === undefined) continue;
        const commit = await this.#read(clusterId, message);
        const head = heads.get(clusterId) ?? this.#heads.get(clusterId);
        const next = commit && this.#next(message, commit, head);
        const isUnread = !commit && (head?.isUnread === true || (await this.#isRecord(message)));
        if (!commit) skips.push(() => this.#skip(message, clusterId, isUnread && !head?.isUnread));
        if (next) commits.push(next);
        const own = { streamSeq: message.seq, seq: next?.snapshot.seq ?? head?.seq ?? 0 };
        heads.set(clusterId, isUnread ? { ...own, isUnread } : own);
      }
      if (commits.length > 0) await this.#write(commits);
      for (const [clusterId, head] of heads) this.#heads.set(clusterId, head);
      for (const skip of skips) skip();
      const last = messages.at(-1);
      if (last) [this.#seq, this.#appendId] = [last.seq, last.appendId];
      if (this.#link.clock.monotonic() - this.#savedAt > SAVED_EVERY_MS) this.#save();
    });
  }

  async #read(clusterId: string, message: TailMessage): Promise<Commit | undefined> {
    const commit = await commitOf(this.#link, clusterId, message);
    if (commit !== "missing") {
      if (message.parts > 0) this.#missingSinceMs = undefined;
      return commit;
    }
    const now = this.#link.clock.monotonic();
    this.#missingSinceMs ??= now;
    if (now - this.#missingSinceMs >= LAGGING_MS) return undefined;
    throw new Error(`a piece of the record ${message.seq} is not there`);
  }

  /** Somebody goes on from what it says; what was removed meanwhile is of the past. */
  async #isRecord({ appendId, seq }: TailMessage): Promise<boolean> {
    return appendId !== "" && (await messageAt(this.#link, seq)) !== undefined;
  }

  #clusterOf({ subject }: TailMessage): string | undefined {
    // Pieces are fetched by those who need them.
    if (!subject.startsWith(this.#logPrefix)) return undefined;
    return idOf(subject.slice(this.#logPrefix.length));
  }

  /** The commit as it is to be written; `undefined`: it is in the index. */
  #next(message: TailMessage, commit: Commit, head: Head | undefined): Commit | undefined {
    const { clusterId, rules, snapshot, inputs } = commit;
    if (head && snapshot.seq <= head.seq) return undefined;
    if (message.follows === (head?.streamSeq ?? 0) && !head?.isUnread) return commit;
    // The log begins here, or what came before was removed while nobody read it here.
    if (rules === undefined && !this.#broken.has(clusterId)) {
      this.#broken.add(clusterId);
      this.#link.log.error("records are missing from the log", { cluster_id: clusterId, before: message.seq });
    }
    if (!rules || inputs.some(({ input }) => input.kind === "command" && input.command === "rules")) return commit;
    const seq = inputs.reduce((least, one) => Math.min(least, one.seq), snapshot.seq) - 1;
    return { ...commit, inputs: [{ seq, input: { kind: "command", command: "rules", rules } }, ...inputs] };
  }

  #skip({ seq }: TailMessage, clusterId: string, isNew: boolean): void {
    if (isNew) {
      const reason = "nothing is recorded for the cluster until a record of it can be read";
      const fields = { code: "E625", cluster_id: clusterId, seq, reason };
      this.#link.log.error("a record of a cluster cannot be read", fields);
      return;
    }
    if (this.skipped++ > 0) return;
    this.#link.log.error("a message of the log is no record, and is passed over, as all others will be", {
      cluster_id: clusterId,
      seq,
    });
  }

  /** Until they are written: without the index nothing can be done, and a full disk may be mended. */
  async #write(commits: readonly Commit[]): Promise<void> {
    const { log, clock } = this.#link;
    for (;;) {
      try {
        await this.#ledger.apply(commits);
        if (this.#failure !== undefined) log.info("the index of the log can be written again");
        this.#failure = undefined;
        return;
      } catch (error) {
        if (this.#isClosed) throw error;
        const reason = messageOf(error);
        if (this.#failure !== reason) log.error("the index of the log cannot be written", { reason });
        this.#failure = reason;
        await wait(clock, RETRY_MS);
      }
    }
  }

  #save(): void {
    this.#savedAt = this.#link.clock.monotonic();
    // A start reads again what could not be read: it may be of a version that can.
    if ([...this.#heads.values()].some(({ isUnread }) => isUnread)) return;
    try {
      writePosition(this.#folder, {
        stream: this.#stream,
        seq: this.#seq,
        appendId: this.#appendId,
        heads: this.#heads,
      });
    } catch (error) {
      this.#link.log.warn("the place in the log cannot be kept", { reason: messageOf(error) });
    }
  }

  /** From now on nothing that fails is tried again. */
  stop(): void {
    this.#isClosed = true;
  }

  async close(): Promise<void> {
    this.stop();
    await this.alone(async (ledger) => {
      if (this.#stream !== "") this.#save();
      await ledger.close();
    });
  }
}
