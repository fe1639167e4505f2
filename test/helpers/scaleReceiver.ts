/** Receivers of all clusters: they answer as they like, and keep the record that the log is held against. */

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Post } from "./crashReceiver.ts";
import { SLOW_MS, STATUS } from "./crashReceiver.ts";
import { ATTEMPT_MS } from "./scaleRules.ts";

/** What is done with a request. `hang`: what was asked for is done, and no answer comes. */
type Behaviour = Post["behaviour"];

/** Of a hundred requests. */
const SHARES: readonly (readonly [Behaviour, number])[] = [
  ["unavailable", 4],
  ["hang", 2],
  ["accept slowly", 4],
  ["busy", 2],
  ["fail", 1],
  ["reset", 1],
];
const EFFECT_SHARE = 0.5;
const EFFECT_AFTER_MS = 1000;

/** A request; `at`: when it came in whole, by the system's clock. */
export interface ScalePost extends Post {
  /** When it was answered, or its end was seen; of one that hung when its sender gave it up, at the latest. */
  endedAt: number;
}

export class ScaleReceiver implements AsyncDisposable {
  readonly posts: ScalePost[] = [];
  /** All is accepted from now on. */
  isCalm = false;
  readonly #random: () => number;
  readonly #scale: (cluster: string, direction: "in" | "out") => void;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  constructor(random: () => number, scale: (cluster: string, direction: "in" | "out") => void) {
    this.#random = random;
    this.#scale = scale;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    request.on("error", () => {});
    response.on("error", () => {});
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const [, cluster = "", receiver = ""] = /^\/(\w+)\/(\w+)\?/.exec(request.url ?? "") ?? [];
    const { alarm_id: alarmId } = JSON.parse(body) as { alarm_id: string };
    const isControl = /^(grow|shrink)/.test(receiver);
    const behaviour = this.#draw(isControl);
    const at = Date.now();
    const post: ScalePost = {
      // Whether one process sent two of them cannot be seen from here: the log says what was known.
      life: this.posts.length,
      ...{ cluster, receiver, alarmId, at, behaviour },
      id: String(request.headers["webhook-id"] ?? ""),
      answered: undefined,
      endedAt: at + ATTEMPT_MS,
    };
    this.posts.push(post);
    const ends = () => {
      post.endedAt = Math.min(post.endedAt, Date.now());
    };
    response.on("close", ends);
    if (isControl && behaviour !== "busy" && behaviour !== "unavailable" && this.#random() < EFFECT_SHARE)
      setTimeout(() => this.#scale(cluster, receiver === "shrink" ? "in" : "out"), EFFECT_AFTER_MS);
    const status = STATUS[behaviour];
    if (behaviour === "reset") request.socket.resetAndDestroy();
    if (status === undefined) return;
    if (behaviour === "accept slowly") await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    if (response.destroyed) return;
    response.writeHead(status, {
      "content-type": "application/json",
      connection: "close",
      ...(status === 503 ? { "retry-after": "1" } : {}),
    });
    // Before anybody can have read it.
    post.answered = status;
    ends();
    response.end('{"action": "done"}');
  }

  #draw(isControl: boolean): Behaviour {
    if (this.isCalm) return "accept";
    let lot = this.#random() * 100;
    for (const [behaviour, share] of SHARES) {
      lot -= share;
      // To a notice 409 is a refusal for good.
      if (lot < 0) return behaviour === "busy" && !isControl ? "accept" : behaviour;
    }
    return "accept";
  }
}
