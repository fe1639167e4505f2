/** The service past one machine: engines, agents, a NATS cluster, receivers, and HAProxies that a script plays. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCoordination } from "../../src/backend/nats/coordination/coordination.ts";
import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { setupBus } from "../../src/backend/nats/setup/setup.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { partitionOf } from "../../src/lib/partition.ts";
import type { Coordination, Member } from "../../src/scalePorts.ts";
import type { BuiltProgram } from "./builtProgram.ts";
import { lostAtTheEnd } from "./crashCheck.ts";
import { randomFrom } from "./crashWorld.ts";
import { linkTo } from "./natsBus.ts";
import type { NatsNode } from "./natsServer.ts";
import { hasLeader, startNatsCluster } from "./natsServer.ts";
import { natsSettings } from "./natsSettings.ts";
import type { Death, Outage } from "./scaleCheck.ts";
import { scriptedHaproxy, TrueLoad } from "./scaleLoad.ts";
import { ScaleLog } from "./scaleLog.ts";
import { ScaleProcess } from "./scaleProcess.ts";
import { ScaleReceiver } from "./scaleReceiver.ts";
import { scaleClusters, scaleRules } from "./scaleRules.ts";
import { eventually, temporaryFolder } from "./sockets.ts";

export const PARTITIONS = 32;
const PREFIX = "chaos";
const INTERVAL_MS = 1000;
/** One cluster of so many is spread over both agents. */
const SPREAD = 10;

export class ScaleWorld implements AsyncDisposable {
  readonly random: () => number;
  readonly load: TrueLoad;
  readonly receiver: ScaleReceiver;
  readonly clusters: readonly string[];
  readonly deaths: Death[] = [];
  readonly outages: Outage[] = [];
  /** What was done, in words, with the second of the run. */
  readonly story: string[] = [];
  engines: readonly ScaleProcess[] = [];
  agents: readonly ScaleProcess[] = [];
  nats: readonly NatsNode[] = [];
  readonly #build: BuiltProgram;
  readonly #stack = new AsyncDisposableStack();
  readonly #folder = temporaryFolder();
  readonly #bornAt = performance.now();
  #link: NatsLink | undefined;
  #observer: Coordination | undefined;
  #log: ScaleLog | undefined;

  constructor(seed: number, build: BuiltProgram, clusters: number) {
    this.random = randomFrom(seed);
    this.load = new TrueLoad(seed);
    this.#build = build;
    this.clusters = scaleClusters(clusters);
    this.receiver = new ScaleReceiver(this.random, (cluster, direction) => this.load.scale(cluster, direction));
    this.#stack.use(this.#folder);
  }

