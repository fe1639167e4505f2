/** Processes of the service, as `tocsin run` starts them, and what they say over their interface. */

import { join } from "node:path";
import { request } from "undici";
import type { Decision } from "../model/decision.ts";
import type { MetricSeriesView } from "../model/metricView.ts";
import type { Clock } from "../ports.ts";
import type { AlarmView, BusView, ClusterView } from "../serviceView.ts";
import { isThere } from "./databases.ts";
import type { Program } from "./program.ts";
import { startProgram } from "./program.ts";
import type { Seen } from "./timeline.ts";

const TIMEOUT_MS = 5000;
/** Decisions about one alarm that are asked for at once: those of some seconds. */
const NEWEST = 100;

export interface ProcessOptions {
  readonly folder: string;
  /** What its file is called, without `.yaml`. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Where its interface will be; `undefined`: it has none. */
  readonly url?: string;
}

/** Starts one, and waits until it runs. Throws `E504` when it does not. */
export function startProcess({ folder, name, environment, clock, url }: ProcessOptions): Promise<Program> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url).pathname;
  return startProgram({
    command: process.execPath,
    args: [entry, "run", "--config", join(folder, `${name}.yaml`)],
    environment,
    clock,
    code: "E504",
    isReady: async (said) => (url === undefined ? said.includes('"tocsin runs"') : isThere(`${url}/readyz`)),
  });
}

/** What people see of a service, asked over HTTP. */
export class Interface implements Seen {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  clusters(): Promise<readonly ClusterView[]> {
    return this.#ask("/api/v1/clusters");
  }

  alarms(): Promise<readonly AlarmView[]> {
    return this.#ask("/api/v1/alarms");
  }

  /** The newest decisions about an alarm, the newest first. */
  history(alarmId: string): Promise<readonly Decision[]> {
    return this.#ask(`/api/v1/alarms/${alarmId}/history?limit=${NEWEST}`);
  }

  /** This process on the bus. */
  async bus(): Promise<BusView | undefined> {
    const { bus } = await this.#ask<{ readonly bus?: BusView }>("/healthz");
    return bus;
  }

  /** Labels of the ticks of the cluster that the store has, RFC 3339. */
  async kept(meter: string): Promise<readonly string[]> {
    const { series } = await this.#ask<MetricSeriesView>(`/api/v1/metrics/query?cluster=lab&meter=${meter}`);
    return series.flatMap(({ points }) => points.map(([timestamp]) => timestamp));
  }

  async #ask<T>(path: string): Promise<T> {
    const { body } = await request(`${this.#url}${path}`, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
    return (await body.json()) as T;
  }
}
