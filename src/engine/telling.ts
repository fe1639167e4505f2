/** What the owner of a partition tells agents: where the rows of its clusters go, and which sources they know (rule N4). */

import { messageOf } from "../lib/errors.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Clock, Logger, Timer } from "../ports.ts";
import type { Mapping } from "./options.ts";

/** The sources that clusters know are told so often, where they have changed, ms. */
const TELL_KNOWN_MS = 30_000;
/** All of it is told again so often, ms: the bus may have lost it. What it has already is not written again. */
const TELL_AGAIN_MS = 60_000;

export interface TellingOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly mapping: Mapping;
  readonly partition: number;
  /** Rules of all clusters, as they are now. */
  readonly rulesNow: () => Iterable<ClusterRules>;
  /** It is not the owner any more. */
  readonly isOver: () => boolean;
}

export class Telling {
  readonly #options: TellingOptions;
  /** What was told of each cluster last; `undefined`: that it is gone. */
  readonly #told = new Map<string, ClusterRules | undefined>();
  /** `undefined`: they are to be told again. */
  #known: string | undefined = "";
  #allToldMs = -Infinity;
  #isTellingAll = false;
  #knownToldMs = -Infinity;

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  /** Tells the rules of all its clusters, and that those which have none any more are gone. */
  begin(rules: readonly ClusterRules[]): void {
    this.#allToldMs = this.#options.clock.monotonic();
    for (const own of rules) this.changed(own.clusterId, own);
    this.#tell(this.#removeGone());
  }

  /** `undefined`: the cluster has no rules any more. */
  changed(clusterId: string, rules: ClusterRules | undefined): void {
    if (this.#options.isOver()) return;
    this.#told.set(clusterId, rules);
    this.#tell(this.#tellOne(clusterId));
  }

  /** Tells the sources now and then, where they are others than the last time; and each minute all of it again. */
  tick(sources: () => readonly string[]): void {
    const { clock, mapping, partition, isOver } = this.#options;
    if (clock.monotonic() - this.#allToldMs >= TELL_AGAIN_MS) this.#tellAll();
    if (clock.monotonic() - this.#knownToldMs < TELL_KNOWN_MS) return;
    this.#knownToldMs = clock.monotonic();
    const known = [...sources()].sort();
    const shape = known.join("\n");
    if (shape === this.#known) return;
    this.#known = shape;
    this.#tell(mapping.putKnown(partition, known, isOver));
  }

  /** The next time it tells at once. */
  again(): void {
    this.#knownToldMs = -Infinity;
  }

  async #removeGone(): Promise<void> {
    const { mapping, partition, rulesNow, isOver } = this.#options;
    const told = await mapping.clusters(partition);
    const ruled = new Set([...rulesNow()].map(({ clusterId }) => clusterId));
    if (isOver()) return;
    for (const id of told) if (!ruled.has(id)) this.changed(id, undefined);
  }

  #tellOne(clusterId: string): Promise<void> {
    const { mapping, isOver } = this.#options;
    const rules = this.#told.get(clusterId);
    return rules ? mapping.put(rules, isOver) : mapping.remove(clusterId, isOver);
  }

  #tellAll(): void {
    // While the bus is away one call waits, not more and more of them.
    if (this.#isTellingAll) return;
    this.#isTellingAll = true;
    this.#allToldMs = this.#options.clock.monotonic();
    this.#known = undefined;
    this.again();
    this.#tell(
      this.#oneByOne().finally(() => {
        this.#isTellingAll = false;
      }),
    );
  }

  async #oneByOne(): Promise<void> {
    for (const clusterId of [...this.#told.keys()]) {
      if (this.#options.isOver()) return;
      await this.#tellOne(clusterId);
    }
  }

  #tell(telling: Promise<void>): void {
    telling.catch((error) => this.#options.log.error("agents cannot be told", { reason: messageOf(error) }));
  }
}

/** Tells something at once, and each minute again, one call after the other, until it is stopped. */
export function eachMinute(clock: Clock, log: Logger, tell: () => Promise<void>): { stop(): void } {
  let timer: Timer | undefined;
  let stopped = false;
  const again = async () => {
    try {
      await tell();
    } catch (error) {
      log.error("agents cannot be told", { reason: messageOf(error) });
    }
    if (!stopped) timer = clock.after(TELL_AGAIN_MS, () => void again());
  };
  void again();
  return {
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
