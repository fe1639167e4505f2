import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";

/** What came in on one connection, byte for byte. */
export interface Received {
  readonly raw: string;
  readonly head: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawReceiver extends AsyncDisposable {
  readonly port: number;
  readonly received: readonly Received[];
  /** Connections so far. */
  readonly connections: () => number;
}

/** A receiver on a bare socket: sees every byte, and answers what it is told (or does anything else with the socket). */
export async function rawReceiver(
  answer: string | ((socket: Socket, received: Received) => void),
  onConnect?: (socket: Socket) => void,
): Promise<RawReceiver> {
  const received: Received[] = [];
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    onConnect?.(socket);
    let raw = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      raw += chunk;
      const request = parse(raw);
      if (!request) return;
      received.push(request);
      if (typeof answer === "string") socket.end(answer);
      else answer(socket, request);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A whole request, or `undefined` while some of it is missing. */
function parse(raw: string): Received | undefined {
  const end = raw.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [head = "", ...lines] = raw.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = raw.slice(end + 4);
  return body.length >= Number(headers["content-length"] ?? 0) ? { raw, head, headers, body } : undefined;
}

/** An HTTP answer with a body. */
export function answerOf(status: number, body = "", headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ "content-length": String(Buffer.byteLength(body)), connection: "close", ...headers });
  return `HTTP/1.1 ${status} X\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}
