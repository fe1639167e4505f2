/** A process that puts ticks into a store and says which it was promised, until it is killed: `URL DATABASE FOLDER`. */

import { openInfluxStore } from "../../src/backend/influx/store.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { influxSettings, RETENTION } from "./influxStore.ts";

const [url = "", database = "", folder = ""] = process.argv.slice(2);
const settings = influxSettings(url, { database, batchDelayMs: 1 });
const store = await openInfluxStore({
  settings,
  retention: RETENTION,
  environment: {},
  folder,
  clock: systemClock,
  log: silentLogger,
});
for (let n = 0; ; n++) {
  const at = (177_000_000 + n) * 10_000;
  const tick = { kind: "tick" as const, number: 177_000_000 + n, at, values: {}, sources: [], members: [] };
  await store.put({ clusterId: "web", seq: n, tick, baselines: {} });
  process.stdout.write(`${n}\n`);
}
