/**
 * A receiver that behaves like Senlin's and scales a real HAProxy: it answers 202 with an action's id, 409 while
 * an action runs, and adds or removes a server some time later, as a machine takes time to boot.
 */

import { randomUUID } from "node:crypto";
import { messageOf } from "../lib/errors.ts";
import { wait } from "../lib/wait.ts";
import type { Clock } from "../ports.ts";
import type { Haproxy } from "./haproxy.ts";
import { PROXY } from "./haproxy.ts";
import type { RunningServer } from "./servers.ts";
import { serveOnLoopback, startBackend } from "./servers.ts";

export const WEBHOOKS = {
  in: "19f36f5a-fe73-4b95-870d-6abe3368ba34",
  out: "59f632d6-4aad-4e79-817c-93947a318db2",
} as const;

export interface ScalerOptions {
  readonly haproxy: Haproxy;
  readonly clock: Clock;
  readonly min: number;
  readonly max: number;
  /** Time from the answer to the effect, ms. */
  readonly actionMs: number;
  readonly say: (text: string) => void;
}

export class Scaler implements AsyncDisposable {
  readonly #options: ScalerOptions;
  /** Servers by name, the newest last. */
  readonly #servers: { name: string; backend: RunningServer }[];
  #next: number;
  #action: Promise<void> | undefined;
  #server: RunningServer | undefined;
  /** Actions that were begun, by direction. */
  readonly accepted = { in: 0, out: 0 };

  constructor(options: ScalerOptions, backends: readonly RunningServer[]) {
    this.#options = options;
    this.#servers = backends.map((backend, index) => ({ name: `web${index + 1}`, backend }));
    this.#next = backends.length + 1;
  }

  async listen(): Promise<void> {
    this.#server = await serveOnLoopback((request, response) => {
      request.resume();
      const { pathname } = new URL(request.url ?? "/", "http://receiver");
      const direction = (["in", "out"] as const).find((one) => pathname === `/v1/webhooks/${WEBHOOKS[one]}/trigger`);
      response.setHeader("content-type", "application/json");
      if (!direction || request.method !== "POST") {
        response.writeHead(404).end(JSON.stringify({ error: { code: 404, type: "ResourceNotFound" } }));
      } else if (this.#action) {
        response.writeHead(409).end(JSON.stringify({ error: { code: 409, type: "ResourceIsLocked" } }));
      } else {
        response.writeHead(202).end(JSON.stringify({ action: randomUUID() }));
        this.accepted[direction]++;
        this.#begin(direction);
      }
    });
  }

  /** The alarm_url of a direction. */
  url(direction: "in" | "out"): string {
    return `http://127.0.0.1:${this.#server?.port}/v1/webhooks/${WEBHOOKS[direction]}/trigger?V=2`;
  }

  #begin(direction: "in" | "out"): void {
    const { clock, actionMs, say } = this.#options;
    const due = wait(clock, actionMs);
    this.#action = due
      .then(() => (direction === "out" ? this.#add() : this.#remove()))
      .catch((error) => say(`receiver: the action failed: ${messageOf(error)}`))
      .finally(() => {
        this.#action = undefined;
      });
  }

  async #add(): Promise<void> {
    const { haproxy, max, say } = this.#options;
    if (this.#servers.length >= max) return say(`receiver: already at ${max} servers`);
    const name = `web${this.#next++}`;
    const backend = await startBackend();
    this.#servers.push({ name, backend });
    const server = `${PROXY.backend}/${name}`;
    const answer = await haproxy.command(`add server ${server} 127.0.0.1:${backend.port}`, `enable server ${server}`);
    say(`receiver: added server ${name}${answer.includes("New server") ? "" : ` (${answer})`}`);
  }

  async #remove(): Promise<void> {
    const { haproxy, min, say } = this.#options;
    const last = this.#servers.length > min ? this.#servers.pop() : undefined;
    if (!last) return say(`receiver: already at ${min} servers`);
    const server = `${PROXY.backend}/${last.name}`;
    await haproxy.command(`set server ${server} state maint`, `shutdown sessions server ${server}`);
    await this.#delete(server);
    await last.backend[Symbol.asyncDispose]();
    say(`receiver: removed server ${last.name}`);
  }

  /** HAProxy deletes a server once its last connection is gone. */
  async #delete(server: string): Promise<void> {
    const { haproxy, clock } = this.#options;
    for (let tries = 0; tries < 50; tries++) {
      const answer = await haproxy.command(`del server ${server}`);
      if (answer.includes("deleted")) return;
      if (tries === 49) throw new Error(answer);
      await wait(clock, 100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#action;
    await this.#server?.[Symbol.asyncDispose]();
    for (const { backend } of this.#servers) await backend[Symbol.asyncDispose]();
  }
}
