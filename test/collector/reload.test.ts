import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { socketTransport } from "../../src/collector/ask.ts";
import { Source } from "../../src/collector/source.ts";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { Load } from "../../src/lab/load.ts";
import { freePort, startBackend } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { ClusterSlice } from "../../src/model/tick.ts";
import { BYTES } from "../helpers/rules.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

it("a real HAProxy that is reloaded under load: no negative and no spiking increase, and time goes on", async () => {
  using folder = temporaryFolder();
  await using backend = await startBackend();
  await using haproxy = await startHaproxy(folder.path, await freePort(), [backend.port], process.env, systemClock);
  await using load = new Load(haproxy.port, systemClock);
  load.bytesPerS = 100_000;
  load.start();
  const transport = socketTransport({ path: haproxy.socket }, systemClock);
  const source = new Source({
    name: "lab",
    transport,
    intervalMs: 200,
    timeoutMs: 1000,
    clock: systemClock,
    clustersOf: () => ({ frontend: "web", backend: "web" }),
    baselines: new Map(),
  });
  const slices: ClusterSlice[] = [];
  const scrape = async () => {
    const { report } = await source.scrape({ number: slices.length, at: 0 });
    if (report.outcome.ok) slices.push(...report.outcome.slices);
  };
  const scrapes = async (count: number) => {
    const from = slices.length;
    await eventually(`${count} scrapes`, async () => {
      await new Promise<void>((resolve) => systemClock.after(200, resolve));
      await scrape();
      return slices.length >= from + count || undefined;
    });
  };
  await scrapes(5);
  const pid = slices.at(-1)!.baseline.process.pid;
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const next = spawn("haproxy", ["-db", "-f", join(folder.path, "haproxy.cfg"), "-sf", String(pid)], {
    env: { PATH: path },
    stdio: "ignore",
  });
  try {
    // One that has only just begun has seen too little to tell a rate by; HAProxy says itself when it is old enough.
    await eventually("a new process that is older than half an interval", async () => {
      const answer = await transport.ask(1000);
      if (!answer.ok) return undefined;
      const { process } = answer.dump;
      return (process.pid !== pid && (process.uptimeS ?? 0) > 0.1) || undefined;
    });
    await scrapes(1);
    expect(slices.at(-1)!.baseline.process.pid).not.toBe(pid);
    await scrapes(5);
  } finally {
    const gone = once(next, "exit");
    next.kill("SIGTERM");
    await gone;
  }
  const counted = slices.slice(1);
  for (const { increases, coveredS } of counted) {
    expect(increases[BYTES]).toBeGreaterThanOrEqual(0);
    expect(coveredS).toBeGreaterThan(0.1);
    // Three times what was asked for is far above what batching makes of a steady flow.
    expect((increases[BYTES] ?? 0) / coveredS).toBeLessThan(300_000);
  }
  expect(counted.some(({ baseline }) => baseline.process.pid !== pid)).toBe(true);
  expect(load.answered).toBeGreaterThan(20);
});
