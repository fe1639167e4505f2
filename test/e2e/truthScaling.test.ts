import { expect, it } from "vitest";
import { freePort } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { anAlarm, control, theRules } from "../helpers/rules.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";
import { startTraffic } from "../helpers/traffic.ts";
import { wait } from "../helpers/trafficClient.ts";
import { Balancer } from "../helpers/truthHaproxy.ts";
import { INTERVAL_MS, ROWS, STEADY } from "../helpers/truthRun.ts";
import { Watch } from "../helpers/truthWatch.ts";

const REQUESTS = "network.services.lb.requests.rate";
const BYTES_OUT = "network.services.lb.outgoing.bytes.rate";
/** Of the steady load's 5 MB/s no tick is as low as this, unless downloads end where nobody sees them. */
const LOW = 1_500_000;

const RULES = theRules(
  [
    anAlarm({
      name: "busy",
      meterName: REQUESTS,
      statistic: "avg",
      periodS: 2,
      threshold: 100,
      actions: { ok: [], alarm: [control("scale-out", "out")], "insufficient data": [] },
    }),
    anAlarm({
      name: "idle",
      meterName: BYTES_OUT,
      statistic: "avg",
      periodS: 3,
      comparison: "le",
      threshold: LOW,
      actions: { ok: [], alarm: [control("scale-in", "in")], "insufficient data": [] },
    }),
  ],
  { rows: ROWS, settleS: 2 },
);

it("the reload that a scale-out makes hides downloads that go on, and no scale-in comes of that", async () => {
  using folder = temporaryFolder();
  await using traffic = await startTraffic();
  const port = await freePort();
  await using balancer = new Balancer({ folder: folder.path, name: "amphora", port, originPort: traffic.originPort });
  await balancer.start(2);
  let reloadedAt = Infinity;
  const watchOptions = {
    clock: systemClock,
    sockets: { amphora: balancer.socket },
    rules: RULES,
    intervalMs: INTERVAL_MS,
    // As Octavia: the member is added, then its weight is set, each with a new process.
    async onSend({ receiver }: { readonly receiver: string }) {
      if (receiver !== "scale-out") return;
      await balancer.reload(3);
      reloadedAt = systemClock.now();
      await wait(600);
      await balancer.reload(3);
    },
  };
  await using watch = new Watch(watchOptions);
  await watch.begin();
  watch.run();
  await eventually("the first answer", () => watch.reports.some(({ outcome }) => outcome.ok) || undefined);
  await traffic.go(port, STEADY);
  await eventually("the second reload", () => balancer.workers.length === 3 || undefined);
  const reloaded = watch.last;
  await eventually("windows without a reload", () => watch.cluster.tick >= reloaded + 4 || undefined);
  const isIdle = () => watch.cluster.alarms.get("id-idle")!;
  expect(isIdle().verdict.kind).toBe("ok");
  const toAlarm = () =>
    watch.decisions.filter((one) => one.d === "transition" && one.alarmId === "id-idle" && one.to === "alarm");
  expect(toAlarm()).toEqual([]);
  const stoppedAt = systemClock.now();
  await traffic.stop();
  // The same rule does scale in when the load has truly gone.
  await eventually("the scale-in", () => watch.sent.length === 2 || undefined);
  expect(watch.sent.map(({ receiver }) => receiver)).toEqual(["scale-out", "scale-in"]);
  expect(watch.sent[1]!.at).toBeGreaterThan(stoppedAt);
  watch.pause();
  const during = (await watch.ticks()).filter(({ at }) => at > reloadedAt - INTERVAL_MS && at < stoppedAt);
  const rates = during.map(({ values }) => Math.round((values[BYTES_OUT] ?? 0) / 1000));
  console.log(
    `reloads of a scale-out: outgoing kB/s at each tick since: ${rates.join(" ")}; scale-ins before the load went: 0`,
  );
  expect(Math.min(...rates) * 1000).toBeLessThanOrEqual(LOW);
}, 60_000);
