/** What is done to a running world, by lot. */

import { hasLeader } from "./natsServer.ts";
import type { ScaleProcess } from "./scaleProcess.ts";
import type { ScaleWorld } from "./scaleWorld.ts";

export const FAULTS = ["kill", "pause", "leader", "isolate", "term", "join", "restart nats"] as const;
export type Fault = (typeof FAULTS)[number];

/** Clients connect again within so long, ms. */
const BACK_MS = 5000;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class FaultMaker {
  readonly #world: ScaleWorld;
  readonly #busy = new Set<ScaleProcess>();
  readonly #done: Promise<void>[] = [];
  #natsIsBusy = false;

  constructor(world: ScaleWorld) {
    this.#world = world;
  }

  /** Begins one, if there is anything that it can be done to; it mends itself after some seconds. */
  begin(fault: Fault): void {
    const made = this.#make(fault);
    // Told when all is mended.
    made.catch(() => {});
    this.#done.push(made);
  }

  /** Resolves when all is mended, and the engines run that ran at first. */
  async mended(): Promise<void> {
    await Promise.all(this.#done);
  }

  async #make(fault: Fault): Promise<void> {
    switch (fault) {
      case "kill":
      case "term":
        return await this.#withEngine(true, async (engine) => {
          this.#world.dies(engine, fault);
          await engine.end(fault === "kill" ? "SIGKILL" : "SIGTERM");
          await this.#wait(500, 2500);
          engine.start();
          this.#world.tell(`${engine.name}: started`);
          await this.#world.runs(engine);
        });
      case "pause":
        return await this.#withEngine(true, async (engine) => {
          this.#world.dies(engine, fault);
          engine.signal("SIGSTOP");
          await this.#wait(1000, 6000);
          engine.signal("SIGCONT");
          this.#world.tell(`${engine.name}: goes on`);
        });
      case "isolate":
        return await this.#withEngine(true, async (engine) => {
          const how = this.#world.random() < 0.3 ? "cut" : "hang";
          const isLost = this.#world.random() < 0.5;
          this.#world.dies(engine, fault);
          engine.isolate(how);
          await this.#wait(1000, 7000);
          engine.reconnect(isLost);
          this.#world.tell(`${engine.name}: reached again after ${how}${isLost ? ", all lost" : ", all late"}`);
        });
      case "join":
        return await this.#withEngine(false, async (engine) => {
          engine.start();
          this.#world.tell(`${engine.name}: joins`);
          await this.#world.runs(engine);
          await this.#wait(3000, 8000);
          const isKilled = this.#world.random() < 0.5;
          this.#world.dies(engine, isKilled ? "kill" : "term");
          await engine.end(isKilled ? "SIGKILL" : "SIGTERM");
        });
      case "leader":
        return await this.#withNats(async () => {
          const node = await this.#world.leader();
          this.#world.tell(`nats ${node.name}: killed, it led the log`);
          await node.kill();
          await this.#wait(1000, 4000);
          await node.start();
        });
      case "restart nats":
        return await this.#withNats(async () => {
          this.#world.tell("nats: all killed");
          await Promise.all(this.#world.nats.map((node) => node.kill()));
          await this.#wait(500, 2000);
          await Promise.all(this.#world.nats.map((node) => node.start()));
        });
    }
  }

  async #withEngine(isRunning: boolean, run: (engine: ScaleProcess) => Promise<void>): Promise<void> {
    const free = this.#world.engines.filter((one) => one.isRunning === isRunning && !this.#busy.has(one));
    const engine = free[Math.floor(this.#world.random() * free.length)];
    if (!engine) return;
    this.#busy.add(engine);
    await run(engine);
    this.#busy.delete(engine);
  }

  async #withNats(run: () => Promise<void>): Promise<void> {
    if (this.#natsIsBusy) return;
    this.#natsIsBusy = true;
    const from = Date.now();
    try {
      await run();
      await hasLeader(this.#world.nats);
      this.#world.tell("nats: has a leader");
    } finally {
      // Who was cut off comes back a moment later.
      this.#world.outages.push({ from, to: Date.now() + BACK_MS });
      this.#natsIsBusy = false;
    }
  }

  #wait(leastMs: number, mostMs: number): Promise<void> {
    return sleep(leastMs + this.#world.random() * (mostMs - leastMs));
  }
}
