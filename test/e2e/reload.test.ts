import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { AlarmView } from "../../src/serviceView.ts";
import { getJson, startService, tocsin, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const CONFIG =
  'collector: {interval: 1s, sources: [{name: s, socket: nowhere.sock}]}\napi: {listen: "127.0.0.1:0"}\nlog: {format: json}\n';

const rulesFor = (threshold: number, name = "busy") => `version: 1
cluster_id: web
haproxy: [{proxy: web}]
alarms:
  - name: ${name}
    meter_name: network.services.lb.incoming.bytes.rate
    threshold: ${threshold}
    comparison_operator: ge
    alarm_actions: ["http://127.0.0.1:1/hook?token=\${env:PATH}"]
`;

it("rule files change while the service runs; a broken one changes nothing, then and after a restart", async () => {
  using folder = temporaryFolder();
  writeSetUp(folder.path, CONFIG, { "web.yaml": rulesFor(1) });
  const file = join(folder.path, "rules", "web.yaml");
  const copy = join(folder.path, "data", "rules", "web.yaml");
  const thresholds = async (service: { readonly url: string }) =>
    (await getJson<AlarmView[]>(service, "/api/v1/alarms")).map((alarm) => alarm.threshold_rule?.threshold);
  {
    await using service = await startService(folder.path);
    expect(await thresholds(service)).toEqual([1]);
    const editedAt = performance.now();
    writeFileSync(file, rulesFor(2));
    await eventually("the new threshold", async () => (await thresholds(service))[0] === 2 || undefined);
    // How long it took is told, not judged: a busy machine takes longer.
    console.log(`edit → in force: ${Math.round(performance.now() - editedAt)} ms`);
    await eventually("the copy", () => readFileSync(copy, "utf8") === rulesFor(2) || undefined);
    await eventually("word of it in the log", () => service.log().includes('"msg":"rules applied"') || undefined);

    writeFileSync(file, rulesFor(3).replace("threshold", "treshold"));
    await eventually("word of it", () => service.log().includes('"msg":"rule file is broken"') || undefined);
    expect(service.log()).toContain("E102");
    const health = await fetch(`${service.url}/healthz`);
    expect([health.status, await health.json()]).toMatchObject([
      503,
      { status: "degraded", reasons: ["rules/web.yaml is broken: its last good version is in force"] },
    ]);
    expect(await thresholds(service)).toEqual([2]);
    // Another file comes in, and the broken one is no hindrance.
    const shop = rulesFor(4, "shop")
      .replace("cluster_id: web", "cluster_id: shop")
      .replace("proxy: web", "proxy: shop");
    writeFileSync(join(folder.path, "rules", "shop.yaml"), shop);
    await eventually("the new cluster", async () => (await thresholds(service)).length === 2 || undefined);
    expect((await thresholds(service)).toSorted()).toEqual([2, 4]);
    expect((await service.kill("SIGTERM")).code).toBe(0);
  }

  const strict = await tocsin(["run", "--strict"], { cwd: folder.path });
  expect(strict.code).toBe(1);
  expect(strict.err).toContain('rules/web.yaml:7:5  error  E102  unknown key "treshold"');
  // A journal keeps what it is given: no line of the file itself.
  expect(strict.err).not.toContain("treshold: 3");

  await using again = await startService(folder.path);
  expect((await thresholds(again)).toSorted()).toEqual([2, 4]);
  expect(again.log()).toContain('"in_force":"its last good version"');
  writeFileSync(file, rulesFor(5));
  await eventually("the mended file", async () => (await thresholds(again)).includes(5) || undefined);
  expect((await again.kill("SIGTERM")).code).toBe(0);
}, 60_000);

it("a broken file that never was good: the service starts without its cluster, and not at all with --strict", async () => {
  using folder = temporaryFolder();
  const shop = rulesFor(4, "shop").replace("cluster_id: web", "cluster_id: shop").replace("proxy: web", "proxy: shop");
  writeSetUp(folder.path, CONFIG, { "web.yaml": "version: 1\nclusterid: web\n", "shop.yaml": shop });
  const strict = await tocsin(["run", "--strict"], { cwd: folder.path });
  expect([strict.code, strict.err]).toEqual([1, expect.stringContaining('E102  unknown key "clusterid"')]);
  expect(existsSync(join(folder.path, "data"))).toBe(false);
  await using service = await startService(folder.path);
  expect((await getJson<AlarmView[]>(service, "/api/v1/alarms")).map(({ name }) => name)).toEqual(["shop"]);
  expect(service.log()).toContain('"in_force":"nothing of it"');
  writeFileSync(join(folder.path, "rules", "web.yaml"), rulesFor(1));
  await eventually(
    "its cluster",
    async () => (await getJson<AlarmView[]>(service, "/api/v1/alarms")).length === 2 || undefined,
  );
  expect((await service.kill("SIGTERM")).code).toBe(0);
});

it("the folder is gone, and the service starts by its copies; not with --strict, nor without copies", async () => {
  using folder = temporaryFolder();
  writeSetUp(folder.path, CONFIG, { "web.yaml": rulesFor(1) });
  {
    await using service = await startService(folder.path);
    expect((await service.kill("SIGTERM")).code).toBe(0);
  }
  rmSync(join(folder.path, "rules"), { recursive: true });
  const strict = await tocsin(["run", "--strict"], { cwd: folder.path });
  expect([strict.code, strict.err]).toEqual([1, expect.stringContaining("[E105]")]);
  await using service = await startService(folder.path);
  expect((await getJson<AlarmView[]>(service, "/api/v1/alarms")).map(({ name }) => name)).toEqual(["busy"]);
  expect(service.log()).toContain("the rule files cannot be seen");
  expect((await service.kill("SIGTERM")).code).toBe(0);
  rmSync(join(folder.path, "data"), { recursive: true });
  const { code, err } = await tocsin(["run"], { cwd: folder.path });
  expect([code, err]).toEqual([1, expect.stringMatching(/^tocsin: cannot read the rules at .* \[E105\]\n$/)]);
});

it("a secret that nobody set takes one receiver, not the cluster, and not its copy", async () => {
  using folder = temporaryFolder();
  const text = rulesFor(1).replace("env:PATH", "env:TOCSIN_TEST_NOBODY");
  writeSetUp(folder.path, CONFIG, { "web.yaml": text });
  for (let starts = 0; starts < 2; starts++) {
    await using service = await startService(folder.path);
    expect((await getJson<AlarmView[]>(service, "/api/v1/alarms")).map(({ name }) => name)).toEqual(["busy"]);
    expect(service.log()).toContain("W006");
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    expect((await service.kill("SIGTERM")).code).toBe(0);
    expect(readFileSync(join(folder.path, "data", "rules", "web.yaml"), "utf8")).toBe(text);
  }
});
