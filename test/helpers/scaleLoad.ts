/** HAProxies that exist in a script only, one beside each agent, and what the script knows of the clusters' true load. */

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { fnv1a32 } from "../../src/lib/hash.ts";
import { unixServer } from "./sockets.ts";

/** Sessions that are few, some and many to the rules (`scaleRules`): even, so that two proxies can share them. */
export const LOADS = { few: 2, some: 30, many: 90 } as const;
export type Load = keyof typeof LOADS;

/** A cluster's load stays as it is for so long at least, and at most, ms. */
const STRETCH_MS = { least: 4000, most: 9000 };
const MOST_SERVERS = 6;

/** What the load of each cluster is at each instant, and how many servers it has. */
export class TrueLoad {
  readonly #seed: number;
  readonly #bornAt = Date.now();
  readonly #servers = new Map<string, string[]>();
  readonly #weather: { readonly from: number; readonly load: Load }[] = [];
  #nextServer = 3;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** From now on the same for all, instead of the script. */
  settle(load: Load): void {
    this.#weather.push({ from: Date.now(), load });
  }

  /** At an instant, epoch ms. */
  at(cluster: string, ms: number): Load {
    const weather = this.#weather.findLast(({ from }) => from <= ms);
    if (weather) return weather.load;
    const spread = fnv1a32(cluster) / 2 ** 32;
    const stretchMs = STRETCH_MS.least + spread * (STRETCH_MS.most - STRETCH_MS.least);
    const stretch = Math.floor((ms - this.#bornAt) / stretchMs + spread);
    const names = Object.keys(LOADS) as Load[];
    return names[fnv1a32(`${this.#seed}/${cluster}/${stretch}`) % names.length] ?? "some";
  }

  /** It was so at some instant from `fromMs` to `toMs`. */
  was(cluster: string, load: Load, fromMs: number, toMs: number): boolean {
    for (let ms = fromMs; ms < toMs; ms += 50) if (this.at(cluster, ms) === load) return true;
    return this.at(cluster, toMs) === load;
  }

  servers(cluster: string): readonly string[] {
    const own = this.#servers.get(cluster) ?? ["s1", "s2"];
    this.#servers.set(cluster, own);
    return own;
  }

  /** Scales a cluster, as a receiver that was called does. */
  scale(cluster: string, direction: "in" | "out"): void {
    const servers = [...this.servers(cluster)];
    if (direction === "out" && servers.length < MOST_SERVERS) servers.push(`s${this.#nextServer++}`);
    if (direction === "in" && servers.length > 1) servers.pop();
    this.#servers.set(cluster, servers);
  }
}

const DUMP = readFileSync(new URL("../fixtures/haproxy/octavia-amphora-a.txt", import.meta.url), "latin1");
const HEADER = DUMP.slice(DUMP.indexOf("# pxname"), DUMP.indexOf("\n", DUMP.indexOf("# pxname")));
const COLUMNS = HEADER.slice(2).split(",");

interface Counted {
  sessions: number;
  bytes: number;
  at: number;
}

/** Answers on a stats socket for its clusters, of which each has a share of the sessions. */
export async function scriptedHaproxy(
  path: string,
  clusters: ReadonlyMap<string, number>,
  load: TrueLoad,
): Promise<AsyncDisposable> {
  const bornAt = Date.now();
  const counted = new Map<string, Counted>();
  const rows = (name: string, share: number): string[] => {
    const now = Date.now();
    const open = LOADS[load.at(name, now)] * share;
    const before = counted.get(name) ?? { sessions: 0, bytes: 0, at: now };
    const total = {
      sessions: before.sessions + open,
      bytes: before.bytes + open * 10 * (now - before.at) + 1,
      at: now,
    };
    counted.set(name, total);
    const traffic = { scur: open, stot: total.sessions, bin: total.bytes, bout: total.bytes, mode: "http" };
    const up = { status: "UP", weight: 1, act: 1, bck: 0, qcur: 0, mode: "http" };
    const servers = load.servers(name);
    return [
      row({ pxname: `${name}_web`, svname: "FRONTEND", status: "OPEN", type: 0, ...traffic }),
      ...servers.map((server) => row({ pxname: `${name}_web`, svname: server, type: 2, ...up })),
      row({ pxname: `${name}_web`, svname: "BACKEND", type: 1, ...traffic, ...up, act: servers.length }),
    ];
  };
  return await unixServer(path, (socket: Socket) => {
    socket.once("data", () => {
      const uptimeS = ((Date.now() - bornAt) / 1000).toFixed(6);
      const info = ["Name: HAProxy", "Version: 2.6.12", "Nbproc: 1", "Pid: 4711", `Uptime_sec: ${uptimeS}`];
      const all = [...clusters].flatMap(([name, share]) => rows(name, share)).join("\n");
      socket.end(`${info.join("\n")}\nStart_time_sec: 1\n\n${HEADER}\n${all}\n\n`);
    });
  });
}

function row(cells: Readonly<Record<string, string | number>>): string {
  return COLUMNS.map((column) => cells[column] ?? "").join(",");
}
