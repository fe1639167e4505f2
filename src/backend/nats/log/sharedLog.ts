/** The log that all engines share: followed into an index, appended to by claims on partitions. */

import { randomUUID } from "node:crypto";
import { Events } from "nats";
import { wait } from "../../../lib/wait.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { SharedLog } from "../../../scalePorts.ts";
import { openSqliteIndex } from "../../sqlite/backend.ts";
import type { NatsLink } from "../link/link.ts";
import { isRetryable } from "../link/link.ts";
import { Appender } from "./append.ts";
import { behind, createReader, PartitionLedger } from "./partitionLedger.ts";
import { Answers } from "./recordsAnswer.ts";
import { Tail } from "./tail.ts";
import type { OpenIndex } from "./tailIndex.ts";
import { TailIndex } from "./tailIndex.ts";
import { LogTrimmer } from "./trim.ts";

export interface SharedLogOptions {
  readonly link: NatsLink;
  /** The index is kept here, and nothing else is. */
  readonly folder: string;
  readonly partitions: number;
  /** How long the log is kept, seconds; 0: without end. */
  readonly logAgeS: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** The index cannot be used any more. */
  readonly onDeath?: (reason: string) => void;
  readonly openIndex?: OpenIndex;
}

/** A claim that cannot be read up to now in so long is given up, ms. */
const CLAIM_MS = 30_000;
/** A reader that needs less than this to come to the end of the log is near it, ms. */
const NEAR_MS = 1000;
const RETRY_MS = 250;

/**
 * Opens the index where it stood, and begins to follow the log; the bus may be away. Throws `E301`, `E302`, `E303` for
 * the folder. `partition()` throws `E624` when the log cannot be read up to now.
 */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { folder, partitions, logAgeS, clock, log, onDeath } = options;
  const link = { ...options.link, clock, log };
  const open: OpenIndex = options.openIndex ?? ((path, isEmpty) => openSqliteIndex(path, isEmpty, onDeath));
  const index = await TailIndex.open(link, folder, open);
  const answers = new Answers(clock);
  const tail = new Tail({
    link,
    answers,
    begin: (info) => index.begin(info),
    apply: (messages) => index.apply(messages),
  });
  const appender = new Appender(link, answers, (clusterId) => {
    index.doubt(clusterId);
    tail.again("a record is not there any more");
  });
  const trimmer = new LogTrimmer(link, logAgeS);
  const writer = randomUUID();
  const ended = new AbortController();
  const claims = new Set<PartitionLedger>();
  const reader = createReader(index);
  /** By partition: how many losses have been told. */
  const told = new Map<number, number>();
  let made = 0;
  let closing: Promise<void> | undefined;
  const endOfLog = async () => (await answers.of(link.jsm.streams.info(link.names.log))).state.last_seq;
  const status = link.nc.status();
  const watched = watch();
  tail.start();

  return {
    caughtUp: caughtUp(),
    async partition(partition, onRefused) {
      // Whoever appends after this is found out by the sequence that it leaves behind.
      const end = await endOfLog();
      if (!(await tail.reached(end, CLAIM_MS))) throw behind();
      const claim: PartitionLedger = new PartitionLedger({
        index,
        tail,
        appender,
        trimmer,
        partition,
        partitions,
        claim: `${writer}.${++made}`,
        onRefused,
        ended: ended.signal,
        onClose: () => claims.delete(claim),
      });
      claims.add(claim);
      return claim.begin();
    },
    takeLoss(partition) {
      const isNew = index.losses > (told.get(partition) ?? 0);
      told.set(partition, index.losses);
      return isNew;
    },
    all: {
      ...reader,
      async trim(before) {
        const slices = [await reader.trim(before)];
        for (const claim of [...claims]) slices.push(await claim.purge());
        return {
          deleted: slices.reduce((sum, { deleted }) => sum + deleted, 0),
          more: slices.some(({ more }) => more),
        };
      },
    },
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    ended.abort(new Error("the log is closed"));
    index.stop();
    // The client's iterator ends in no other way.
    if ("stop" in status && typeof status.stop === "function") status.stop();
    await Promise.all([tail.close(), watched]);
    await index.close();
  }

  async function watch(): Promise<void> {
    for await (const { type } of status) {
      if (type !== Events.Reconnect) continue;
      tail.again("the connection is another one");
      answers.reconnected();
    }
  }

  /** By rounds: the log grows while it is read. */
  async function caughtUp(): Promise<void> {
    for (;;) {
      if (ended.signal.aborted) return;
      try {
        const end = await endOfLog();
        const begun = clock.monotonic();
        if ((await tail.reached(end, CLAIM_MS)) && clock.monotonic() - begun < NEAR_MS) return;
      } catch (error) {
        // The stream may not be made yet; the tail says so.
        if (!isRetryable(error)) log.debug("the end of the log is not known", { reason: String(error) });
        await wait(clock, RETRY_MS, ended.signal);
      }
    }
  }
}
