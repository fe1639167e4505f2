/** A hand-written HTTP server that stands where InfluxDB would: it answers as it is told, and remembers what it took. */

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** What is answered. `take`: the lines of the request are stored. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly take?: boolean;
}

/** `undefined`: the connection is cut; `"hang"`: nothing is ever answered. */
export type Behaviour = (request: FakeRequest) => FakeAnswer | "hang" | undefined;

export interface FakeInflux extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly FakeRequest[];
  /** Points that it has taken, by series and time: a point that comes twice is one. */
  readonly points: ReadonlyMap<string, string>;
  /** Lines that it has taken, those that came twice, too. */
  readonly taken: number;
  /** Requests that wait for an answer for ever. */
  readonly hanging: number;
  /** Answers so from now on. */
  behave(behaviour: Behaviour): void;
  /** Nobody listens there for a while. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** `versionHeader`: what `/ping` says; `undefined`: nothing. */
export async function fakeInflux(versionHeader: string | undefined, rememberRequests = true): Promise<FakeInflux> {
  let behaviour: Behaviour = () => ({ status: 204, take: true });
  const requests: FakeRequest[] = [];
  const points = new Map<string, string>();
  let taken = 0;
  let hanging = 0;
  const answer = async (message: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const url = new URL(message.url ?? "/", "http://fake");
    const body = Buffer.concat(chunks).toString("utf8");
    const request = {
      method: message.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body,
    };
    if (rememberRequests) requests.push(request);
    const ping: FakeAnswer = {
      status: 204,
      headers: versionHeader === undefined ? {} : { "X-Influxdb-Version": versionHeader },
    };
    const own = behaviour(request) ?? undefined;
    const told = request.path === "/ping" && own !== undefined && own !== "hang" && own.status === 204 ? ping : own;
    if (told === "hang") {
      hanging++;
      response.on("close", () => hanging--);
      return;
    }
    if (told === undefined) {
      message.socket.destroy();
      return;
    }
    if (told.take && request.path !== "/ping") take(body);
    response.writeHead(told.status, told.headers ?? {});
    response.end(told.body ?? "");
  };
  const take = (body: string) => {
    for (const line of body.split("\n")) {
      taken++;
      const [, key = "", time = ""] = /^((?:\\.|[^\\ ])*) .* (-?\d+)$/.exec(line) ?? [];
      if (key === "") throw new Error(`this is no line: ${line.slice(0, 200)}`);
      points.set(`${key} ${time}`, line);
    }
  };
  let server = createServer();
  let port = 0;
  const fake: FakeInflux = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    requests,
    points,
    get taken() {
      return taken;
    },
    get hanging() {
      return hanging;
    },
    behave(next) {
      behaviour = next;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
    async start() {
      server = createServer((message, response) => {
        answer(message, response).catch(() => message.socket.destroy());
      });
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      port = (server.address() as AddressInfo).port;
    },
    async [Symbol.asyncDispose]() {
      if (server.listening) await fake.stop();
    },
  };
  await fake.start();
  return fake;
}

/** A tick's answer of `/query`, as all versions give it. */
export function queryAnswer(name: string, columns: readonly string[], values: readonly (readonly unknown[])[]): string {
  return `${JSON.stringify({ results: [{ statement_id: 0, series: [{ name, columns, values }] }] })}\n`;
}
