import { join } from "node:path";
import { expect, it } from "vitest";
import { LeapingClock } from "../helpers/pairRun.ts";
import { eventually, temporaryFolder, unixServer } from "../helpers/sockets.ts";
import { TRUE_METERS } from "../helpers/truthFigures.ts";
import { INTERVAL_MS, WATCHED } from "../helpers/truthRun.ts";
import { Watch } from "../helpers/truthWatch.ts";

const COLUMNS = "pxname,svname,scur,stot,bin,bout,status,type,mode,req_tot";

const dump = (pid: number, uptimeS: number, requests: number) =>
  `Version: 2.6.12\nPid: ${pid}\nUptime_sec: ${uptimeS.toFixed(6)}\nStart_time_sec: ${1_700_000_000 + pid}\n\n` +
  `# ${COLUMNS},\nlistener-1,FRONTEND,5,${requests},${requests * 10},${requests * 100},OPEN,0,http,${requests},\n\n`;

/** A hundred requests a second; 40 clients come back at once to a process that begins 20 ms before it is asked. */
const ANSWERS = [dump(1, 100, 1000), dump(1, 101, 1100), dump(2, 0.02, 42), dump(2, 1.02, 142), dump(2, 2.02, 242)];

it("a process that began a moment ago makes no rate of that moment", async () => {
  using folder = temporaryFolder();
  const socket = join(folder.path, "amphora.sock");
  const left = [...ANSWERS];
  await using _server = await unixServer(socket, (client) => client.once("data", () => client.end(left.shift() ?? "")));
  const clock = new LeapingClock();
  const sockets = { amphora: socket };
  await using watch = new Watch({ clock, sockets, rules: WATCHED, intervalMs: INTERVAL_MS, maxOffsetMs: 0 });
  await watch.begin();
  for (const _ of ANSWERS) {
    clock.leap(INTERVAL_MS);
    watch.tick();
    await eventually("the tick is sealed", () => watch.cluster.tick === watch.last || undefined);
  }
  const ticks = await watch.ticks();
  const rates = ticks.map(({ values }) => values[`${TRUE_METERS.requests}.rate`]);
  // What it counted since it began is in the totals, and in no rate that nobody ever saw.
  expect(ticks.at(-1)?.values[TRUE_METERS.requests]).toBe(100 + 242);
  expect(Math.max(...rates.map((rate) => rate ?? 0))).toBeLessThan(150);
  expect(rates.slice(1).filter((rate) => rate === undefined).length).toBeLessThanOrEqual(1);
});
