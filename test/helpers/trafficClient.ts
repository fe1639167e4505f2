/** One client: raw sockets, one exchange after another, every byte that crosses them counted. */

import type { Socket } from "node:net";
import { createConnection } from "node:net";
import type { Exchange, Lane } from "./trafficLog.ts";
import { countedBytes } from "./trafficLog.ts";

/** What all clients of a generator share; `target` may change while they run. */
export interface Field {
  target: number;
  stopping: boolean;
  readonly log: Exchange[];
}

const PIECE_MS = 50;
const RETRY_MS = 20;

export const now = () => performance.timeOrigin + performance.now();
export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Works until the field stops; the exchange under way then is brought to its end. */
export async function runClient(lane: Lane, field: Field): Promise<void> {
  while (!field.stopping) {
    const port = field.target;
    const socket = await connect(port);
    if (!socket) {
      await wait(RETRY_MS);
      continue;
    }
    // A connection stays with the process that accepted it.
    let worker = 0;
    let usable = true;
    let count = 0;
    // At least one, whatever happened meanwhile: HAProxy counts a connection that ends without any as a bad request.
    do {
      const done = await exchange(socket, lane, worker);
      field.log.push(done.exchange);
      worker = done.exchange.worker;
      usable = done.reusable;
      if (lane.pauseMs > 0) await wait(lane.pauseMs);
    } while (usable && ++count < lane.perConnection && field.target === port && !field.stopping);
    socket.destroy();
  }
}

function connect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.setNoDelay(true);
    socket.once("connect", () => resolve(socket));
    socket.on("error", () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}

interface Done {
  readonly exchange: Exchange;
  readonly reusable: boolean;
}

function exchange(socket: Socket, lane: Lane, knownWorker: number): Promise<Done> {
  const upload = lane.kind === "upload" ? lane.bytes : 0;
  const path = lane.kind === "upload" ? "/10/0" : `/${lane.bytes}/${lane.overMs}`;
  const request = `${upload > 0 ? "POST" : "GET"} ${path} HTTP/1.1\r\nhost: web${
    upload > 0 ? `\r\ncontent-length: ${upload}` : ""
  }`;
  const startMs = now();
  return new Promise((resolve) => {
    let sent = 0;
    let wireOut = 0;
    let head: string | undefined;
    let start = "";
    let missing = Infinity;
    const finish = (complete: boolean) => {
      socket.off("data", read);
      socket.off("close", cut);
      const worker = Number(/\r\nx-worker: (\d+)/i.exec(head ?? "")?.[1] ?? knownWorker);
      const body = head === undefined ? 0 : wireOut - head.length - 4;
      resolve({
        reusable: complete && !socket.destroyed && !/\r\nconnection: close/i.test(head ?? ""),
        exchange: {
          kind: lane.kind,
          startMs,
          endMs: now(),
          worker,
          bytesIn: countedBytes(request, sent),
          bytesOut: head === undefined ? 0 : countedBytes(head, body),
          wireIn: request.length + 4 + sent,
          wireOut,
          complete,
        },
      });
    };
    const read = (chunk: Buffer) => {
      wireOut += chunk.length;
      if (head === undefined) {
        start += chunk.toString("latin1");
        const end = start.indexOf("\r\n\r\n");
        if (end < 0) return;
        head = start.slice(0, end);
        missing = Number(/content-length: (\d+)/i.exec(head)?.[1]) + end + 4 - wireOut;
      } else missing -= chunk.length;
      if (missing <= 0) finish(head.startsWith("HTTP/1.1 200"));
    };
    const cut = () => finish(false);
    if (socket.destroyed) return finish(false);
    socket.on("data", read);
    socket.once("close", cut);
    socket.write(`${request}\r\n\r\n`);
    void send(socket, upload, lane.overMs, (bytes) => {
      sent += bytes;
    });
  });
}

/** Writes a body of so many bytes in pieces spread over so long. */
export async function send(
  socket: Socket,
  bytes: number,
  overMs: number,
  told: (bytes: number) => void = () => {},
): Promise<void> {
  const pieces = Math.max(1, Math.round(overMs / PIECE_MS));
  const beganMs = now();
  for (let piece = 0, left = bytes; left > 0 && !socket.destroyed; piece++) {
    const size = Math.min(left, Math.ceil(bytes / pieces));
    if (piece > 0) await wait(Math.max(0, beganMs + piece * PIECE_MS - now()));
    if (!socket.write(BODY.length >= size ? BODY.subarray(0, size) : Buffer.alloc(size, 120))) {
      await new Promise<void>((resolve) => {
        socket.once("drain", resolve);
        socket.once("close", () => resolve());
      });
    }
    told(size);
    left -= size;
  }
}

const BODY = Buffer.alloc(1 << 20, 120);
