/** Makes requests out of deliveries and sends them: one attempt at a time, whatever it is of. */

import type { AddressPolicy } from "../lib/addressPolicy.ts";
import { messageOf } from "../lib/errors.ts";
import type { Clock, Dispatch, Logger, ReceiverTarget, WebhookTarget } from "../ports.ts";
import type { AttemptResult } from "./attempt.ts";
import { attempt } from "./attempt.ts";
import type { ConnectionOptions } from "./connections.ts";
import { Connections } from "./connections.ts";
import { masked, secretsOf } from "./masking.ts";
import type { RequestTarget } from "./request.ts";
import { allowedTarget, postOf, splitUrl } from "./request.ts";

/** Tokens of the configured Keystone. */
export interface Tokens {
  token(): Promise<string>;
  /** A receiver did not take it: the next is a new one. */
  forget(token: string): void;
}

export interface SenderOptions extends ConnectionOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly parseDate: (text: string) => number;
  readonly policy: AddressPolicy;
  readonly version: string;
  /** `undefined`: no Keystone is configured. */
  readonly tokens?: Tokens | undefined;
}

/** An attempt that may begin. */
export interface Prepared {
  /** What it connects to; empty: nothing leaves the process. */
  readonly origin: string;
  readonly send: () => Promise<AttemptResult>;
}

/** A request as it may be shown. */
export interface Preview {
  readonly origin: string;
  readonly hostname: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Of the receiver's own id of the request so many characters are kept. */
const MOST_REQUEST_ID = 128;

type HeldBecause = () => string | undefined;

export class Sender {
  readonly #options: SenderOptions;
  readonly #connections: Connections;
  /** What ends the attempts that are under way. */
  readonly #ends = new Set<() => void>();

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#connections = new Connections(options);
  }

  /** Throws an Error, without secrets in it, when nothing could be sent there. `send` never rejects. */
  prepare(dispatch: Dispatch, target: ReceiverTarget, heldBecause: HeldBecause, extra?: Headers): Prepared {
    switch (target.kind) {
      case "log":
        return { origin: "", send: async () => this.#write(dispatch) };
      case "test":
        return { origin: "", send: async () => ({ outcome: "accepted", reason: "test: nothing is sent", totalMs: 0 }) };
      case "webhook": {
        if (target.trust && !this.#options.tokens) throw new Error("it needs notifier.keystone in tocsin.yaml");
        const split = allowedTarget(target, this.#options.policy);
        const send = () => this.#post(dispatch, target, split, heldBecause, extra);
        return { origin: split.origin, send };
      }
    }
  }

  /** What would be sent now, secrets starred out. Throws when it cannot be made. */
  preview(dispatch: Dispatch, target: WebhookTarget, extra?: Headers): Preview {
    const split = splitUrl(target.url);
    if (!split) throw new Error("its URL is not http(s)");
    const token = target.trust ? "a token of Keystone" : undefined;
    const { headers, body } = postOf(dispatch, target, split, this.#stamp(token, extra));
    const secrets = secretsOf(target);
    const shown = Object.entries(headers).map(([name, value]) => [name, masked(value, secrets)] as const);
    const { origin, hostname } = split;
    return { origin, hostname, headers: Object.fromEntries(shown), body: masked(body.toString("utf8"), secrets) };
  }

  /** `undefined`: its URL is none. */
  originOf({ url }: WebhookTarget): string | undefined {
    return splitUrl(url)?.origin;
  }

  /** Ends every attempt that is under way. */
  cutOff(): void {
    for (const end of [...this.#ends]) end();
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  readonly #onStop = (end: () => void) => {
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  };

  async #post(
    dispatch: Dispatch,
    target: WebhookTarget,
    split: RequestTarget,
    heldBecause: HeldBecause,
    extra: Headers | undefined,
  ): Promise<AttemptResult> {
    const { clock, parseDate, tokens } = this.#options;
    const { timeoutMs, tls, keepAlive = false, isGuest = false } = target;
    let token: string | undefined;
    try {
      if (target.trust) token = await tokens?.token();
    } catch (error) {
      return { outcome: "not_run", reason: messageOf(error), totalMs: 0, isUntried: true };
    }
    const secrets = () => [...secretsOf(target), ...(token === undefined ? [] : [token])];
    let result: AttemptResult;
    try {
      const post = postOf(dispatch, target, split, this.#stamp(token, extra));
      const connection = this.#connections.take({ origin: split.origin, tls, keepAlive, isGuest });
      const onStop = this.#onStop;
      const options = { clock, parseDate, timeoutMs, control: dispatch.control, keepAlive, heldBecause, onStop };
      result = await attempt(connection, post, options);
    } catch (error) {
      // An attempt never fails: what does is the making of the request, before any byte.
      const reason = `the request cannot be made: ${masked(messageOf(error), secrets())}`;
      return { outcome: "rejected", reason, totalMs: 0 };
    }
    if (token !== undefined && result.status === 401) {
      tokens?.forget(token);
      result = { ...result, outcome: "not_run" };
    }
    // Error pages like to repeat what they were asked.
    const { answer, requestId } = result;
    return {
      ...result,
      ...(answer ? { answer: masked(answer, secrets()) } : {}),
      ...(requestId ? { requestId: masked(requestId.slice(0, MOST_REQUEST_ID), secrets()) } : {}),
    };
  }

  #stamp(token: string | undefined, extraHeaders: Headers = {}) {
    const { clock, version } = this.#options;
    return { version, timestampS: Math.floor(clock.now() / 1000), token, extraHeaders };
  }

  #write({ clusterId, receiver, notification }: Dispatch): AttemptResult {
    const { alarmName, alarmId, severity, previous, current, reason } = notification;
    this.#options.log.info("alarm", {
      cluster_id: clusterId,
      receiver,
      alarm_name: alarmName,
      alarm_id: alarmId,
      severity,
      previous,
      current,
      reason,
    });
    return { outcome: "accepted", reason: "logged", totalMs: 0 };
  }
}

type Headers = Readonly<Record<string, string>>;
