import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createConnection } from "node:net";
import { join } from "node:path";
import { freePort, startBackend } from "../../src/lab/servers.ts";
import type { SourceEntry, WebEntry } from "../../src/model/source.ts";
import { certificates } from "./certificates.ts";
import { eventually } from "./sockets.ts";

/** A real HAProxy that is reached in every way there is, with an HTTP and a TCP service. */
export interface FourWays extends AsyncDisposable {
  readonly entries: Readonly<Record<"socket" | "tcp" | "page" | "https" | "prometheus", SourceEntry>>;
  readonly secretsOf: (entry: WebEntry) => { password?: string; ca?: string };
  readonly ca: string;
  readonly httpPort: number;
  readonly tcpPort: number;
  readonly masterSocket: string;
  /** So many requests to each service, ended. */
  traffic(requests: number): Promise<void>;
}

export const PASSWORD = 'pa"ss w0rd:é';

/** Requests at once. */
const LANES = 16;

/** Starts it with its files in `folder`. */
export async function startFourWays(folder: string): Promise<FourWays> {
  const origin = await startBackend();
  mkdirSync(join(folder, "tls"));
  const { ca, cert, key } = certificates(join(folder, "tls"));
  writeFileSync(join(folder, "page.pem"), cert + key);
  const [http, tcp, cli, page, https, prometheus] = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const socket = join(folder, "stats.sock");
  const masterSocket = join(folder, "master.sock");
  const config = `global
  stats socket ${socket} mode 600 level admin
  stats socket ipv4@127.0.0.1:${cli} level user
  stats maxconn 30
defaults
  mode http
  option contstats
  timeout connect 2s
  timeout client 10s
  timeout server 10s
userlist u
frontend web_front
  bind 127.0.0.1:${http}
  http-request deny if { path /denied }
  default_backend web_back
backend web_back
  server s1 127.0.0.1:${origin.port} check inter 100
  server s2 127.0.0.1:${origin.port}
  server s3 127.0.0.1:1 check inter 100
  server s4 127.0.0.1:${origin.port} disabled
listen raw
  mode tcp
  bind 127.0.0.1:${tcp}
  server r1 127.0.0.1:${origin.port} check inter 100
frontend page
  bind 127.0.0.1:${page}
  bind 127.0.0.1:${https} ssl crt ${folder}/page.pem
  http-request redirect location http://user:secret@elsewhere/stats?token=secret if { path /moved }
  http-request return status 200 content-type text/html string "<html>hello</html>" if { path /html }
  stats enable
  stats uri /haproxy?stats
  stats realm Some\\ Realm
  stats auth admin:${PASSWORD.replaceAll(/(["\\ ])/g, "\\$1")}
frontend prometheus
  bind 127.0.0.1:${prometheus}
  http-request use-service prometheus-exporter if { path /metrics }
  http-request use-service prometheus-exporter if { url /strict }
`;
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, config);
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const child = spawn("haproxy", ["-W", "-S", masterSocket, "-db", "-f", file], {
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const end = async () => {
    await origin[Symbol.asyncDispose]();
    if (child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  };
  try {
    // Until the checks have said what there is to say.
    await eventually("haproxy answers", async () => {
      if (child.exitCode !== null) throw new Error(said);
      const rows = await show(socket).catch(() => "");
      return (/\ns?web_back,s1,.*,UP,/.test(rows) && /\nweb_back,s3,.*,DOWN,/.test(rows)) || undefined;
    });
  } catch (error) {
    await end();
    throw error;
  }
  const base = { quiet: false };
  const web = { ...base, username: "admin", password: "said elsewhere" };
  return {
    entries: {
      socket: { ...base, name: "socket", kind: "socket", socket },
      tcp: { ...base, name: "tcp", kind: "tcp", host: "127.0.0.1", port: cli! },
      page: { ...web, name: "page", kind: "page", url: `http://127.0.0.1:${page}/haproxy?stats` },
      https: { ...web, name: "https", kind: "page", url: `https://127.0.0.1:${https}/haproxy?stats` },
      prometheus: { ...base, name: "prometheus", kind: "prometheus", url: `http://127.0.0.1:${prometheus}/metrics` },
    },
    secretsOf: (entry) => ({ password: PASSWORD, ...(entry.url.startsWith("https") ? { ca } : {}) }),
    ca,
    httpPort: http!,
    tcpPort: tcp!,
    masterSocket,
    async traffic(requests) {
      const lane = async (first: number) => {
        for (let n = first; n < requests; n += LANES) {
          await get(http!, n % 5 === 4 ? "/denied" : "/");
          await get(tcp!, "/");
        }
      };
      await Promise.all(Array.from({ length: LANES }, (_, first) => lane(first)));
    },
    [Symbol.asyncDispose]: end,
  };
}

function show(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = createConnection({ path }, () => socket.write("show stat\n"));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

function get(port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, path, agent: false, headers: { connection: "close" } },
      (answer) => {
        answer.resume();
        answer.on("close", resolve);
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}
