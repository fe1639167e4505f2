/**
 * The notifier: sends claimed attempts and reports what became of each. It decides nothing: order, retries and
 * claims are the evaluator's. It bounds how many requests are under way, in all and for each origin.
 */

import { messageOf } from "../lib/errors.ts";
import type { Clock, Dispatch, Dispatcher, Logger, OutcomeSink, ReceiverDirectory, ReceiverTarget } from "../ports.ts";
import type { AttemptResult } from "./attempt.ts";
import { attempt } from "./attempt.ts";
import { aodhBody, requestHeaders, splitUrl } from "./request.ts";
import { signature } from "./signature.ts";

export interface NotifierOptions {
  readonly clock: Clock;
  readonly parseDate: (text: string) => number;
  readonly log: Logger;
  readonly receivers: ReceiverDirectory;
  readonly version: string;
  readonly connectTimeoutMs: number;
  /** Requests under way at most, in all. */
  readonly concurrency: number;
  /** Requests under way at most to one origin. */
  readonly perOrigin: number;
}

interface Job {
  readonly dispatch: Dispatch;
  readonly origin: string;
  readonly run: () => Promise<void>;
}

const STOPPED = "the service stopped before anything was sent";

export class Notifier implements Dispatcher {
  readonly #options: NotifierOptions;
  #sink: OutcomeSink | undefined;
  readonly #waiting: Job[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #byOrigin = new Map<string, number>();
  readonly #cancelled = new Set<string>();
  /** What each receiver's last attempt failed of: told once for each change. */
  readonly #failing = new Map<string, string>();
  readonly #abort = new AbortController();
  #stopping = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** Where outcomes go; to be called before the first dispatch. */
  connect(sink: OutcomeSink): void {
    this.#sink = sink;
  }

  dispatch(dispatch: Dispatch): void {
    if (this.#stopping) {
      this.#report(dispatch, { outcome: "cancelled", reason: STOPPED, totalMs: 0 });
      return;
    }
    let origin = "";
    let run: Job["run"];
    try {
      const target = this.#options.receivers.resolve(dispatch.clusterId, dispatch.receiver);
      const split = target && splitUrl(target.url);
      if (!target || !split)
        throw new Error(target ? "its URL is not http(s)" : "no rule file has such a receiver any more");
      origin = split.origin;
      run = () => this.#send(dispatch, () => this.#post(dispatch, split, target));
    } catch (error) {
      const reason = `receiver ${dispatch.receiver}: ${messageOf(error)}`;
      run = () => this.#send(dispatch, async () => ({ outcome: "rejected", reason, totalMs: 0 }));
    }
    this.#waiting.push({ dispatch, origin, run });
    this.#next();
  }

