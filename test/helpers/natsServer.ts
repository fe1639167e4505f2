/** Real NATS servers on free loopback ports, with folders of their own, that end with the test. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";

export interface NatsNode extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly name: string;
  /** The process that runs now. */
  readonly pid: number;
  /** Ends it at once, as by kill -9. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Starts it again on its own folder and port. */
  start(): Promise<void>;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** One server. `extra`: more lines of its configuration. */
export async function startNats(extra = ""): Promise<NatsNode> {
  const [port = 0] = await freePorts(1);
  const node = createNode("single", port, extra);
  await node.start();
  return node;
}

/** A cluster of three, ready for streams of three replicas. */
export async function startNatsCluster(): Promise<{ readonly nodes: readonly NatsNode[] } & AsyncDisposable> {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats-route://127.0.0.1:${port}`);
  const nodes = [0, 1, 2].map((index) =>
    createNode(
      `n${index}`,
      ports[index] ?? 0,
      `cluster { name: c, listen: "127.0.0.1:${ports[index + 3]}", no_advertise: true, routes: [${routes.map((route) => `"${route}"`)}] }`,
    ),
  );
  await Promise.all(nodes.map((node) => node.start()));
  await hasLeader(nodes);
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

/** Resolves when a cluster's JetStream answers. */
export async function hasLeader(nodes: readonly NatsNode[]): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      const nc = await connect({ servers: nodes.map(({ url }) => url), reconnect: false, timeout: 1000 });
      try {
        const info = await nc.jetstreamManager({ timeout: 500 }).then((jsm) => jsm.getAccountInfo());
        if (info) return;
      } finally {
        await nc.close();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error("the NATS cluster has no leader after 20 s");
}

function createNode(name: string, port: number, extra: string): NatsNode {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-nats-"));
  const config = join(folder, "nats.conf");
  writeFileSync(
    config,
    `server_name: ${name}-${port}
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${folder}/js", max_memory_store: 256MB, max_file_store: 4GB }
${extra}
`,
  );
  let child: ChildProcess | undefined;
  const url = `nats://127.0.0.1:${port}`;
  return {
    url,
    port,
    name,
    get pid() {
      return child?.pid ?? 0;
    },
    async start() {
      const path = `${process.env.PATH ?? ""}:/usr/sbin:/usr/local/bin`;
      let said = "";
      const own = spawn("nats-server", ["-c", config], {
        env: { ...process.env, PATH: path },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = own;
      own.stderr.on("data", (chunk) => {
        said = `${said}${chunk}`.slice(-4000);
      });
      await new Promise<void>((resolve, reject) => {
        own.on("error", reject);
        own.on("exit", (code) => reject(new Error(`nats-server ended with ${code}: ${said}`)));
        own.stderr.on("data", () => {
          if (said.includes("Server is ready")) resolve();
        });
      });
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      await this.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
