/** A real HAProxy of the lab's own: started from a configuration, scaled over its runtime API, ended with the lab. */

import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import type { Clock } from "../ports.ts";
import { startProgram } from "./program.ts";

export const PROXY = { frontend: "lab_front", backend: "lab_back" } as const;

export interface Haproxy extends AsyncDisposable {
  /** Port that clients use. */
  readonly port: number;
  readonly socket: string;
  /** Runs commands of the runtime API, one connection for all of them; returns what HAProxy says. */
  command(...lines: readonly string[]): Promise<string>;
}

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
  const socket = join(folder, "haproxy.sock");
  const program = await startProgram({
    command: "haproxy",
    args: ["-db", "-f", file],
    environment,
    clock,
    code: "E501",
    package: "haproxy",
    isReady: async () => (await command(socket, ["show info"]).catch(() => "")).includes("Pid:"),
  });
  return {
    port,
    socket,
    command: (...lines) => command(socket, lines),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
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
