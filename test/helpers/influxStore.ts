/** A store over a real influxd: a database and a folder of its own. */

import { createInfluxReader } from "../../src/backend/influx/reader.ts";
import type { InfluxStore } from "../../src/backend/influx/store.ts";
import { openInfluxStore } from "../../src/backend/influx/store.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { InfluxSettings } from "../../src/model/influxSettings.ts";
import type { Clock, Logger } from "../../src/ports.ts";
import type { Retention, SampleReader } from "../../src/seriesPorts.ts";
import { temporaryFolder } from "./sockets.ts";

export const RETENTION: Retention = {
  clustersS: 30 * 86_400,
  rowsS: 48 * 3600,
  rollupsS: 90 * 86_400,
  historyS: 90 * 86_400,
};

let databases = 0;

export function influxSettings(url: string, own: Partial<InfluxSettings> = {}): InfluxSettings {
  return {
    url,
    database: `tocsin ${process.pid} "${++databases}"`,
    version: "auto",
    spoolBytes: 2 ** 28,
    batchLines: 5000,
    batchDelayMs: 250,
    timeoutMs: 10_000,
    ...own,
  };
}

export interface OpenedInflux extends AsyncDisposable {
  readonly store: InfluxStore;
  readonly settings: InfluxSettings;
  readonly folder: string;
  /** Reads when what was put until then is written. */
  reader(): SampleReader;
}

export async function openInflux(
  url: string,
  own: Partial<InfluxSettings> = {},
  {
    retention = RETENTION,
    clock = systemClock,
    log = silentLogger,
  }: { retention?: Retention; clock?: Clock; log?: Logger } = {},
): Promise<OpenedInflux> {
  const folder = temporaryFolder();
  const settings = influxSettings(url, own);
  const environment = process.env;
  const store = await openInfluxStore({ settings, retention, environment, folder: folder.path, clock, log });
  return {
    store,
    settings,
    folder: folder.path,
    reader: () => written(createInfluxReader({ settings, environment, clock: systemClock }), store),
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

function written(reader: SampleReader, store: InfluxStore): SampleReader {
  const all = async <T>(read: () => Promise<T>): Promise<T> => {
    // The first may find that there is no such database yet.
    for (let tries = 0; tries < 100 && !(await store.flush()); tries++)
      await new Promise((then) => setTimeout(then, 20));
    return read();
  };
  return {
    clusters: (...asked) => all(() => reader.clusters(...asked)),
    resources: (...asked) => all(() => reader.resources(...asked)),
    ticks: (...asked) => all(() => reader.ticks(...asked)),
    rowPoints: (...asked) => all(() => reader.rowPoints(...asked)),
    rollups: (...asked) => all(() => reader.rollups(...asked)),
    close: () => reader.close(),
  };
}
