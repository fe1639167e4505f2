/** Receivers that answer as they like, and keep the record that the service's own is held against. */

import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import type { Clock } from "../../src/ports.ts";

/** What is done with a request. */
export type Behaviour = "accept" | "accept slowly" | "busy" | "unavailable" | "fail" | "hang" | "reset";

const WEIGHTS: Readonly<Record<Behaviour, number>> = {
  accept: 58,
  "accept slowly": 10,
  busy: 8,
  unavailable: 8,
  fail: 4,
  hang: 6,
  reset: 6,
};
/** What is answered; nothing where none stands. */
export const STATUS: Partial<Record<Behaviour, number>> = {
  accept: 202,
  "accept slowly": 202,
  busy: 409,
  unavailable: 503,
  fail: 500,
};
/** A slow answer takes so long, ms of the service's time. */
export const SLOW_MS = 400;

/** A request whose body came in whole. */
export interface Post {
  /** Which life of the service sent it. */
  readonly life: number;
  readonly cluster: string;
  readonly receiver: string;
  readonly id: string;
  readonly alarmId: string;
  /** By the service's clock, epoch ms. */
  readonly at: number;
  readonly behaviour: Behaviour;
  /** Status of the answer's head that was written; `undefined`: none was. */
  answered: number | undefined;
}

/** How far a request has come. */
export const RECEIVER_STEPS = [
  "connected",
  "head received",
  "body received",
  "answer's head sent",
  "answer sent",
  "answer sent and closed",
] as const;
export type ReceiverStep = (typeof RECEIVER_STEPS)[number];

export interface ReceiverHooks {
  readonly life: () => number;
  /** What to do with the next request. */
  readonly behaviour: (control: boolean) => Behaviour;
  /** May end who sent the request; `control` is not known before its head. */
  readonly onStep: (step: ReceiverStep, control: boolean | undefined) => void;
  /** A receiver that scales did what it was asked to. */
  readonly onAction: (post: Post) => void;
}

export class RecordingReceiver implements AsyncDisposable {
  readonly posts: Post[] = [];
  readonly #clock: Clock;
  readonly #hooks: ReceiverHooks;
  readonly #open = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));

  constructor(clock: Clock, hooks: ReceiverHooks) {
    this.#clock = clock;
    this.#hooks = hooks;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when nothing of a process that has ended is still to be read. */
  async drained(): Promise<void> {
    do {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      for (const socket of this.#open) await once(socket, "close");
    } while (this.#open.size > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    const { life, onStep } = this.#hooks;
    const ofLife = life();
    this.#open.add(socket);
    socket.on("close", () => this.#open.delete(socket));
    socket.on("error", () => {});
    onStep("connected", undefined);
    let raw = "";
    let isControl: boolean | undefined;
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      raw += chunk;
      const end = raw.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [line = "", ...headers] = raw.slice(0, end).split("\r\n");
      const value = (name: string) =>
        headers
          .find((one) => one.toLowerCase().startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim() ?? "";
      const [, cluster = "", receiver = ""] = /^POST \/(\w+)\/(\w+)\?/.exec(line) ?? [];
      if (isControl === undefined) {
        isControl = /^(grow|shrink)/.test(receiver);
        onStep("head received", isControl);
      }
      const body = raw.slice(end + 4);
      if (Buffer.byteLength(body) < Number(value("content-length"))) return;
      socket.removeAllListeners("data");
      const { alarm_id: alarmId } = JSON.parse(body) as { alarm_id: string };
      const behaviour = this.#hooks.behaviour(isControl);
      const post: Post = {
        life: ofLife,
        cluster,
        receiver,
        id: value("webhook-id"),
        alarmId,
        at: this.#clock.now(),
        behaviour,
        answered: undefined,
      };
      this.posts.push(post);
      if (isControl && behaviour !== "busy" && behaviour !== "unavailable") this.#hooks.onAction(post);
      onStep("body received", isControl);
      this.#answer(socket, post, isControl);
    });
  }

  #answer(socket: Socket, post: Post, control: boolean): void {
    const { behaviour } = post;
    if (behaviour === "hang") return;
    if (behaviour === "reset") return void socket.resetAndDestroy();
    if (behaviour === "accept slowly") {
      this.#clock.after(SLOW_MS, () => this.#write(socket, post, control));
      return;
    }
    this.#write(socket, post, control);
  }

  #write(socket: Socket, post: Post, control: boolean): void {
    const { onStep } = this.#hooks;
    const status = STATUS[post.behaviour] ?? 500;
    const body = '{"action": "done"}';
    if (!socket.writable) return;
    const head = `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}`;
    const retry = status === 503 ? "\r\nretry-after: 1" : "";
    socket.write(`${head}${retry}\r\n\r\n`, (error) => {
      if (error) return;
      onStep("answer's head sent", control);
      socket.write(body, (broken) => {
        if (broken) return;
        onStep("answer sent", control);
        socket.end(() => onStep("answer sent and closed", control));
      });
    });
    // Before anybody can have read it: who is ended in between may have seen it.
    post.answered = status;
  }
}

/** Draws what is done with a request. */
export function drawBehaviour(control: boolean, random: () => number): Behaviour {
  const names = (Object.keys(WEIGHTS) as Behaviour[]).filter((name) => control || name !== "busy");
  const lots = names.flatMap((name) => Array.from({ length: WEIGHTS[name] }, () => name));
  return lots[Math.floor(random() * lots.length)] ?? "accept";
}
