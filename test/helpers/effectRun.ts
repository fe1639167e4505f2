/**
 * Many clusters of one real HAProxy under one real service. What was truly done to HAProxy, and when, is noted by the
 * receiver; what the service made of it is read from its record.
 */

import { join } from "node:path";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { RunningServer } from "../../src/lab/servers.ts";
import { serveOnLoopback } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Decision, Input } from "../../src/model/decision.ts";
import { recordedInputs } from "../../src/replay/replay.ts";
import type { AlarmView, ClusterView } from "../../src/serviceView.ts";
import type { ManyClusters } from "./effectHaproxy.ts";
import { haproxyOf, Patient } from "./effectHaproxy.ts";
import type { Plan, Step } from "./effectPlans.ts";
import { SETTLE_S } from "./effectPlans.ts";
import { getJson, startService, writeSetUp } from "./service.ts";
import { eventually, temporaryFolder } from "./sockets.ts";

/** One cluster, and everything that is known of it at the end. */
export interface Run {
  readonly name: string;
  readonly plan: Plan;
  /** `webhook-id` of each POST that arrived. */
  readonly posts: string[];
  /** Notices that an action had no effect. */
  told: number;
  /** Wall clock, epoch ms: the last step that an effect may come from began, and had been taken. */
  done: { readonly fromMs: number; readonly toMs: number } | undefined;
  /** What went wrong in the test itself. */
  readonly faults: string[];
  decisions: readonly Decision[];
  inputs: readonly Input[];
}

/** From adding a server to its first good health check at the latest. */
const BOOT_MS = 500;

const wait = (ms: number) => new Promise<void>((resolve) => void systemClock.after(ms, resolve));

/** Plays each plan so many times, all at once; `random` gives numbers in [0, 1). */
export async function playPlans(plans: readonly Plan[], times: number, random: () => number): Promise<readonly Run[]> {
  using folder = temporaryFolder();
  await using stack = new AsyncDisposableStack();
  const runs = plans.flatMap((plan) => Array.from({ length: times }, (_, index) => newRun(plan, index + 1)));
  const patients = new Map(runs.map(({ name }, index) => [name, stack.use(new Patient(index))]));
  for (const { name, plan } of runs) {
    await patients.get(name)?.open();
    if (plan.direction === "out") await patients.get(name)?.close();
  }
  const haproxy = stack.use(await haproxyOf(folder.path, patients));
  // One for each plan: requests to one origin begin one after another.
  const receivers = new Map<Plan, RunningServer>();
  for (const plan of plans) {
    const own = runs.filter((run) => run.plan === plan);
    receivers.set(plan, stack.use(await receiverOf(own, patients, haproxy, random)));
  }
  for (const { name, plan } of runs) await haproxy.load(name, plan.direction === "in");
  const config = `collector: {interval: 1s, timeout: 0.75s, sources: [{name: lab, socket: ${haproxy.socket}}]}
api: {listen: "127.0.0.1:0"}
rules: {watch: false}
log: {format: json}
`;
  writeSetUp(
    folder.path,
    config,
    Object.fromEntries(runs.map((run) => [`${run.name}.yaml`, rulesOf(run, receivers.get(run.plan)?.port ?? 0)])),
  );
  const service = stack.use(await startService(folder.path));
  const clusters = () => getJson<ClusterView[]>(service, "/api/v1/clusters");
  await eventually("every patient is as it is to be", async () => {
    const seen = await clusters();
    const right = seen.filter(
      ({ cluster_id, servers }) => servers.sick === (cluster_id.startsWith("in") ? "up" : "down"),
    );
    return right.length === runs.length || undefined;
  });
  await eventually("every alarm is ok", async () => {
    const alarms = await getJson<AlarmView[]>(service, "/api/v1/alarms");
    return alarms.every(({ state }) => state === "ok") || undefined;
  });
  for (const { name, plan } of runs) await haproxy.load(name, plan.direction === "out");
  await eventually(
    "two actions of every cluster",
    () => runs.every(({ posts }) => posts.length >= 2) || undefined,
    40_000,
  );
  const isOver = ({ told, plan }: Run) => told >= (plan.label === "no_effect" ? 2 : 1);
  // Where that does not come, the record says more.
  await eventually("word that actions had no effect", () => runs.every(isOver) || undefined).catch(() => {});
  await service.kill("SIGTERM");
  const { ledger, store } = await openSqlite(join(folder.path, "data"));
  for (const run of runs) {
    run.decisions = (await ledger.decisionLog(run.name)).map((line) => JSON.parse(line) as Decision);
    run.inputs = (await recordedInputs(run.name, ledger, store)).map(({ input }) => input);
  }
  await store.close();
  await ledger.close();
  return runs;
}

