/** A real HAProxy of the lab's own: started from a configuration, scaled over its runtime API, ended with the lab. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { TocsinError } from "../lib/errors.ts";
import type { Clock } from "../ports.ts";

export const PROXY = { frontend: "lab_front", backend: "lab_back" } as const;

export interface Haproxy extends AsyncDisposable {
  /** Port that clients use. */
  readonly port: number;
  readonly socket: string;
  /** Runs commands of the runtime API, one connection for all of them; returns what HAProxy says. */
  command(...lines: readonly string[]): Promise<string>;
}

/** Debian puts it where the PATH of ordinary users does not look. */
const SEARCH = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

function configuration(folder: string, port: number, servers: readonly number[]): string {
  const rows = servers.map((server, index) => `  server web${index + 1} 127.0.0.1:${server}`);
  return `global
  stats socket ${folder}/haproxy.sock mode 600 level admin
  maxconn 500
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend ${PROXY.frontend}
  bind 127.0.0.1:${port}
  default_backend ${PROXY.backend}
backend ${PROXY.backend}
  balance roundrobin
${rows.join("\n")}
`;
}

/** Starts HAProxy in front of servers on these ports. Throws `E501` when it is not installed or does not start. */
export async function startHaproxy(
  folder: string,
  port: number,
  servers: readonly number[],
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<Haproxy> {
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, configuration(folder, port, servers));
  const path = [environment.PATH ?? "", ...SEARCH].join(":");
  const child = spawn("haproxy", ["-db", "-f", file], {
    env: { ...environment, PATH: path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const failed = once(child, "error").then(([error]) => {
    throw new TocsinError(
      "E501",
      `cannot start haproxy: ${(error as Error).message}; install it:  sudo apt-get install -y haproxy`,
    );
  });
  const socket = join(folder, "haproxy.sock");
  await Promise.race([failed, answers(socket, child, clock, () => said)]);
  failed.catch(() => {});
  return {
    port,
    socket,
    command: (...lines) => command(socket, lines),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

async function answers(socket: string, child: ChildProcess, clock: Clock, said: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new TocsinError("E501", `haproxy ended at once: ${said().trim()}`);
    const answer = await command(socket, ["show info"]).catch(() => "");
    if (answer.includes("Pid:")) return;
    await new Promise<void>((resolve) => clock.after(50, resolve));
  }
  throw new TocsinError("E501", `haproxy does not answer on ${socket}: ${said().trim()}`);
}

function command(path: string, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${lines.join(";")}\n`));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer.trim()));
    socket.on("error", reject);
  });
}
