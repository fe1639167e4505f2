/** A real HAProxy with very many servers, and traffic that moves the counters of every row. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Servers of each backend; a backend and a frontend make a cluster. */
export const SERVERS_EACH = 100;

export interface BigHaproxy extends AsyncDisposable {
  readonly socket: string;
  readonly folder: string;
  readonly backends: number;
  /** Frontends, backends and servers. */
  readonly rows: number;
  /** CPU of the process so far, milliseconds. */
  cpuMs(): number;
  /** One request through every server: each row counts it. Returns how many there were. */
  traffic(): Promise<number>;
}

/** Starts it without health checks; its servers are one second HAProxy, over unix sockets: there are ports for neither. */
export async function startBigHaproxy(backends: number, serversEach: number = SERVERS_EACH): Promise<BigHaproxy> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-big-"));
  const origin = await startHaproxy(
    join(folder, "origin"),
    [
      "frontend origin",
      `  bind unix@${folder}/o.sock`,
      "  http-request return status 200 content-type text/plain string ok",
    ],
    `${folder}/origin-stats.sock`,
  );
  const socket = `${folder}/stats.sock`;
  const lines = Array.from({ length: backends }, (_, index) => [
    `frontend svc${index}_front`,
    `  bind unix@${folder}/f${index}.sock`,
    `  default_backend svc${index}_back`,
    `backend svc${index}_back`,
    ...Array.from({ length: serversEach }, (__, one) => `  server member-${one} unix@${folder}/o.sock`),
  ]).flat();
  const haproxy = await startHaproxy(join(folder, "haproxy"), lines, socket);
  return {
    socket,
    folder,
    backends,
    rows: backends * (serversEach + 2),
    cpuMs: () => cpuMsOf(haproxy),
    async traffic() {
      for (let index = 0; index < backends; index++) await pipeline(`${folder}/f${index}.sock`, serversEach);
      return backends * serversEach;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([stop(haproxy), stop(origin)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startHaproxy(base: string, lines: readonly string[], socket: string): Promise<ChildProcess> {
  const head = [
    "global",
    `  stats socket ${socket} mode 600 level user`,
    "  nbthread 1",
    "  maxconn 2000",
    "defaults",
    "  mode http",
    "  option http-server-close",
    "  timeout connect 5s",
    "  timeout client 60s",
    "  timeout server 60s",
  ];
  writeFileSync(`${base}.cfg`, `${[...head, ...lines].join("\n")}\n`);
  // Debian puts it where the PATH of ordinary users does not look.
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/usr/local/sbin` };
  const child = spawn("haproxy", ["-db", "-f", `${base}.cfg`], { env, stdio: ["ignore", "ignore", "inherit"] });
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  failed.catch(() => {});
  for (let tries = 0; tries < 200; tries++) {
    const answers = await Promise.race([failed, readAll(socket, "show info").catch(() => 0)]);
    if (answers > 0) return child;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("haproxy does not start");
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

/** Nanoseconds on a processor, of all its threads: `stat` counts in hundredths of a second. */
function cpuMsOf({ pid }: ChildProcess): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ns = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]));
  return ns.reduce((sum, one) => sum + one, 0) / 1e6;
}

/** Asks a stats socket, reads to the end of the answer and throws it away. Returns its length, bytes. */
export function readAll(path: string, question: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const socket = createConnection({ path }, () => socket.write(`${question}\n`));
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("end", () => resolve(bytes));
    socket.on("error", reject);
  });
}

/** Asks a stats socket and returns the answer. */
export function readText(path: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection({ path }, () => socket.write(`${question}\n`));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => resolve(Buffer.concat(chunks).toString("latin1")));
    socket.on("error", reject);
  });
}

/** So many requests on one connection, one after the other without waiting: round robin gives each server one. */
function pipeline(path: string, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = createConnection({ path }, () => {
      const request = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
      const last = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
      socket.write(request.repeat(count - 1) + last);
    });
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => {
      const answers = answer.split("HTTP/1.1 200").length - 1;
      if (answers === count) resolve();
      else reject(new Error(`${answers} answers to ${count} requests: ${answer.slice(0, 200)}`));
    });
  });
}
