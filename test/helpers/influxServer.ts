/** A real influxd on a free loopback port, with a folder of its own, that ends with the test. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./natsServer.ts";

export interface InfluxServer extends AsyncDisposable {
  readonly url: string;
  kill(): Promise<void>;
  /** Starts it again on its own folder and port. */
  start(): Promise<void>;
}

export async function startInflux(): Promise<InfluxServer> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-influx-"));
  const [port = 0, rpc = 0] = await freePorts(2);
  const config = join(folder, "influxdb.conf");
  writeFileSync(
    config,
    `reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
  dir = "${folder}/meta"
  logging-enabled = false
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[coordinator]
  query-timeout = "20s"
[monitor]
  store-enabled = false
[http]
  enabled = true
  bind-address = "127.0.0.1:${port}"
  log-enabled = false
[continuous_queries]
  enabled = false
`,
  );
  let child: ChildProcess | undefined;
  const url = `http://127.0.0.1:${port}`;
  const server: InfluxServer = {
    url,
    async start() {
      const own = spawn("influxd", ["-config", config], {
        env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/usr/local/bin` },
        stdio: ["ignore", "ignore", "ignore"],
      });
      child = own;
      const failed = once(own, "error").then(([error]) => {
        throw error;
      });
      failed.catch(() => {});
      await Promise.race([failed, answers(url, own)]);
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
    async [Symbol.asyncDispose]() {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`influxd ended with ${child.exitCode}`);
    if (
      await fetch(`${url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("influxd does not answer after 10 s");
}
