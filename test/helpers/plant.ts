/**
 * A simulated plant: HAProxy processes with real counters, pids and uptimes, printed as real dumps and counted by the
 * collector's own functions. What truly goes through it is known, whatever is seen of it.
 */

import { parseDump } from "../../src/collector/dump.ts";
import type { Previous } from "../../src/collector/process.ts";
import { elapsed } from "../../src/collector/process.ts";
import type { Since } from "../../src/collector/slices.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import type { Baseline, ScrapeReport, Tick } from "../../src/model/tick.ts";
import { maxGapS } from "../../src/model/tick.ts";

/** What truly goes through one source. */
export interface Load {
  readonly bytesPerS: number;
  readonly requestsPerS: number;
  /** Open at any instant. */
  readonly sessions: number;
}

export interface PlantOptions {
  /** HAProxy's version; before 2.4 uptimes are whole seconds and no start time is printed. */
  readonly version: string;
  readonly servers: number;
  readonly intervalMs: number;
}

const COLUMNS =
  "pxname,svname,qcur,scur,stot,bin,bout,econ,status,weight,act,bck,type,qtime,rtime,mode,req_tot,hrsp_2xx".split(",");

/** One HAProxy as Tocsin reaches it: the process may change, the name stays. */
export class PlantSource {
  readonly name: string;
  readonly #options: PlantOptions;
  #pid = 100;
  #startedS: number;
  #ranToS: number;
  #bytes = 0;
  #requests = 0;
  /** Of streams that have not ended: HAProxy counts them when they do. */
  #openBytes = 0;
  #openRequests = 0;
  #sessions = 0;
  #previous: Previous | undefined;

  constructor(name: string, atS: number, options: PlantOptions) {
    this.name = name;
    this.#options = options;
    this.#startedS = atS - 1000;
    this.#ranToS = atS;
  }

  /** Traffic up to an instant; `held`: no stream ends. */
  run(toS: number, load: Load, held: boolean): void {
    const seconds = toS - this.#ranToS;
    this.#ranToS = toS;
    this.#sessions = load.sessions;
    this.#openBytes += load.bytesPerS * seconds;
    this.#openRequests += load.requestsPerS * seconds;
    if (held) return;
    this.#bytes += this.#openBytes;
    this.#requests += this.#openRequests;
    this.#openBytes = 0;
    this.#openRequests = 0;
  }

  /** Another process in its place, that knows nothing of the old one's sessions. */
  replace(): void {
    this.#pid += 7;
    this.#startedS = this.#ranToS;
    this.#bytes = 0;
    this.#requests = 0;
    this.#openBytes = 0;
    this.#openRequests = 0;
    this.#sessions = 0;
  }

  /** What the collector reports of it: counted by the real code from the printed dump. */
  scrape(tick: Tick, wallMs: number): ScrapeReport {
    const answer = parseDump(this.#dump());
    if (!answer.ok) throw new Error(answer.reason);
    const { dump } = answer;
    const monotonicMs = this.#ranToS * 1000;
    const mapped = { frontend: "web", backend: "web" };
    const { slices } = sliceDump(
      dump,
      wallMs,
      () => mapped,
      () => this.#since(dump, monotonicMs, wallMs),
    );
    for (const { baseline } of slices) {
      if (this.#previous?.baseline !== baseline) this.#previous = { baseline, monotonicMs };
    }
    return { tick, source: this.name, durationMs: 1, outcome: { ok: true, slices } };
  }

  /** Tocsin starts anew with the raw counters that it recorded, if it did. */
  restartTocsin(baseline: Baseline | undefined): void {
    this.#previous = baseline && { baseline, monotonicMs: undefined };
  }

  /** As the collector does for each source: too soon, in time, or after a gap. */
  #since(dump: Parameters<typeof sliceDump>[0], sentMs: number, wallMs: number): Since {
    const previous = this.#previous;
    if (!previous) return { previous, elapsed: undefined, gap: false };
    const { baseline, monotonicMs } = previous;
    const ownS = monotonicMs === undefined ? (wallMs - baseline.at) / 1000 : (sentMs - monotonicMs) / 1000;
    const passed = elapsed(baseline.process, dump.process, dump.preciseUptime, ownS);
    const { intervalMs } = this.#options;
    if (passed.same && passed.seconds <= (0.2 * intervalMs) / 1000) return { previous, elapsed: undefined, gap: false };
    return { previous, elapsed: passed, gap: passed.seconds <= 0 || passed.seconds > maxGapS(intervalMs) };
  }

  #dump(): string {
    const { version, servers } = this.#options;
    const modern = Number.parseFloat(version) >= 2.4;
    const uptimeS = this.#ranToS - this.#startedS;
    const info = [
      "Name: HAProxy",
      `Version: ${version}`,
      `Pid: ${this.#pid}`,
      `Uptime_sec: ${modern ? uptimeS.toFixed(6) : Math.floor(uptimeS)}`,
      ...(modern ? [`Start_time_sec: ${(1_700_000_000 + this.#startedS).toFixed(6)}`] : []),
    ];
    const bytes = Math.floor(this.#bytes);
    const requests = Math.floor(this.#requests);
    const counts = { stot: requests, bin: bytes, bout: bytes * 3, req_tot: requests, hrsp_2xx: requests };
    const common = { qcur: 0, scur: Math.round(this.#sessions), econ: 0, qtime: 0, rtime: 5, mode: "http", ...counts };
    const rows = [
      { pxname: "web", svname: "FRONTEND", type: 0, status: "OPEN", ...common },
      ...Array.from({ length: servers }, (_, index) => ({
        pxname: "web",
        svname: `s${index}`,
        type: 2,
        status: "UP",
        weight: 1,
        act: 1,
        bck: 0,
        ...common,
      })),
      { pxname: "web", svname: "BACKEND", type: 1, status: "UP", weight: servers, act: servers, bck: 0, ...common },
    ];
    const lines = rows.map((row: Readonly<Record<string, string | number>>) =>
      COLUMNS.map((name) => row[name] ?? "").join(","),
    );
    return `${info.join("\n")}\n\n# ${COLUMNS.join(",")}\n${lines.join("\n")}\n\n`;
  }
}

/** A scrape that brought nothing. */
export function noAnswer(tick: Tick, source: string): ScrapeReport {
  return { tick, source, durationMs: 1, outcome: { ok: false, code: "refused", reason: "nobody listens" } };
}
