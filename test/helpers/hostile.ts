/** Receivers that do whatever receivers have been seen to do. */

import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { RawReceiver, Received } from "./receiver.ts";
import { answerOf, rawReceiver } from "./receiver.ts";

/** What a receiver does with a whole request, or already with a connection. */
export interface Behaviour {
  readonly answer: (socket: Socket, request: Received, count: number) => void;
  readonly onConnect?: (socket: Socket) => void;
}

const says = (text: string | Buffer): Behaviour => ({ answer: (socket) => socket.end(text) });

/** Writes some of it now and then, for as long as anybody listens. */
function drips(socket: Socket, pieces: () => string | undefined, everyMs: number): void {
  const timer = setInterval(() => {
    const piece = pieces();
    if (piece === undefined || socket.destroyed) clearInterval(timer);
    else socket.write(piece);
  }, everyMs);
  socket.on("close", () => clearInterval(timer));
}

function oneByOne(text: string): () => string | undefined {
  let at = 0;
  return () => text[at++];
}

const status = (code: number, headers: Readonly<Record<string, string>> = {}, body = "") =>
  says(answerOf(code, body, headers));

/** Answers after so long. */
export function slow(afterMs: number): Behaviour {
  return {
    answer(socket) {
      const timer = setTimeout(() => socket.end(answerOf(202)), afterMs);
      socket.on("close", () => clearTimeout(timer));
    },
  };
}

/** By name; what needs an address, a name or a certificate is not here. */
export const BEHAVIOURS = {
  "202": status(202, {}, '{"action": "x"}'),
  "204": says("HTTP/1.1 204 No Content\r\n\r\n"),
  "200 without body": says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
  "slow, in time": slow(100),
  "slow, too late": slow(600),
  "never answers": { answer: () => {} },
  "head, then nothing": { answer: (socket) => socket.write("HTTP/1.1 202 A\r\ncontent-length: 20\r\n\r\n") },
  "one byte at a time": { answer: (socket) => drips(socket, oneByOne(answerOf(202)), 50) },
  "endless answer": {
    answer(socket) {
      socket.write("HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\n");
      drips(socket, () => `4000\r\n${"x".repeat(0x4000)}\r\n`, 1);
    },
  },
  "endless head": {
    answer(socket) {
      socket.write("HTTP/1.1 202 A\r\n");
      drips(socket, () => `x-${"y".repeat(1000)}: z\r\n`, 1);
    },
  },
  "body shorter than it says": says("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"),
  "error page": status(502, { "content-type": "text/html" }, "<html><body>Bad Gateway</body></html>"),
  "gzip answer": says(
    Buffer.concat([
      Buffer.from("HTTP/1.1 202 A\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"),
      gzipSync('{"action": "x"}'),
    ]),
  ),
  "no HTTP at all": says("SSH-2.0-OpenSSH_9.2\r\n"),
  "nonsense after the status": says("HTTP/1.1 20x OK\r\n\r\n"),
  "closes without an answer": { answer: (socket) => socket.end() },
  "resets after reading": { answer: (socket) => socket.resetAndDestroy() },
  "resets within a 202's body": {
    answer(socket) {
      socket.write("HTTP/1.1 202 A\r\ncontent-length: 50\r\n\r\n{", () => socket.resetAndDestroy());
    },
  },
  "103, then 202": says(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${answerOf(202)}`),
  "413 before the body": {
    answer: () => {},
    onConnect: (socket) => socket.once("data", () => socket.end(answerOf(413))),
  },
  "asks to switch protocols": says("HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
  ...redirects(),
  ...Object.fromEntries(
    [300, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 425, 429, 500, 502, 503, 504].map((code) => [
      String(code),
      status(code),
    ]),
  ),
  "429, Retry-After 20": status(429, { "retry-after": "20" }),
  "429, Retry-After a date": status(429, { "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT" }),
  "429, Retry-After nonsense": status(429, { "retry-after": "soon" }),
  "503, Retry-After a day": status(503, { "retry-after": "86400" }),
} satisfies Readonly<Record<string, Behaviour>>;

function redirects(): Readonly<Record<string, Behaviour>> {
  const targets = { itself: "/again", "another host": "http://192.0.2.1/", metadata: "http://169.254.169.254/latest" };
  return Object.fromEntries(
    [301, 302, 303, 307, 308].flatMap((code) =>
      Object.entries(targets).map(([name, location]) => [`${code} to ${name}`, status(code, { location })]),
    ),
  );
}

/** A receiver that behaves so. */
export function hostile({ answer, onConnect }: Behaviour): Promise<RawReceiver> {
  let count = 0;
  return rawReceiver((socket, request) => answer(socket, request, count++), onConnect);
}
