/** Prints every benchmark: ratios against a baseline of the same run. Each is run in a process of its own. */

import { spawnSync } from "node:child_process";
import { benchAgent } from "./agent.ts";
import { benchAlarms, benchMillion } from "./alarms.ts";
import { benchArrival } from "./arrival.ts";
import { benchBus } from "./bus.ts";
import { benchCollect } from "./collect.ts";
import { benchCollecting } from "./collecting.ts";
import { benchFlip, benchHung, benchShared, benchSlowDisk } from "./delivery.ts";
import { benchInflux } from "./influx.ts";
import { benchLog } from "./log.ts";
import { benchEngine, benchPartitions } from "./partitions.ts";
import { benchQuery } from "./query.ts";

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  arrival: () => benchArrival(500),
  flip: benchFlip,
  shared: benchShared,
  hung: benchHung,
  slowdisk: benchSlowDisk,
  alarms: benchAlarms,
  million: benchMillion,
  collect: benchCollect,
  collecting: benchCollecting,
  query: benchQuery,
  bus: benchBus,
  agent: benchAgent,
  influx: benchInflux,
  log: benchLog,
  partitions: benchPartitions,
  engine: benchEngine,
};

const [name] = process.argv.slice(2);
if (name !== undefined) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`there is no benchmark ${name}: ${Object.keys(BENCHES).join(", ")}`);
  await bench();
} else {
  for (const each of Object.keys(BENCHES)) {
    const { status } = spawnSync(process.execPath, ["bench/run.ts", each], { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
}
