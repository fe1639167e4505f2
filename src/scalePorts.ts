/** The borders that there are only past one machine. Interfaces only, as in `ports.ts`. */

import type { ScrapeReport } from "./model/tick.ts";
import type { Ledger } from "./ports.ts";

/** A process of the service, as others see it. */
export interface Member {
  readonly id: string;
  /** It may own partitions: it is an engine, and has read the log. */
  readonly isReady: boolean;
  readonly roles: readonly string[];
  readonly host: string;
  readonly version: string;
}

/** What an engine is told of partitions. Calls about one partition never overlap. */
export interface PartitionHandlers {
  /** It is this process's now: it may begin to work. Rejects when it cannot: the partition is given back. */
  acquire(partition: number): Promise<void>;
  /** It is to be given back: resolves when everything of it is recorded and nothing more will be. */
  release(partition: number): Promise<void>;
  /** It is another's already: nothing of it may be recorded or sent any more, from this call on. */
  lose(partition: number): void;
}

/** Who is there and who owns what, as this process sees it. */
export interface Coordination {
  readonly id: string;
  readonly partitions: number;
  /** Those alive, this process among them, by id in order. */
  members(): readonly Member[];
  /** Id of a partition's owner, if it is alive; `undefined`: nobody works on it now. */
  ownerOf(partition: number): string | undefined;
  /** This process has said that it is there so lately that nobody can have taken its partitions (rule N3). */
  isFresh(): boolean;
  /** What is to be added to this machine's clock to have the bus's, ms; 0 while that is not known. */
  offsetMs(): number;
  /** From now on it takes part in owning. */
  begin(handlers: PartitionHandlers): void;
  /** Its state of a partition is not the log's any more (a refused append): it is lost, and taken anew if it is still its own. */
  reload(partition: number): void;
  /** Gives everything back, and leaves. */
  leave(): Promise<void>;
}

/** The log that all engines share, with an index of it in this process. */
export interface SharedLog {
  /** Resolves when the index has come near the end of the log for the first time. */
  readonly caughtUp: Promise<void>;
  /**
   * The record of a partition, to work on: everything that is in the log now is in it, and what it commits is refused
   * (its `commit` rejects, and `onRefused` is called) when somebody else has appended for the same cluster since.
   */
  partition(partition: number, onRefused: (clusterId: string) => void): Promise<Ledger>;
  /**
   * Whether the log was found to have lost what this process had read of it (it was made anew, or is its own past), and
   * that has not been told of the partition yet. Told once.
   */
  takeLoss(partition: number): boolean;
  /** The record of all clusters, to read: its `commit` rejects. May be some milliseconds behind. */
  readonly all: Ledger;
  close(): Promise<void>;
}

/** The samples of all agents, by partition. */
export interface PartitionSamples {
  /**
   * Reports of a partition, those that were published at or after `since` (epoch ms of the bus) first, then as they
   * come, in order for each source. Resolves, when it listens, with what ends it; rejects when it cannot within some time.
   */
  subscribe(partition: number, since: number, handle: (report: ScrapeReport) => void): Promise<() => void>;
  /** Whether what is subscribed of a partition is heard, within some seconds: reports, or that there are none now. */
  isListening(partition: number): boolean;
}
