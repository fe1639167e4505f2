/** Makes requests out of deliveries and sends them: one attempt at a time, whatever it is of. */

import type { AddressPolicy } from "../lib/addressPolicy.ts";
import { messageOf } from "../lib/errors.ts";
import type { WebUrl } from "../lib/webUrl.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { Clock, Dispatch, Logger, ReceiverTarget, WebhookTarget } from "../ports.ts";
import type { AttemptResult } from "./attempt.ts";
import { attempt } from "./attempt.ts";
import type { ConnectionOptions } from "./connections.ts";
import { Connections } from "./connections.ts";
import { masked, secretsOf } from "./masking.ts";
import { allowedTarget, postOf } from "./request.ts";

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
  /** The origin as it may be shown. */
  readonly name: () => string;
  readonly needsToken: boolean;
  /** `token`: one of Keystone, where the receiver is trusted with one; one is asked for where it is not given. */
  readonly send: (token?: string) => Promise<AttemptResult>;
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

const NO_KEYSTONE = "it needs notifier.keystone in tocsin.yaml";
const LOCAL = { origin: "", name: () => "", needsToken: false } as const;
const NOTHING_SENT: AttemptResult = { outcome: "accepted", reason: "test: nothing is sent", totalMs: 0 };
const CUT_OFF: AttemptResult = {
  outcome: "cancelled",
  reason: "the service stopped before anything was sent",
  totalMs: 0,
};

/** Keystone gave none: nothing was connected to. */
export function withoutToken(error: unknown, totalMs: number): AttemptResult {
  return { outcome: "not_run", reason: messageOf(error), totalMs, isUntried: true };
}

type HeldBecause = () => string | undefined;

export class Sender {
  readonly #options: SenderOptions;
  readonly #connections: Connections;
  /** What ends the attempts that are under way. */
  readonly #ends = new Set<() => void>();
  #isCut = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#connections = new Connections(options);
  }

  /** Throws an Error, without secrets in it, when nothing could be sent there. `send` never rejects. */
  prepare(dispatch: Dispatch, target: ReceiverTarget, heldBecause: HeldBecause, extra?: Headers): Prepared {
    switch (target.kind) {
      case "log":
        return { ...LOCAL, send: async () => this.#write(dispatch) };
      case "test":
        return { ...LOCAL, send: async () => NOTHING_SENT };
      case "webhook": {
        if (target.trust && !this.#options.tokens) throw new Error(NO_KEYSTONE);
        const split = this.#allowed(target);
        const send = (token?: string) => this.#post(dispatch, target, split, heldBecause, extra, token);
        return {
          origin: split.origin,
          name: () => masked(split.origin, secretsOf(target)),
          needsToken: target.trust === true,
          send,
        };
      }
    }
  }

  #allowed(target: WebhookTarget): WebUrl {
    try {
      return allowedTarget(target, this.#options.policy);
    } catch (error) {
      throw new Error(masked(messageOf(error), secretsOf(target)));
    }
  }

  /** For receivers that are trusted with one. Throws, without secrets in the message, when there is none. */
  async token(): Promise<string> {
    const { tokens } = this.#options;
    if (!tokens) throw new Error(NO_KEYSTONE);
    return tokens.token();
  }

  /** What would be sent now, secrets starred out. Throws when it cannot be made. */
  preview(dispatch: Dispatch, target: WebhookTarget, extra?: Headers): Preview {
    const split = splitWebUrl(target.url);
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
    return splitWebUrl(url)?.origin;
  }

  /** Ends every attempt that is under way. */
  cutOff(): void {
    this.#isCut = true;
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
    split: WebUrl,
    heldBecause: HeldBecause,
    extra: Headers | undefined,
    given: string | undefined,
  ): Promise<AttemptResult> {
    const { clock, parseDate, connectTimeoutMs, tokens } = this.#options;
    const { timeoutMs, tls, keepAlive = false, isGuest = false } = target;
    let token = given;
    if (target.trust && token === undefined) {
      try {
        token = await this.token();
      } catch (error) {
        return withoutToken(error, 0);
      }
    }
    if (this.#isCut) return CUT_OFF;
    const secrets = () => [...secretsOf(target), ...(token === undefined ? [] : [token])];
    let result: AttemptResult;
    try {
      const post = postOf(dispatch, target, split, this.#stamp(token, extra));
      const connection = this.#connections.take({ origin: split.origin, tls, keepAlive, isGuest });
      const onStop = this.#onStop;
      const control = dispatch.control;
      const options = { clock, parseDate, connectTimeoutMs, timeoutMs, control, keepAlive, heldBecause, onStop };
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
      ...(requestId ? { requestId: masked(requestId, secrets()).slice(0, MOST_REQUEST_ID) } : {}),
      // Names of hosts stand in what is told of errors, and may be secrets.
      ...(result.status === undefined ? { reason: masked(result.reason, secrets()) } : {}),
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
