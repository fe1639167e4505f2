/** Receivers that go away all at once and come back: of many clusters, some behind one origin, some behind their own. */

import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export type Outage = "refused" | "503" | "hung";

/** A whole request, as a receiver saw it. */
export interface Arrival {
  readonly clusterId: string;
  readonly receiver: string;
  readonly id: string;
  readonly current: string;
  /** Tick at which it came. */
  readonly tick: number;
  readonly answer: "accepted" | "503" | "none";
}

export class OutageReceivers implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  /** Tick number, as the world has it. */
  tick = 0;
  /** Requests that nobody answers. */
  hanging = 0;
  /** Address and port of each origin; the server while it listens. */
  readonly #origins = new Map<string, { host: string; port: number; server: Server | undefined }>();
  #outage: Outage | undefined;

  /** Adds an origin that answers. */
  async add(name: string, host: string): Promise<void> {
    const origin = { host, port: 0, server: undefined };
    this.#origins.set(name, origin);
    await this.#open(name);
  }

  url(origin: string, clusterId: string, receiver: string): string {
    const { host, port } = this.#origins.get(origin) ?? { host: "127.0.0.1", port: 9 };
    return `http://${host}:${port}/${clusterId}/${receiver}`;
  }

  /** All go away; `undefined`: all are there again. What hangs goes on hanging. */
  async turn(outage: Outage | undefined): Promise<void> {
    this.#outage = outage;
    for (const [name, { server }] of this.#origins) {
      if (outage === "refused") await this.#close(name);
      else if (!server) await this.#open(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#origins.keys()) await this.#close(name);
  }

  async #open(name: string): Promise<void> {
    const origin = this.#origins.get(name);
    if (!origin) return;
    const server = createServer((request, response) => this.#take(request, response));
    server.listen(origin.port, origin.host);
    await once(server, "listening");
    origin.port = (server.address() as AddressInfo).port;
    origin.server = server;
  }

  async #close(name: string): Promise<void> {
    const origin = this.#origins.get(name);
    const server = origin?.server;
    if (!origin || !server) return;
    origin.server = undefined;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const [, clusterId = "", receiver = ""] = (request.url ?? "").split("/");
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      const answer = this.#outage === "503" ? "503" : this.#outage === "hung" ? "none" : "accepted";
      const { current } = JSON.parse(text) as { current: string };
      const id = String(request.headers["webhook-id"]);
      this.arrivals.push({ clusterId, receiver, id, current, tick: this.tick, answer });
      if (answer === "accepted") response.writeHead(202).end();
      else if (answer === "503") response.writeHead(503, { "retry-after": "45" }).end();
      else {
        this.hanging++;
        response.on("close", () => this.hanging--);
      }
    });
  }
}
