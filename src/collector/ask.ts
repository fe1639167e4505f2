import { createConnection } from "node:net";
import { systemCode } from "../lib/errors.ts";
import type { Clock } from "../ports.ts";

/** Largest answer that is read; 100,000 rows are about 31 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export type Answer =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/**
 * Asks HAProxy one line on a fresh connection of its stats socket and reads to the end of the answer, within
 * `timeoutMs` in all. A connection is never kept: an interactive one stays with the old process over a reload,
 * and an idle one takes one of the ten places that the socket has by default.
 */
export function ask(path: string, line: string, timeoutMs: number, clock: Clock): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (answer: Answer) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => {
      const seen = bytes === 0 ? "no byte of an answer" : `${bytes} bytes but not the end of the answer`;
      finish({ ok: false, code: "timeout", reason: `${seen} within ${timeoutMs} ms` });
    });
    socket.on("connect", () => socket.write(`${line}\n`));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) {
        finish({ ok: false, code: "too_large", reason: `the answer is longer than ${MAX_ANSWER_BYTES} bytes` });
      }
    });
    // Fields are bytes, not guaranteed UTF-8: latin1 keeps every byte and never fails.
    socket.on("end", () => finish({ ok: true, text: Buffer.concat(chunks).toString("latin1") }));
    socket.on("error", (error) => finish({ ok: false, ...explain(systemCode(error), path, error.message) }));
  });
}

function explain(code: string | undefined, path: string, message: string): { code: string; reason: string } {
  switch (code) {
    case "ENOENT":
      return {
        code: "absent",
        reason: `no socket at ${path}: HAProxy is not running, or its stats socket is elsewhere`,
      };
    case "ECONNREFUSED":
      return { code: "refused", reason: `nobody listens at ${path}: the socket was left by a process that is gone` };
    case "EACCES":
    case "EPERM":
      return { code: "denied", reason: `not allowed to open ${path}: add the user of Tocsin to the socket's group` };
    default:
      return { code: "io", reason: `${path}: ${message}` };
  }
}