function newRun(plan: Plan, number: number): Run {
  const name = `${plan.name}-${number}`;
  return { name, plan, posts: [], told: 0, done: undefined, faults: [], decisions: [], inputs: [] };
}

function rulesOf({ name, plan }: Run, port: number): string {
  return `version: 1
cluster_id: ${name}
cluster_name: ${name}
haproxy: [{proxy: ${name}}]
control: {settle: ${SETTLE_S}s}
receivers:
  scaler:
    direction: ${plan.direction}
    alarm_url: http://127.0.0.1:${port}/${name}/scale
    on_no_effect: [receiver:ops]
  ops: {class: notice, alarm_url: "http://127.0.0.1:${port}/${name}/told"}
alarms:
  - name: sessions
    meter_name: network.services.lb.active.connections
    period: 1s
    threshold: 1
    comparison_operator: ${plan.direction === "out" ? "ge" : "lt"}
    repeat_actions: true
    repeat_interval: ${plan.repeatS}s
    max_repeats: 1
    alarm_actions: [receiver:scaler]
`;
}

function receiverOf(
  runs: readonly Run[],
  patients: ReadonlyMap<string, Patient>,
  haproxy: ManyClusters,
  random: () => number,
): Promise<RunningServer> {
  const byName = new Map(runs.map((run) => [run.name, run]));
  return serveOnLoopback((request, response) => {
    const [, name = "", what] = (request.url ?? "").split("/");
    const run = byName.get(name);
    const patient = patients.get(name);
    request.resume().on("end", () => {
      if (!run || !patient) return response.writeHead(404).end();
      if (what === "told") {
        run.told++;
        return response.end();
      }
      run.posts.push(String(request.headers["webhook-id"]));
      const isFirst = run.posts.length === 1;
      const failed = (error: unknown) => void run.faults.push(String(error));
      recover(patient, run.plan.isRestless ? 4 : 1, random).catch(failed);
      if (isFirst) follow(run, patient, haproxy, random).catch(failed);
      return response.writeHead(isFirst ? run.plan.status : 202).end();
    });
  });
}

/** Nobody's doing: it falls ill, if it is not, and recovers within settling. */
async function recover(patient: Patient, times: number, random: () => number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await patient.close();
    await wait(600 + (random() * 1200) / times);
    await patient.open();
    if (time + 1 < times) await wait(400);
  }
}

async function follow(run: Run, patient: Patient, haproxy: ManyClusters, random: () => number): Promise<void> {
  let sinceMs = 0;
  for (const { after, does } of run.plan.steps) {
    const [least, most] = after;
    const dueMs = least + random() * (most - least);
    await wait(dueMs - sinceMs);
    sinceMs = dueMs;
    const fromMs = Date.now();
    await take(does, run.name, patient, haproxy);
    run.done = { fromMs, toMs: Date.now() };
  }
}

async function take(does: Step["does"], cluster: string, patient: Patient, haproxy: ManyClusters): Promise<void> {
  const [fresh, second, slot] = [`${cluster}/new`, `${cluster}/s2`, `${cluster}/slot`];
  const remove = [`set server ${second} state maint`, `del server ${second}`];
  const add = [`add server ${fresh} 127.0.0.1:9`, `enable server ${fresh}`];
  const said = async (lines: readonly string[], expected: string) => {
    const answer = await haproxy.command(...lines);
    const words = answer
      .split("\n")
      .filter((line) => line.trim() !== "")
      .join("; ");
    if (words !== expected) throw new Error(`${does}: HAProxy said ${words}`);
  };
  switch (does) {
    case "add":
      return said(add, "New server registered.");
    case "add in maint":
      return said(add.slice(0, 1), "New server registered.");
    case "enable":
      return said(add.slice(1), "");
    case "add unready":
      // It has the patient's health: while its machine boots the check fails.
      await said(
        [
          `add server ${fresh} ${patient.address} check inter 300ms rise 1 fall 1`,
          `enable health ${fresh}`,
          `enable server ${fresh}`,
        ],
        "New server registered.",
      );
      await wait(BOOT_MS);
      return patient.open();
    case "ready":
      return said([`set server ${slot} state ready`], "");
    case "remove":
      return said(remove, "Server deleted.");
    case "drain":
      return said([`set server ${second} state drain`], "");
    case "maint":
      return said(remove.slice(0, 1), "");
    case "replace":
      return said([...remove, ...add], "Server deleted.; New server registered.");
  }
}