  /** Starts everything: so many engines that run, and one more that may join. */
  async open(engines: number): Promise<void> {
    const cluster = this.#stack.use(await startNatsCluster());
    this.nats = cluster.nodes;
    const port = await this.receiver.listen();
    this.#stack.use(this.receiver);
    const rules = join(this.#folder.path, "rules");
    mkdirSync(rules);
    for (const name of this.clusters) writeFileSync(join(rules, `${name}.yaml`), scaleRules(name, port));
    await this.#observe();
    this.agents = await Promise.all(["a1", "a2"].map((name, index) => this.#agent(name, index)));
    this.engines = await Promise.all(
      Array.from({ length: engines + 1 }, (_, index) =>
        this.#process(`e${index + 1}`, "engine", ["rules: {path: ../rules}"]),
      ),
    );
    const running = [...this.agents, ...this.engines.slice(0, engines)];
    for (const process of running) process.start();
    await Promise.all(running.map((process) => this.runs(process)));
    await this.shared();
  }

  get link(): NatsLink {
    if (!this.#link) throw new Error("not open");
    return this.#link;
  }

  /** The log; it has what was read of it so far. */
  get log(): ScaleLog {
    this.#log ??= new ScaleLog(this.link, this.clusters);
    return this.#log;
  }

  tell(what: string): void {
    this.story.push(`${((performance.now() - this.#bornAt) / 1000).toFixed(1)} s: ${what}`);
  }

  /** Resolves when it works. */
  async runs(process: ScaleProcess): Promise<void> {
    await eventually(
      `${process.name} runs`,
      () => {
        return process.role === "engine"
          ? this.#memberOf(process)?.isReady || undefined
          : process.saysThatItRuns() || undefined;
      },
      60_000,
    );
  }

  /** Every partition has an owner that is alive, and each running engine is ready. */
  async shared(deadlineMs = 60_000): Promise<void> {
    const owners = () => Array.from({ length: PARTITIONS }, (_, partition) => this.#observer?.ownerOf(partition));
    const running = this.engines.filter(({ isRunning }) => isRunning).length;
    await eventually(
      "partitions are shared among all engines",
      () => owners().every((owner) => owner !== undefined) && new Set(owners()).size === running,
      deadlineMs,
    );
  }

  /** An engine is about to be ended: what it owns has to be taken over. */
  dies(process: ScaleProcess, by: string): void {
    const { name } = process;
    const own = this.#memberOf(process)?.id;
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition).filter(
      (partition) => own !== undefined && this.#observer?.ownerOf(partition) === own,
    );
    this.deaths.push({ at: Date.now(), by, partitions });
    this.tell(`${name}: ${by}, with ${partitions.length} partitions`);
  }

  #memberOf({ pid }: ScaleProcess): Member | undefined {
    return this.#observer?.members().find(({ id }) => id.includes(`-${pid}-`));
  }

  /** The node that leads the log. */
  async leader(): Promise<NatsNode> {
    return await eventually(
      "the log has a leader",
      async () => {
        const info = await this.link.jsm.streams.info(this.link.names.log).catch(() => undefined);
        return this.nats.find(({ port }) => info?.cluster?.leader?.endsWith(`-${port}`));
      },
      60_000,
    );
  }

  /** All is quiet: what is owed is done in a high load, and ends in one that asks for nothing. */
  async settle(): Promise<void> {
    await hasLeader(this.nats);
    await this.shared();
    this.receiver.isCalm = true;
    for (const load of ["many", "some"] as const) {
      this.load.settle(load);
      this.tell(`${load} sessions everywhere`);
      const from = Date.now();
      const left = new Set(this.clusters);
      await eventually(
        `everything done while there are ${load} sessions`,
        async () => {
          await this.log.update();
          for (const cluster of left) if (this.#isDone(cluster, load, from)) left.delete(cluster);
          return left.size === 0 || undefined;
        },
        180_000,
      ).catch((error: unknown) => {
        throw new Error(
          `${[...left]
            .slice(0, 10)
            .map((one) => this.#standing(one))
            .join("; ")}`,
          { cause: error },
        );
      });
      this.tell(`done while there are ${load} sessions`);
    }
  }

  /** Ends engines and agents as a service manager does; each within 10 s. */
  async stop(): Promise<void> {
    const running = [...this.engines, ...this.agents].filter(({ isRunning }) => isRunning);
    const begunAt = performance.now();
    await Promise.all(running.map((process) => process.end("SIGTERM")));
    this.tell(`stopped in ${Math.round(performance.now() - begunAt)} ms`);
    await this.log.update();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#observer?.leave();
    await this.#link?.close();
    await Promise.all([...this.engines, ...this.agents].map((process) => process[Symbol.asyncDispose]()));
    await this.#stack.disposeAsync();
  }

  /** Connects without a way that is cut, sets the bus up, and watches who owns what. */
  async #observe(): Promise<void> {
    const settings = natsSettings(
      this.nats.map(({ url }) => url),
      { prefix: PREFIX, partitions: PARTITIONS, replicas: 3, samplesBytes: 2 ** 27, logBytes: 2 ** 28 },
    );
    this.#link = await linkTo(settings.servers, PREFIX, settings);
    await setupBus(this.#link, settings, INTERVAL_MS);
    this.#observer = await startCoordination({
      ...{ link: this.#link, settings, partitions: PARTITIONS, id: "observer", roles: [], host: "test", version: "0" },
      ...{ clock: systemClock, log: silentLogger, joins: false },
    });
  }

  async #agent(name: string, index: number): Promise<ScaleProcess> {
    const own = this.clusters.flatMap((cluster, at): [string, number][] => {
      if (at % SPREAD === 0) return [[cluster, 0.5]];
      return at % 2 === index ? [[cluster, 1]] : [];
    });
    const socket = join(this.#folder.path, `${name}.sock`);
    this.#stack.use(await scriptedHaproxy(socket, new Map(own), this.load));
    return await this.#process(name, "collector", [], [`sources: [{name: ${name}, socket: ${socket}}]`]);
  }

  #process(
    name: string,
    role: "engine" | "collector",
    words: readonly string[],
    collector: readonly string[] = [],
  ): Promise<ScaleProcess> {
    return ScaleProcess.create({
      ...{ name, role, folder: this.#folder.path, build: this.#build, natsPorts: this.nats.map(({ port }) => port) },
      settings: (servers) => `collector:
  ${[`interval: ${INTERVAL_MS / 1000}s`, ...collector].join("\n  ")}
${words.join("\n")}
store: {path: data}
bus:
  type: nats
  nats:
    servers: [${servers.join(", ")}]
    prefix: ${PREFIX}
    partitions: ${PARTITIONS}
    replicas: 3
    samples: {max_bytes: 128MiB}
    log: {max_bytes: 256MiB}
log: {format: json, level: info}
`,
    });
  }

  /** Every alarm is in the state that the load asks for, and nothing that was decided is under way. */
  #isDone(cluster: string, load: "many" | "some", from: number): boolean {
    const states = this.log.states(cluster);
    if (states.get("high") !== (load === "many" ? "alarm" : "ok") || states.get("low") !== "ok") return false;
    const deliveries = [...this.log.deliveries(cluster).values()];
    if (deliveries.some(({ status }) => status === "waiting" || status === "claimed")) return false;
    if (load === "some") return true;
    const journal = this.log.journal(cluster);
    const { log, called } = journal;
    const transitions = log.filter((one) => one.d === "transition");
    const last = transitions.findLast(({ name, to }) => name === "high" && to === "alarm");
    if (!last) return false;
    // One that may have run, and did not, is called again when it has settled.
    const posts = this.receiver.posts.filter((one) => one.cluster === cluster);
    const byId = Map.groupBy(posts, ({ id }) => id);
    if (lostAtTheEnd(journal, transitions, byId).length > 0) return false;
    return called(last.alarmId, "alarm").every(({ receiver, class: kind }) =>
      deliveries.some(
        (one) =>
          one.alarmId === last.alarmId &&
          one.transition === last.transition &&
          one.receiver === receiver &&
          (one.status === "delivered" || (kind === "control" && last.at < from && one.status === "uncertain")),
      ),
    );
  }

  #standing(cluster: string): string {
    const states = JSON.stringify([...this.log.states(cluster)]);
    const open = [...this.log.deliveries(cluster).values()].filter(({ status }) => /waiting|claimed/.test(status));
    const last = this.log.of(cluster).at(-1);
    const decided = this.log
      .decisions(cluster)
      .slice(-15)
      .map((one) => {
        const what = "receiver" in one ? one.receiver : "gate" in one ? one.gate : "to" in one ? one.to : "";
        return `${one.d} ${what} ${"delivery" in one ? one.delivery.slice(0, 10) : ""}${"end" in one ? one.end : ""}@${one.at}`;
      });
    return `${cluster} (partition ${partitionOf(cluster, PARTITIONS)}): ${states}, ${open.length} open, last record ${last?.at}: ${decided.join(", ")}`;
  }
}
