/**
 * Who is there, as one process sees it.
 *
 * A process is alive while its key changes. It is judged by the observer's monotonic clock alone, and only in time in
 * which the observer saw its own heartbeats come back over the same stream: what others said before them it has seen
 * as well. After a hole in that (the server was away, this process stood still) everybody starts afresh.
 *
 * One that has become ready is counted as one that may own partitions only after a moment, together with others that
 * come in that moment: so that several that start at once do not hand partitions on and on.
 */

import type { Member } from "../../../scalePorts.ts";

export interface MemberRules {
  /** One whose key has not changed for so long is dead, ms. */
  readonly ttlMs: number;
  /** A hole in this process's own heartbeats that is longer is one in which nothing was seen, ms. */
  readonly holeMs: number;
  /** So long after the last one became ready they are counted, ms. */
  readonly settleMs: number;
}

type Standing = "alive" | "dead" | "left";

interface Entry {
  member: Member | undefined;
  cannot: readonly number[];
  revision: number;
  standing: Standing;
  changedAt: number;
  /** When it became ready, if it did since it came. */
  readyAt: number | undefined;
  settled: boolean;
  /** It was seen to change: what the bucket had at first may be of somebody who is long gone. */
  isProven: boolean;
}

export class MemberBook {
  readonly #rules: MemberRules;
  readonly #onChange: (member: Member, standing: Standing) => void;
  readonly #entries = new Map<string, Entry>();
  /** When the newest heartbeat of our own that came back was sent, and since when there is no hole. */
  #echoSentAt = Number.NEGATIVE_INFINITY;
  #seesSince = Number.POSITIVE_INFINITY;

  /** `onChange` is told when somebody comes, dies, leaves or comes back. */
  constructor(rules: MemberRules, onChange: (member: Member, standing: Standing) => void) {
    this.#rules = rules;
    this.#onChange = onChange;
  }

  /** Its key was put; `cannot`: partitions that it says it cannot work on. */
  saw(member: Member, revision: number, nowMs: number, cannot: readonly number[] = []): void {
    const entry = this.#entryOf(member.id, nowMs);
    if (entry.revision === revision) return;
    const cameBack = entry.standing !== "alive";
    const isProven = entry.member !== undefined;
    if (cameBack || !member.isReady) entry.settled = false;
    if (member.isReady && (cameBack || !entry.member?.isReady)) entry.readyAt = nowMs;
    const isNews = isProven && (cameBack || !entry.isProven);
    entry.member = member;
    entry.cannot = cannot;
    entry.revision = revision;
    entry.standing = "alive";
    entry.changedAt = nowMs;
    entry.isProven = isProven;
    if (isNews) this.#onChange(member, "alive");
  }

  /** Its key was deleted by itself. Whoever was never heard of is remembered, too, for the key is still to be purged. */
  left(id: string, revision: number, nowMs: number): void {
    const entry = this.#entryOf(id, nowMs);
    if (entry.revision === revision) return;
    const wasAlive = entry.standing === "alive";
    entry.revision = revision;
    entry.standing = "left";
    entry.changedAt = nowMs;
    if (entry.member && entry.isProven && wasAlive) this.#onChange(entry.member, "left");
  }

  /** It owns something, or has just said so: whether or not its key was seen, it is alive for a while. */
  heard(id: string, nowMs: number): void {
    const entry = this.#entryOf(id, nowMs);
    if (entry.standing === "alive") entry.changedAt = nowMs;
  }

  /** It is named as an owner: if nobody has heard of it, it has so long from now on to say that it is there. */
  named(id: string, nowMs: number): void {
    this.#entryOf(id, nowMs);
  }

