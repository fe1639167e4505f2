/** What one process does about all partitions: takes, works, gives back, and looks again when it is in doubt. */

import { messageOf } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { PartitionHandlers } from "../../../scalePorts.ts";
import type { NatsLink } from "../link/link.ts";
import type { OwnerBook } from "./owners.ts";
import { readClaim, writeOwner } from "./ownersClaims.ts";
import { PartitionWork } from "./work.ts";

export interface HoldingsOptions {
  readonly id: string;
  readonly partitions: number;
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handlers: PartitionHandlers;
  /** What is known of the bucket; what is written here is known there at once. */
  readonly owners: OwnerBook;
  readonly isAlive: (id: string) => boolean;
  /** The bucket has a new revision, which is to be seen soon. */
  readonly onWritten: (revision: number) => void;
  readonly onChange: () => void;
  /** A change that is not answered for so long is looked up, ms. */
  readonly timeoutMs: number;
}

/** A partition whose change failed is left alone for so long, ms. */
const AGAIN_MS = 200;

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #works: readonly PartitionWork[];
  /** Partitions whose key is being written or read, and those which are being given back. */
  readonly #writing = new Map<number, Promise<void>>();
  readonly #givingBack = new Set<number>();
  readonly #againAt = new Map<number, number>();
  /** Own partitions that may be another's by now. */
  readonly #unsure = new Set<number>();
  #isLeaving = false;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    const { clock, log, handlers, onChange } = options;
    this.#works = Array.from(
      { length: options.partitions },
      (_, partition) =>
        new PartitionWork({
          ...{ partition, handlers, clock, onChange },
          onError: (what, error) => log.error(`partition: ${what} failed`, { partition, error: messageOf(error) }),
        }),
    );
  }

  get isUnsure(): boolean {
    return this.#unsure.size > 0;
  }

  /** Partitions that could not be acquired again and again, in order. */
  cannot(): readonly number[] {
    const now = this.#options.clock.monotonic();
    return this.#works.flatMap((work, partition) => (work.isBeyondUs(now) ? [partition] : []));
  }

  /** It may have been taken for dead: whatever it owns has to be confirmed. */
  doubt(): void {
    for (const [partition, { state }] of this.#works.entries())
      if (state !== "idle" || this.#isOwn(partition)) this.#unsure.add(partition);
  }

  /** The key of a partition may have changed: what is not its own any more is lost at once. */
  check(partition: number): void {
    if (this.#isOwn(partition)) return;
    this.#unsure.delete(partition);
    const work = this.#works[partition];
    if (!work || work.state === "idle") return;
    this.#options.log.debug("partition was taken by another", { partition });
    work.lose();
  }

  /** Writes what it is in doubt about anew, so that whatever others wrote on what they knew before is refused. */
  confirm(): void {
    for (const partition of this.#unsure) {
      if (!this.#isOwn(partition)) this.check(partition);
      else if (this.#mayWrite(partition)) this.#write(partition, this.#options.id);
    }
  }

  /** Does what leads to each partition being where it is to be. */
  reach(assigned: readonly (string | undefined)[]): void {
    const { id, owners, isAlive, clock } = this.#options;
    const now = clock.monotonic();
    for (const [partition, work] of this.#works.entries()) {
      if (this.#givingBack.has(partition)) continue;
      if (this.#isOwn(partition)) {
        if (work.state === "held" && assigned[partition] !== id) this.#giveBack(partition, work);
        else if (work.state === "idle") this.#resume(partition, work, assigned[partition] === id, now);
        continue;
      }
      const { owner } = owners.of(partition);
      const isFree = owner === undefined || !isAlive(owner);
      if (assigned[partition] === id && isFree && work.mayBegin(now) && this.#mayWrite(partition))
        this.#write(partition, id);
    }
  }

  /** Its state is not the log's: lost, and taken anew if the bucket's leader says that it is still its own. */
  reload(partition: number): void {
    const work = this.#works[partition];
    if (!work || work.state === "idle") return;
    work.lose();
    work.backOff();
    void this.#busy(partition, () => this.#lookUp(partition));
  }

  /**
   * Gives everything back, all at a time; what fails does not stop the others. Keys that cannot be written are left as
   * they are: others find out that their owner is gone.
   */
  async releaseAll(): Promise<void> {
    this.#isLeaving = true;
    await Promise.all(this.#works.map((work, partition) => this.#releaseOne(partition, work)));
  }

  async #releaseOne(partition: number, work: PartitionWork): Promise<void> {
    await work.release();
    const { clock, timeoutMs } = this.#options;
    let isLate = false;
    const tooLate = new Promise<void>((resolve) => {
      clock.after(timeoutMs, () => {
        isLate = true;
        resolve();
      });
    });
    const giveBack = async () => {
      // It may just have been claimed.
      await this.#writing.get(partition);
      while (!isLate && this.#isOwn(partition)) {
        await this.#writing.get(partition);
        if (this.#isOwn(partition)) await this.#busy(partition, () => this.#change(partition, undefined));
      }
    };
    await Promise.race([giveBack(), tooLate]);
  }

  /** It is its own by the bucket, and nothing is done for it. */
  #resume(partition: number, work: PartitionWork, isWanted: boolean, now: number): void {
    if (isWanted && !work.hasFailed) {
      if (work.mayBegin(now) && !this.#writing.has(partition)) work.acquire();
    } else if (this.#mayWrite(partition)) {
      work.forgive();
      this.#write(partition, undefined);
    }
  }

  #giveBack(partition: number, work: PartitionWork): void {
    this.#givingBack.add(partition);
    const giveBack = async () => {
      await work.release();
      await this.#writing.get(partition);
      if (this.#isOwn(partition)) await this.#busy(partition, () => this.#change(partition, undefined));
      this.#givingBack.delete(partition);
      this.#options.onChange();
    };
    void giveBack();
  }

  #isOwn(partition: number): boolean {
    return this.#options.owners.of(partition).owner === this.#options.id;
  }

  #mayWrite(partition: number): boolean {
    const againAt = this.#againAt.get(partition) ?? Number.NEGATIVE_INFINITY;
    return !this.#writing.has(partition) && this.#options.clock.monotonic() >= againAt;
  }

  #write(partition: number, owner: string | undefined): void {
    void this.#busy(partition, () => this.#change(partition, owner));
  }

  /** One change of a partition's key at a time. */
  async #busy(partition: number, run: () => Promise<void>): Promise<void> {
    const done = run().finally(() => {
      if (this.#writing.get(partition) === done) this.#writing.delete(partition);
      this.#options.onChange();
    });
    this.#writing.set(partition, done);
    await done;
  }

  async #change(partition: number, owner: string | undefined): Promise<void> {
    const { link, owners, onWritten, clock, timeoutMs, log, id } = this.#options;
    const written = await writeOwner(link, partition, owner, owners.of(partition).revision, timeoutMs);
    if (typeof written === "number") {
      owners.saw(partition, { owner, revision: written });
      onWritten(written);
      if (owner === id) this.#unsure.delete(partition);
      else this.check(partition);
      log.debug(owner === undefined ? "partition given back" : "partition is ours", { partition });
      return;
    }
    this.#againAt.set(partition, clock.monotonic() + AGAIN_MS);
    // There is no time to look, and nothing would follow from it.
    if (this.#isLeaving) return await wait(clock, AGAIN_MS);
    await this.#lookUp(partition);
  }

  /** What the bucket's leader has of it. */
  async #lookUp(partition: number): Promise<void> {
    const { link, owners } = this.#options;
    const claim = await readClaim(link, partition);
    if (!claim) return;
    if (claim.revision === 0) owners.absent(partition, owners.of(partition).revision);
    else owners.saw(partition, claim);
    this.check(partition);
  }
}
