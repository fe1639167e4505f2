import { opendir, stat } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { systemCode } from "../lib/errors.ts";
import type { Clock } from "../ports.ts";
import { DumpReader, QUESTION } from "./dump.ts";
import { socketMistake, withTlsGuess } from "./mistakes.ts";
import { networkFailure } from "./networkFailure.ts";
import type { Tables } from "./tables.ts";
import type { Answer, Failure, Transport } from "./transport.ts";
import { Arrival } from "./transport.ts";

/** Where a stats socket is. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Longest path that the kernel takes for a unix socket, bytes. */
const MAX_PATH_BYTES = 107;

/** Enough to tell statistics from anything else. */
const FIRST_BYTES = 16;

/** A stats socket, on this machine or over TCP. */
export function socketTransport(address: SocketAddress, clock: Clock): Transport {
  return {
    address: nameOf(address),
    isLocal: "path" in address,
    ...("path" in address || isLoopback(address.host) ? {} : { host: address.host }),
    async ask(timeoutMs, tables): Promise<Answer> {
      const answer = await ask(address, timeoutMs, clock, tables);
      return answer.ok || !("path" in address) ? answer : explained(answer, address.path);
    },
  };
}

/**
 * Asks HAProxy one line on a fresh connection of its stats socket and reads to the end of the answer, within
 * `timeoutMs` in all. A connection is never kept: an interactive one stays with the old process over a reload,
 * and an idle one takes one of the ten places that the socket has by default.
 */
export function ask(address: SocketAddress, timeoutMs: number, clock: Clock, tables?: Tables): Promise<Answer> {
  const tooLong = "path" in address ? pathFailure(address.path) : undefined;
  if (tooLong) return Promise.resolve(tooLong);
  return new Promise((resolve) => {
    const socket = createConnection(address);
    const arrival = new Arrival(new DumpReader("socket", tables));
    let connected = false;
    /** What says not a word may wait for TLS; HAProxy does. */
    const guessed = (failed: Failure) =>
      "host" in address && connected && arrival.bytes === 0 ? withTlsGuess(failed, nameOf(address)) : failed;
    const finish = (answer: Answer) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => finish(arrival.late(timeoutMs, connected)));
    socket.on("connect", () => {
      connected = true;
      socket.write(`${QUESTION}\n`);
    });
    socket.on("data", (chunk) => {
      // What is no stats socket may keep the connection open for ever.
      const isFirst = arrival.bytes < FIRST_BYTES;
      const wrong = arrival.push(chunk);
      const mistake = isFirst || wrong ? socketMistake(arrival.head, nameOf(address)) : undefined;
      if (mistake ?? wrong) finish(mistake ?? wrong ?? arrival.end());
    });
    socket.on("end", () => {
      const answer = arrival.end();
      finish(answer.ok ? answer : (socketMistake(arrival.head, nameOf(address)) ?? guessed(answer)));
    });
    socket.on("error", (error) => {
      // HAProxy may close with our line unread: what came before says more than the reset.
      const mistake = socketMistake(arrival.head, nameOf(address));
      finish(mistake ?? guessed(connectFailure(systemCode(error), address, error.message)));
    });
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function nameOf(address: SocketAddress): string {
  if ("path" in address) return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function pathFailure(path: string): Failure | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return undefined;
  const reason = `the path has ${bytes} bytes, and the kernel takes ${MAX_PATH_BYTES}: give a shorter one, a symbolic link will do`;
  return { ok: false, code: "path_too_long", reason };
}

function connectFailure(code: string | undefined, address: SocketAddress, message: string): Failure {
  if (!("path" in address)) return networkFailure(code, nameOf(address), message);
  const { path } = address;
  switch (code) {
    case "ENOENT":
      return failure("absent", `no socket at ${path}: HAProxy is not running, or its stats socket is elsewhere`);
    case "ECONNREFUSED":
      return failure("refused", `nobody listens at ${path}: the socket was left by a process that is gone`);
    case "EACCES":
    case "EPERM":
      return failure("denied", `not allowed to open ${path}: add the user of Tocsin to the socket's group`);
    case "ENOTSOCK":
    case "EPROTOTYPE":
      return failure("not_socket", `${path} is no stream socket: give the path of HAProxy's \`stats socket\``);
    case "ENOTDIR":
      return failure("absent", `no socket at ${path}: a part of the path is a file`);
    case "EAGAIN":
      return failure("busy", `${path} takes no more connections now: its queue is full, HAProxy may hang`);
    case "ECONNRESET":
    case "EPIPE":
      return failure("closed", `${path} closed the connection in the middle of the answer`);
    default:
      return failure("io", `${path}: ${message}`);
  }
}

/** What the file system says beyond the refusal of a path. */
async function explained(failed: Failure, path: string): Promise<Failure> {
  if (failed.code === "absent") return (await canBeRead(dirname(path))) ? { ...failed, away: true } : failed;
  if (failed.code === "denied") return { ...failed, reason: await deniedReason(path) };
  if (failed.code !== "refused" || (await isSocket(path))) return failed;
  return failure("refused", `${path} is no socket: give the path of HAProxy's \`stats socket\``);
}

/** Which right is wanting: HAProxy makes its sockets for their owner alone unless it is told otherwise. */
async function deniedReason(path: string): Promise<string> {
  const refused = `not allowed to open ${path}`;
  const found = await modeOf(path);
  if (found === undefined) return `${refused}: let the user of Tocsin into its folder, ${dirname(path)}`;
  const { mode, uid } = found;
  // To connect is to write.
  if (mode & 0o002) return `${refused}: its mode lets everybody in, so look at its folder, at SELinux and AppArmor`;
  if (mode & 0o020) return `${refused}: add the user of Tocsin to the socket's group`;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  const line = `stats socket ${path} mode 660 group tocsin level user`;
  return `${refused}: its mode is ${shown} and its owner ${uid === 0 ? "root" : `the user ${uid}`}, so that its group may not; write \`${line}\` in haproxy.cfg, with a group that the user of Tocsin is in`;
}

async function modeOf(path: string): Promise<{ readonly mode: number; readonly uid: number } | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isSocket();
  } catch {
    return true;
  }
}

/** Opens the folder: unlike `access`, that asks with the rights that we have now, not those we began with. */
async function canBeRead(folder: string): Promise<boolean> {
  try {
    await (await opendir(folder)).close();
    return true;
  } catch {
    return false;
  }
}

function failure(code: string, reason: string): Failure {
  return { ok: false, code, reason };
}
