/** One real HAProxy with many small clusters, each with a server that falls ill and recovers when it is told to. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo, Server, Socket } from "node:net";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { eventually } from "./sockets.ts";

/** What HAProxy's health check connects to, on an address of its own so that nobody else takes the port. */
export class Patient implements AsyncDisposable {
  readonly #host: string;
  #port = 0;
  #server: Server | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(index: number) {
    this.#host = `127.77.${Math.floor(index / 250)}.${1 + (index % 250)}`;
  }

  get address(): string {
    return `${this.#host}:${this.#port}`;
  }

  /** It recovers: the port listens. */
  open(): Promise<void> {
    return this.#next(async () => {
      if (this.#server) return;
      const server = createServer((socket) => socket.on("error", () => {}).destroy());
      server.listen(this.#port, this.#host);
      await once(server, "listening");
      this.#port = (server.address() as AddressInfo).port;
      this.#server = server;
    });
  }

  /** It falls ill: nobody listens. */
  close(): Promise<void> {
    return this.#next(async () => {
      const server = this.#server;
      this.#server = undefined;
      if (!server) return;
      server.close();
      await once(server, "close");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done;
    return done;
  }
}

export interface ManyClusters extends AsyncDisposable {
  readonly socket: string;
  /** Runs commands of the runtime API; returns what HAProxy says. */
  command(...lines: readonly string[]): Promise<string>;
  /** Opens sessions in a cluster, or closes them. */
  load(cluster: string, isBusy: boolean): Promise<void>;
}

/** Starts HAProxy with a listener, two servers, a spare and a patient for each cluster. */
export async function haproxyOf(folder: string, clusters: ReadonlyMap<string, Patient>): Promise<ManyClusters> {
  const stack = new AsyncDisposableStack();
  const file = join(folder, "haproxy.cfg");
  const socket = join(folder, "stats.sock");
  const sections = [...clusters].map(
    ([name, patient]) => `listen ${name}
  bind unix@${join(folder, name)}
  balance roundrobin
  server s1 127.0.0.1:9
  server s2 127.0.0.1:9
  server slot 127.0.0.1:9 disabled
  server sick ${patient.address} check inter 300ms rise 1 fall 1`,
  );
  writeFileSync(
    file,
    `global
  stats socket ${socket} mode 600 level admin
  stats maxconn 100
  maxconn 2000
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 10m
  timeout http-request 10m
  timeout server 1s
${sections.join("\n")}
`,
  );
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const child = spawn("haproxy", ["-db", "-f", file], { env: { ...process.env, PATH: path }, stdio: "ignore" });
  const ended = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const command = (...lines: readonly string[]) => ask(socket, `${lines.join(";")}\n`);
  const isUp = async () => (await command("show info").catch(() => "")).includes("Pid:") || undefined;
  await eventually("HAProxy answers", isUp);
  const sessions = new Map<string, Socket>();
  stack.defer(() => {
    for (const one of sessions.values()) one.destroy();
  });
  return {
    socket,
    command,
    async load(cluster, isBusy) {
      const open = sessions.get(cluster);
      sessions.delete(cluster);
      open?.destroy();
      if (!isBusy) return;
      const session = createConnection({ path: join(folder, cluster) });
      session.on("error", () => {});
      await once(session, "connect");
      sessions.set(cluster, session);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function ask(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer.trim()));
    socket.on("error", reject);
  });
}