  /** A heartbeat of our own, sent then, came back with the others'. */
  echo(sentAtMs: number, nowMs: number): void {
    if (sentAtMs - this.#echoSentAt > this.#rules.holeMs) this.#seesSince = nowMs;
    if (sentAtMs > this.#echoSentAt) this.#echoSentAt = sentAtMs;
  }

  /** What it knows is of now. */
  sees(nowMs: number): boolean {
    return nowMs - this.#echoSentAt <= this.#rules.holeMs;
  }

  /**
   * Judges who is dead by now, and who is counted. Silence counts up to the newest heartbeat of our own that came back:
   * what was said after it may only not have been read yet. Returns whether there is somebody of whom the next one will
   * tell.
   */
  judge(nowMs: number): boolean {
    let isDoubtful = false;
    if (this.sees(nowMs)) {
      for (const entry of this.#entries.values()) {
        if (entry.standing !== "alive") continue;
        const deadAt = Math.max(entry.changedAt, this.#seesSince) + this.#rules.ttlMs;
        isDoubtful ||= deadAt <= nowMs && deadAt > this.#echoSentAt;
        if (deadAt > this.#echoSentAt) continue;
        entry.standing = "dead";
        entry.settled = false;
        if (entry.member && entry.isProven) this.#onChange(entry.member, "dead");
      }
    }
    const coming = [...this.#entries.values()].filter(
      ({ member, standing, settled }) => standing === "alive" && member?.isReady && !settled,
    );
    const waiting = coming.filter(isReady);
    const { settleMs } = this.#rules;
    const newest = Math.max(...coming.map(({ readyAt = nowMs }) => readyAt));
    const oldest = Math.min(...waiting.map(({ readyAt = nowMs }) => readyAt));
    // Not for ever, when one comes after the other.
    if (nowMs - newest < settleMs && nowMs - oldest < 3 * settleMs) return isDoubtful;
    for (const entry of waiting) entry.settled = true;
    return isDoubtful;
  }

  isAlive(id: string): boolean {
    return this.#entries.get(id)?.standing === "alive";
  }

  /** Those alive whose key was seen, by id in order. */
  alive(): Member[] {
    return [...this.#entries.values()]
      .flatMap(({ member, standing }) => (member && standing === "alive" ? [member] : []))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Ids of those that may own partitions, in order. */
  candidates(): string[] {
    return [...this.#entries]
      .filter(([, entry]) => entry.settled && isReady(entry))
      .map(([id]) => id)
      .sort();
  }

  /** Partitions that one has said it cannot work on. */
  cannotOf(id: string): readonly number[] {
    return this.#entries.get(id)?.cannot ?? [];
  }

  /** Its key is not in the bucket any more, if it has not been put or deleted again since that revision. */
  purged(id: string, revision: number): void {
    const entry = this.#entries.get(id);
    if (entry?.revision === revision && entry.standing !== "alive") entry.revision = 0;
  }

  /** Those that have been gone for so long, with the revision of their key (0: it has none), ms. */
  goneFor(ms: number, nowMs: number): { readonly id: string; readonly revision: number }[] {
    return [...this.#entries]
      .filter(([, { standing, changedAt }]) => standing !== "alive" && nowMs - changedAt >= ms)
      .map(([id, { revision }]) => ({ id, revision }));
  }

  /** Of those that are gone, only these have to be remembered. */
  keepOnly(isNeeded: (id: string) => boolean): void {
    for (const [id, { standing }] of this.#entries) if (standing !== "alive" && !isNeeded(id)) this.#entries.delete(id);
  }

  /** The bucket is another one: no revision of before means anything. */
  reset(): void {
    for (const entry of this.#entries.values()) entry.revision = -1;
  }

  #entryOf(id: string, nowMs: number): Entry {
    let entry = this.#entries.get(id);
    if (!entry) {
      entry = {
        member: undefined,
        cannot: [],
        revision: 0,
        standing: "alive",
        changedAt: nowMs,
        readyAt: undefined,
        settled: false,
        isProven: false,
      };
      this.#entries.set(id, entry);
    }
    return entry;
  }
}

function isReady({ member, standing, isProven }: Entry): boolean {
  return standing === "alive" && isProven && member?.isReady === true;
}
