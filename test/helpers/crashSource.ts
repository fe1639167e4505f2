/** A HAProxy that exists in a script only: its clusters' load and servers change as the seed says. */

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { fnv1a32 } from "../../src/lib/hash.ts";
import type { Clock } from "../../src/ports.ts";
import { unixServer } from "./sockets.ts";

/** Sessions that are few, some and many to the rules of the crash tests. */
export const LOADS = { few: 2, some: 30, many: 90 } as const;
export type Load = keyof typeof LOADS;

/** For so long a cluster's load stays as it is, ms. */
const STRETCH_MS = 2500;

const DUMP = readFileSync(new URL("../fixtures/haproxy/octavia-amphora-a.txt", import.meta.url), "latin1");
const HEADER = DUMP.slice(DUMP.indexOf("# pxname"), DUMP.indexOf("\n", DUMP.indexOf("# pxname")));
const COLUMNS = HEADER.slice(2).split(",");

interface Plant {
  readonly name: string;
  readonly servers: string[];
  nextServer: number;
  sessions: number;
  bytes: number;
  countedAt: number;
}

export class ScriptedHaproxy {
  /** The same for all clusters, instead of the script. */
  weather: Load | undefined;
  readonly #clock: Clock;
  readonly #seed: number;
  readonly #plants: readonly Plant[];
  readonly #bornAt: number;

  constructor(clusters: readonly string[], seed: number, clock: Clock) {
    this.#clock = clock;
    this.#seed = seed;
    this.#bornAt = clock.now();
    this.#plants = clusters.map((name) => ({
      name,
      servers: ["s1", "s2"],
      nextServer: 3,
      sessions: 0,
      bytes: 0,
      countedAt: clock.now(),
    }));
  }

  /** Scales a cluster, as a receiver that was called does. */
  scale(cluster: string, direction: "in" | "out"): void {
    const plant = this.#plants.find(({ name }) => name === cluster);
    if (!plant) return;
    if (direction === "out" && plant.servers.length < 6) plant.servers.push(`s${plant.nextServer++}`);
    if (direction === "in" && plant.servers.length > 1) plant.servers.pop();
  }

  /** Answers on a stats socket; `onStep` is told how far it has come, and may end who asks. */
  listen(path: string, onStep: (step: string) => void): Promise<AsyncDisposable> {
    return unixServer(path, (socket: Socket) => {
      socket.once("data", () => {
        onStep("asked");
        const answer = this.#answer();
        const half = Math.floor(answer.length / 2);
        socket.write(answer.slice(0, half), () => {
          onStep("half answered");
          socket.end(answer.slice(half), () => onStep("answered"));
        });
      });
    });
  }

  #answer(): string {
    const uptimeS = ((this.#clock.now() - this.#bornAt) / 1000).toFixed(6);
    const info = ["Name: HAProxy", "Version: 2.6.12", "Nbproc: 1", "Pid: 4711", `Uptime_sec: ${uptimeS}`];
    return `${info.join("\n")}\nStart_time_sec: 1\n\n${HEADER}\n${this.#plants.flatMap((one) => this.#rows(one)).join("\n")}\n\n`;
  }

  #rows(plant: Plant): string[] {
    const now = this.#clock.now();
    const { name, servers } = plant;
    const open = this.#sessions(name, now);
    plant.sessions += open;
    plant.bytes += Math.round(open * 10 * (now - plant.countedAt)) + 1;
    plant.countedAt = now;
    const counted = { scur: open, stot: plant.sessions, bin: plant.bytes, bout: plant.bytes, mode: "http" };
    const up = { status: "UP", weight: 1, act: 1, bck: 0, qcur: 0, mode: "http" };
    return [
      row({ pxname: `${name}_web`, svname: "FRONTEND", status: "OPEN", type: 0, ...counted }),
      ...servers.map((server) => row({ pxname: `${name}_web`, svname: server, type: 2, ...up })),
      row({ pxname: `${name}_web`, svname: "BACKEND", type: 1, ...counted, ...up, act: servers.length }),
    ];
  }

  #sessions(name: string, now: number): number {
    if (this.weather) return LOADS[this.weather];
    const stretch = Math.floor((now - this.#bornAt) / STRETCH_MS + fnv1a32(name) / 2 ** 32);
    return Object.values(LOADS)[fnv1a32(`${this.#seed}/${name}/${stretch}`) % 3] ?? 0;
  }
}

function row(cells: Readonly<Record<string, string | number>>): string {
  return COLUMNS.map((column) => cells[column] ?? "").join(",");
}