  cancel(deliveryId: string): void {
    const waits = this.#waiting.some(({ dispatch }) => dispatch.deliveryId === deliveryId);
    if (waits || this.#running.has(deliveryId)) this.#cancelled.add(deliveryId);
  }

  /**
   * Takes nothing more and waits for what is under way; what has no answer after `graceMs` is cut off and
   * reported as uncertain, what was not begun as cancelled.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    for (const { dispatch } of this.#waiting.splice(0))
      this.#report(dispatch, { outcome: "cancelled", reason: STOPPED, totalMs: 0 });
    const timer = this.#options.clock.after(graceMs, () => this.#abort.abort("the service stopped"));
    await Promise.all(this.#running.values());
    timer.cancel();
  }

  #next(): void {
    const { concurrency, perOrigin } = this.#options;
    for (let at = 0; at < this.#waiting.length && this.#running.size < concurrency; ) {
      const job = this.#waiting[at];
      const busy = this.#byOrigin.get(job?.origin ?? "") ?? 0;
      if (!job || busy >= perOrigin) {
        at++;
        continue;
      }
      this.#waiting.splice(at, 1);
      this.#byOrigin.set(job.origin, busy + 1);
      const { deliveryId } = job.dispatch;
      const run = job.run().finally(() => {
        this.#running.delete(deliveryId);
        const left = (this.#byOrigin.get(job.origin) ?? 1) - 1;
        if (left > 0) this.#byOrigin.set(job.origin, left);
        else this.#byOrigin.delete(job.origin);
        if (!this.#stopping) this.#next();
      });
      this.#running.set(deliveryId, run);
    }
  }

  async #send(dispatch: Dispatch, post: () => Promise<AttemptResult>): Promise<void> {
    const held = this.#heldBecause(dispatch);
    let result: AttemptResult;
    try {
      result = held === undefined ? await post() : { outcome: "cancelled", reason: held, totalMs: 0 };
    } catch (error) {
      // An attempt never throws: what does is the making of the request, before any byte.
      result = { outcome: "rejected", reason: `the request cannot be made: ${messageOf(error)}`, totalMs: 0 };
    }
    this.#cancelled.delete(dispatch.deliveryId);
    this.#report(dispatch, result);
  }

  async #post(
    dispatch: Dispatch,
    split: NonNullable<ReturnType<typeof splitUrl>>,
    target: ReceiverTarget,
  ): Promise<AttemptResult> {
    const { clock, version, connectTimeoutMs, parseDate } = this.#options;
    const { headers: own, timeoutMs, signSecret, ca, keepAlive = false } = target;
    const delivery = { id: dispatch.deliveryId, timestampS: Math.floor(clock.now() / 1000), version };
    const body = aodhBody(dispatch.notification);
    const headers = {
      ...requestHeaders(split, delivery, own),
      ...(signSecret === undefined ? {} : { "webhook-signature": signature(signSecret, delivery, body) }),
    };
    const result = await attempt(split, headers, body, {
      clock,
      parseDate,
      connectTimeoutMs,
      timeoutMs,
      control: dispatch.control,
      ca,
      keepAlive,
      heldBecause: () => this.#heldBecause(dispatch),
      signal: this.#abort.signal,
    });
    // Error pages like to repeat what they were asked: the path of an alarm_url is a credential.
    const secrets = [split.path, ...Object.values(own)];
    return result.answer === undefined ? result : { ...result, answer: masked(result.answer, secrets) };
  }

  #heldBecause({ clusterId, deliveryId }: Dispatch): string | undefined {
    if (this.#cancelled.has(deliveryId)) return "a scale-out goes first";
    return this.#sink?.heldBecause(clusterId, deliveryId);
  }

  #report(dispatch: Dispatch, result: AttemptResult): void {
    const { log, clock } = this.#options;
    const { clusterId, deliveryId, attempt: number, receiver } = dispatch;
    const { outcome, reason, status, retryAfterS, connectMs, totalMs, answer, requestId } = result;
    this.#sink?.outcome(clusterId, {
      kind: "outcome",
      deliveryId,
      attempt: number,
      outcome,
      reason,
      ...(status === undefined ? {} : { status }),
      ...(retryAfterS === undefined ? {} : { retryAfterS }),
      detail: {
        startedAt: clock.now() - Math.round(totalMs),
        totalMs,
        ...(connectMs === undefined ? {} : { connectMs }),
        ...(answer === undefined ? {} : { answer }),
        ...(requestId === undefined ? {} : { requestId }),
      },
    });
    const fields = { cluster_id: clusterId, receiver, delivery: deliveryId, attempt: number, outcome, status, reason };
    const key = `${clusterId}/${receiver}`;
    if (outcome === "accepted" || outcome === "busy" || outcome === "cancelled") {
      this.#failing.delete(key);
      log.info("webhook", fields);
    } else if (this.#failing.get(key) === reason) {
      log.debug("webhook failed again", fields);
    } else {
      this.#failing.set(key, reason);
      log.warn("webhook failed", fields);
    }
  }
}

/** Text without the secrets in it, as they are and as they are decoded or shown in HTML. */
function masked(text: string, secrets: readonly string[]): string {
  const spellings = secrets.flatMap((secret) => [
    secret,
    decoded(secret),
    secret.replaceAll("&", "&amp;"),
    secret.split("?", 1)[0] ?? secret,
  ]);
  return spellings.filter((one) => one.length >= 4).reduce((shown, one) => shown.replaceAll(one, "***"), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
