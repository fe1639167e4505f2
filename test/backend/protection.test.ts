import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { getJson, startService, tocsin, writeSetUp } from "../helpers/service.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const RULES = `version: 1
cluster_id: web
cluster_name: web
haproxy: [{proxy: "lab_*"}]
alarms:
  - name: busy
    meter_name: network.services.lb.incoming.bytes.rate
    period: 3
    threshold: 5
    comparison_operator: ge
    alarm_actions: ["http://127.0.0.1:9/x"]
`;

function setUp(folder: string, port = 0): void {
  const config = `collector: {interval: 1s, sources: [{name: lab, socket: none.sock}]}
api: {listen: "127.0.0.1:${port}"}
log: {format: json}
store: {path: data}
`;
  writeSetUp(folder, config, { "web.yaml": RULES });
}

/** Seconds that scaling is still paused for, by direction; `null`: until it is resumed. */
async function pausedIn(service: { readonly url: string }): Promise<unknown> {
  const [cluster] = await getJson<{ paused: unknown }[]>(service, "/api/v1/clusters");
  return cluster?.paused;
}

it("a person's pause outlasts the series", async () => {
  using folder = temporaryFolder();
  setUp(folder.path);
  {
    await using first = await startService(folder.path);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${first.url}/api/v1/clusters/web/pause`, { method: "POST", headers, body: "{}" });
    expect(answer.status).toBe(200);
    await first.kill("SIGTERM");
  }
  rmSync(join(folder.path, "data/metrics.db"));
  await using second = await startService(folder.path);
  expect(second.log()).toContain("metrics.db is damaged");
  expect(await pausedIn(second)).toEqual({ in: null, out: null });
  expect(existsSync(join(folder.path, "data/metrics.lost"))).toBe(false);
}, 60_000);

it("the record is lost, and the start fails: the next one pauses scaling, in until it is resumed", async () => {
  using folder = temporaryFolder();
  setUp(folder.path);
  {
    await using first = await startService(folder.path);
    await first.kill("SIGTERM");
  }
  writeFileSync(join(folder.path, "data/state.db"), "no database".repeat(999));
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  setUp(folder.path, (taken.address() as AddressInfo).port);
  const failed = await tocsin(["run"], { cwd: folder.path });
  taken.close();
  expect(failed.code).toBe(1);
  expect(failed.err).toContain("state.db is damaged");
  setUp(folder.path);
  {
    await using second = await startService(folder.path);
    expect(second.log()).toContain("state.db was set aside by a start that ended before scaling was paused");
    expect(await pausedIn(second)).toEqual({ in: null, out: expect.any(Number) });
    await second.kill("SIGTERM");
  }
  await using third = await startService(folder.path);
  expect(third.log()).not.toContain("E305");
  expect(await pausedIn(third)).toMatchObject({ in: null });
}, 60_000);
