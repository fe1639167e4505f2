/** NATS servers and InfluxDB of the lab's own, on loopback, with folders of their own. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import type { Clock } from "../ports.ts";
import type { Program } from "./program.ts";
import { startProgram } from "./program.ts";
import { freePort } from "./servers.ts";

export interface Server extends Program {
  readonly url: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** One server of NATS with JetStream. Throws `E502` when it is not installed or does not start. */
export async function startNats(folder: string, environment: Environment, clock: Clock): Promise<Server> {
  const port = await freePort();
  const own = join(folder, "nats");
  mkdirSync(own, { recursive: true });
  const file = join(own, "nats.conf");
  writeFileSync(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${own}", max_file_store: 1GB }\n`);
  const program = await startProgram({
    command: "nats-server",
    args: ["-c", file],
    environment,
    clock,
    code: "E502",
    package: "nats-server",
    isReady: async (said) => said.includes("Server is ready"),
  });
  return { ...program, url: `nats://127.0.0.1:${port}` };
}

/** InfluxDB 1. Throws `E503` when it is not installed or does not start. */
export async function startInflux(folder: string, environment: Environment, clock: Clock): Promise<Server> {
  const [port, backup] = [await freePort(), await freePort()];
  const own = join(folder, "influxdb");
  mkdirSync(own, { recursive: true });
  const file = join(own, "influxdb.conf");
  writeFileSync(
    file,
    `reporting-disabled = true
bind-address = "127.0.0.1:${backup}"
[meta]
  dir = "${own}/meta"
[data]
  dir = "${own}/data"
  wal-dir = "${own}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  log-enabled = false
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const program = await startProgram({
    command: "influxd",
    args: ["-config", file],
    environment,
    clock,
    code: "E503",
    package: "influxdb",
    isReady: () => isThere(`${url}/ping`),
  });
  return { ...program, url };
}

/** Something answers there, and is well. */
export async function isThere(url: string): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { headersTimeout: 2000, bodyTimeout: 2000 });
    await body.dump();
    return statusCode < 300;
  } catch {
    return false;
  }
}
