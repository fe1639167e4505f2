/**
 * Cluster series beside a record that needs none of them: ticks that are durable elsewhere go to the store as well, as
 * far as it takes them. What it does not take is lost to queries, and to nothing else.
 */

import { messageOf } from "./lib/errors.ts";
import type { Logger } from "./ports.ts";
import type { SampleStore, TickRecord } from "./seriesPorts.ts";

/** Ticks that may wait for the store. */
const MOST_WAITING = 100_000;

export interface SeriesFeed {
  take(records: readonly TickRecord[]): void;
  /** A sentence while the store does not take series; empty: it does. */
  degraded(): readonly string[];
  /** Resolves when nothing waits any more. */
  settled(): Promise<void>;
}

export function createSeriesFeed(store: Pick<SampleStore, "put">, log: Logger): SeriesFeed {
  const waiting = new Set<Promise<void>>();
  let failure: string | undefined;
  let dropped = 0;
  const put = async (record: TickRecord) => {
    try {
      await store.put(record);
      if (failure !== undefined) log.info("series are stored again", { dropped });
      failure = undefined;
      dropped = 0;
    } catch (error) {
      fail(messageOf(error));
    }
  };
  const fail = (reason: string) => {
    dropped++;
    if (failure !== reason) log.error("series are not stored", { reason });
    failure = reason;
  };
  return {
    take(records) {
      for (const record of records) {
        if (waiting.size >= MOST_WAITING) {
          fail("too many wait for the store");
          continue;
        }
        const putting = put(record).finally(() => waiting.delete(putting));
        waiting.add(putting);
      }
    },
    degraded: () => (failure === undefined ? [] : [`series are not stored: ${failure}`]),
    async settled() {
      while (waiting.size > 0) await Promise.all(waiting);
    },
  };
}
