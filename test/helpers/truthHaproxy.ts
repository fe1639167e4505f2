/**
 * A real HAProxy as Octavia runs one: every change of the servers is a new process that takes the old one's place.
 * Each process is kept in sight to its end, over a connection to it alone, so that what it counted is known even when
 * nobody can ask it any more.
 */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createConnection } from "node:net";
import { join } from "node:path";
import { eventually } from "./sockets.ts";
import { now } from "./trafficClient.ts";

export interface BalancerOptions {
  readonly folder: string;
  /** Of the socket, `<name>.sock`. */
  readonly name: string;
  readonly port: number;
  readonly originPort: number;
  /** Long streams are counted while they flow. */
  readonly contstats?: boolean;
}

/** What HAProxy says that it counted at its frontend. */
export interface Counted {
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** One process, from when it took over. */
export interface Worker {
  readonly pid: number;
  /** When it answered first, epoch ms. */
  readonly bornMs: number;
  /** What it had counted when it was about to be replaced, and when that was read, epoch ms. */
  before: { readonly counted: Counted; readonly atMs: number } | undefined;
  /** It was ended at once: nothing of it could be read afterwards. */
  killed: boolean;
  /** What it has counted by now. */
  counted(): Promise<Counted>;
}

interface Running extends Worker {
  readonly child: ChildProcess;
  readonly session: Socket;
}

const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

export class Balancer implements AsyncDisposable {
  readonly workers: Worker[] = [];
  readonly options: BalancerOptions;
  readonly #running = new Set<Running>();
  #current: Running | undefined;
  #generation = 0;

  constructor(options: BalancerOptions) {
    this.options = options;
  }

  get socket(): string {
    return join(this.options.folder, `${this.options.name}.sock`);
  }

  /** The first process, or one after an end. */
  async start(servers: number): Promise<Worker> {
    return this.#spawn(servers, []);
  }

  /** A new process takes the sockets over; the old one ends its sessions. */
  async reload(servers: number): Promise<Worker> {
    const old = await this.#leave();
    return this.#spawn(servers, ["-sf", String(old.pid)]);
  }

  /** The process is ended with all its sessions, then a new one begins. */
  async restart(servers: number): Promise<Worker> {
    await this.kill();
    return this.#spawn(servers, []);
  }

  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const old = await this.#leave();
    old.killed = true;
    const ended = once(old.child, "exit");
    old.child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child, session } of this.#running) {
      session.destroy();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }

  async #leave(): Promise<Running> {
    const old = this.#current;
    if (!old) throw new Error("no process to take the place of");
    old.before = { counted: await old.counted(), atMs: now() };
    return old;
  }

  async #spawn(servers: number, args: readonly string[]): Promise<Worker> {
    const { folder, name } = this.options;
    const own = join(folder, `${name}-${++this.#generation}.worker`);
    const file = join(folder, `${name}.cfg`);
    writeFileSync(file, this.#configuration(own, servers));
    const child = spawn("haproxy", ["-db", "-f", file, ...args], { env: { ...process.env, PATH }, stdio: "ignore" });
    const pid = child.pid ?? 0;
    const session = await eventually(`HAProxy ${pid} answers`, async () => connected(own).catch(() => undefined));
    const bornMs = now();
    const ask = asker(session);
    await ask("prompt");
    const counted = async () => frontendOf(await ask("show stat"));
    const worker: Running = { pid, bornMs, child, session, before: undefined, killed: false, counted };
    this.#running.add(worker);
    this.workers.push(worker);
    this.#current = worker;
    return worker;
  }

  /** As Octavia writes it: frontend, `<pool>:<listener>`, members. */
  #configuration(own: string, servers: number): string {
    const { port, originPort, contstats = false } = this.options;
    const members = Array.from(
      { length: servers },
      (_, index) => `  server member-${index + 1} 127.0.0.1:${originPort}`,
    );
    return `global
  stats socket ${this.socket} mode 600 level user
  stats socket ${own} mode 600 level user
  stats timeout 1h
  maxconn 1000
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  option http-keep-alive
${contstats ? "  option contstats\n" : ""}frontend listener-1
  bind 127.0.0.1:${port}
  http-after-response set-header x-worker %pid
  default_backend pool-1:listener-1
backend pool-1:listener-1
  balance roundrobin
  http-reuse safe
${members.join("\n")}
`;
  }
}

async function connected(path: string): Promise<Socket> {
  const socket = createConnection({ path });
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket.setEncoding("latin1");
}

/** Asks over an interactive session, which stays with its process over a reload; one question at a time. */
function asker(session: Socket): (line: string) => Promise<string> {
  let last: Promise<unknown> = Promise.resolve();
  const ask = (line: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = "";
      const read = (chunk: string) => {
        answer += chunk;
        if (!/(^|\n)> $/.test(answer)) return;
        session.off("data", read);
        session.off("close", fail);
        resolve(answer);
      };
      const fail = () => reject(new Error(`HAProxy ended before it answered ${line}`));
      session.on("data", read);
      session.once("close", fail);
      session.write(`${line}\n`);
    });
  return (line) => {
    const next = last.then(() => ask(line));
    last = next.catch(() => {});
    return next;
  };
}

function frontendOf(answer: string): Counted {
  const lines = answer.split("\n");
  const columns =
    lines
      .find((line) => line.startsWith("# pxname"))
      ?.slice(2)
      .split(",") ?? [];
  const row = lines.find((line) => line.startsWith("listener-1,FRONTEND,"))?.split(",");
  const value = (name: string) => Number(row?.[columns.indexOf(name)]);
  return { requests: value("req_tot"), bytesIn: value("bin"), bytesOut: value("bout") };
}
