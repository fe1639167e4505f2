/** Ticks, what one source reports at one, and the sealed tick that the evaluator folds. */

import type { MemberState } from "./meters.ts";

/** An instant at which everything is collected and judged (rule T1). */
export interface Tick {
  /** Grows by one with each interval of monotonic time, also over restarts. */
  readonly number: number;
  /** The wall clock's `k × interval`, epoch ms. */
  readonly at: number;
}

/** What a row of HAProxy's statistics is of. */
export type RowKind = "frontend" | "backend" | "server" | "listener";

/** What a later scrape, also one after a restart, subtracts from (rule R3). */
export interface Baseline {
  readonly process: ProcessIdentity;
  /** Wall clock of the scrape, epoch ms: the only clock that two runs of ours share. */
  readonly at: number;
  /** Sessions were open: a reload leaves them behind (rule E4). */
  readonly open: boolean;
  /** Keys and counters of the rows, in the collector's own notation: opaque to everyone else. Empty: there is no row. */
  readonly rows: string;
}

/** Which HAProxy process answered; a statistics page says nothing of it, a Prometheus endpoint knows no pid. */
export interface ProcessIdentity {
  readonly pid: number | undefined;
  /** Seconds; with a fraction where HAProxy prints one. */
  readonly uptimeS: number | undefined;
  /** `Start_time_sec` where HAProxy prints it (2.4 and later). */
  readonly startTimeS: number | undefined;
  /** Empty: unknown. */
  readonly version: string;
}

/** A weighted mean that can still be combined: Σ value × weight and Σ weight. */
export interface MeanPart {
  readonly sum: number;
  readonly weight: number;
}

/** A stretch longer than this gives no rate: a flattened one would be a lie. */
export function maxGapS(intervalMs: number): number {
  return Math.max((5 * intervalMs) / 1000, 120);
}

/** What one source says of one server or row: increases, sums and means as of a whole cluster. */
export interface ServerParts {
  readonly increases: Readonly<Record<string, number>>;
  readonly sums: Readonly<Record<string, number>>;
  readonly means: Readonly<Record<string, MeanPart>>;
}

/** What one row of a cluster says by itself. */
export interface RowSample extends ServerParts {
  /** `<pxname>/<svname>`. */
  readonly resource: string;
  readonly kind: RowKind;
  /** Of a server. */
  readonly state?: MemberState;
}

/** What one source says of one cluster at one tick: parts that add up over sources. */
export interface ClusterSlice {
  readonly clusterId: string;
  /** Seconds that the increases span: 0 when there is no baseline or the gap was too long for a rate. */
  readonly coveredS: number;
  /** Increase of each counter meter since the source's previous scrape. */
  readonly increases: Readonly<Record<string, number>>;
  /** Value of each `sum` meter. */
  readonly sums: Readonly<Record<string, number>>;
  readonly means: Readonly<Record<string, MeanPart>>;
  /** State of each server name. */
  readonly members: Readonly<Record<string, MemberState>>;
  /** Proxy of each server name: the first that has one of that name. */
  readonly proxies?: Readonly<Record<string, string>>;
  /** Parts of each server by itself, of the meters that some rule reads `per: server`. */
  readonly servers?: Readonly<Record<string, ServerParts>>;
  /** Raw counters behind the counter meters that rules read, summed over rows: for explanations alone. */
  readonly raw?: Readonly<Record<string, number>>;
  /** Rows of the cluster in this answer. */
  readonly rowCount?: number;
  /** Rows whose counters were set back within one process, at this scrape. */
  readonly resets?: number;
  /** Lines of the whole answer that were no rows. */
  readonly skipped?: number;
  /** Rows of which series of their own are kept. */
  readonly kept?: readonly RowSample[];
  /** Another process than at the scrape before. */
  readonly fresh?: boolean;
  /** The process is a new one and the old one had sessions open (rule E4). */
  readonly reload: boolean;
  /** The increases span a gap too long for a rate: they count in totals only. */
  readonly gap: boolean;
  /** Sessions are open now. */
  readonly open: boolean;
  /** Bytes moved since the previous scrape. */
  readonly moved: boolean;
  readonly baseline: Baseline;
  /** Its rows were found by rules that are not in force any more: it is no answer about the cluster (rule N4). */
  readonly stale?: true;
}

/** A scrape of one source at one tick, ready for the bus. An error is a report too. */
export interface ScrapeReport {
  readonly tick: Tick;
  readonly source: string;
  readonly durationMs: number;
  /** What the clock of the machine that scraped is ahead of the bus by, ms; absent: both are one machine. */
  readonly skewMs?: number;
  /** Revision of the published mappings that told which rows are whose (rule N4); absent: those of this process. */
  readonly mapping?: number;
  readonly outcome:
    | { readonly ok: true; readonly slices: readonly ClusterSlice[] }
    | {
        readonly ok: false;
        readonly code: string;
        readonly reason: string;
        /** Its path is away although the folder can be read (rule T4). */
        readonly away?: true;
      };
}

/** What a sealed tick says of one known source. Flags are there only when set, to keep the record small. */
export interface SourceAtTick {
  readonly name: string;
  /** Seconds covered by what this source reported at this tick; 0 with `error`. */
  readonly coveredS: number;
  readonly error?: string;
  /** Its path is away although the folder can be read: in the end a proof that it is gone (rule T4). */
  readonly away?: true;
  /** Id of the process that answered. */
  readonly pid?: number;
  /** Another process than at the answer before. */
  readonly fresh?: true;
  /** Raw counters by counter meter, of the meters that rules read: for explanations, never for decisions. */
  readonly raw?: Readonly<Record<string, number>>;
  readonly reload?: true;
  readonly gap?: true;
  readonly open?: true;
  readonly moved?: true;
}

/** The sealed tick of one cluster: the one input that carries measurements (rules T3, R1). */
export interface SealedTick {
  readonly kind: "tick";
  readonly number: number;
  /** Label, epoch ms. */
  readonly at: number;
  /** Value of each meter that has one. */
  readonly values: Readonly<Record<string, number>>;
  /** Every known source, by name in order. */
  readonly sources: readonly SourceAtTick[];
  /** Servers whose state changed since the tick before; `null`: gone. In order of name, with the proxy they are of. */
  readonly members: readonly (readonly [name: string, state: MemberState | null, proxy?: string])[];
  /**
   * Values of each server by itself, of the meters that some rule reads `per: server` (rule J7); of counter meters
   * the increase since the tick before.
   */
  readonly servers?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** It was sealed long after its time: everything is decided at it, and nothing is sent. */
  readonly late?: true;
}

/** All known sources, and as many as are expected, reported: only such a tick says who is there (rules J6, L4). */
export function isComplete(tick: SealedTick, expect: number): boolean {
  const { sources } = tick;
  return sources.length >= Math.max(1, expect) && sources.every((source) => source.error === undefined);
}
