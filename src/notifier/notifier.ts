/**
 * The notifier: sends claimed attempts and reports what became of each. It decides nothing: order, retries and
 * claims are the evaluator's. It bounds how many requests are under way, and leaves alone what keeps failing.
 */

import { messageOf } from "../lib/errors.ts";
import type { Clock, Dispatch, Dispatcher, Logger, OutcomeSink, ReceiverDirectory } from "../ports.ts";
import type { AttemptResult } from "./attempt.ts";
import type { BreakerState } from "./breaker.ts";
import { Breaker } from "./breaker.ts";
import type { Prepared, SenderOptions } from "./sender.ts";
import { Sender, withoutToken } from "./sender.ts";
import type { Reach, TurnLimits } from "./turns.ts";
import { Turns } from "./turns.ts";

export interface NotifierOptions extends SenderOptions, TurnLimits {
  readonly clock: Clock;
  readonly log: Logger;
  readonly receivers: ReceiverDirectory;
}

interface Waited extends AttemptResult {
  readonly waitMs?: number;
}

const STOPPED: AttemptResult = {
  outcome: "cancelled",
  reason: "the service stopped before anything was sent",
  totalMs: 0,
};

export class Notifier implements Dispatcher {
  readonly #options: NotifierOptions;
  readonly #sender: Sender;
  readonly #turns: Turns;
  #sink: OutcomeSink | undefined;
  /** Deliveries that wait for their turn or are under way. */
  readonly #open = new Set<string>();
  readonly #cancelled = new Set<string>();
  /** Hands back, as the service ends, what waits for a token. */
  readonly #awaiting = new Set<() => void>();
  /** Of receivers that failed lately. */
  readonly #breakers = new Map<string, Breaker>();
  /** What each receiver's last attempt failed of: told once for each change. */
  readonly #failing = new Map<string, string>();
  #stopping = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#sender = new Sender(options);
    this.#turns = new Turns(options.clock, options);
  }

  /** What is behind it: for a test of a receiver, outside of the ledger. */
  get sender(): Sender {
    return this.#sender;
  }

  /** Where outcomes go; to be called before the first dispatch. */
  connect(sink: OutcomeSink): void {
    this.#sink = sink;
  }

  dispatch(dispatch: Dispatch): void {
    const askedMs = this.#options.clock.monotonic();
    this.#open.add(dispatch.deliveryId);
    if (this.#stopping) {
      this.#report(dispatch, STOPPED);
      return;
    }
    const restMs = this.#breakers.get(keyOf(dispatch))?.restMs(askedMs) ?? 0;
    if (restMs > 0) {
      this.#decline(dispatch, `receiver ${dispatch.receiver}`, restMs);
      return;
    }
    const prepared = this.#prepare(dispatch);
    if (prepared.needsToken) this.#awaitToken(dispatch, (token) => this.#queue(dispatch, prepared, askedMs, token));
    else this.#queue(dispatch, prepared, askedMs);
  }

  #prepare(dispatch: Dispatch): Prepared {
    const { clusterId, receiver } = dispatch;
    try {
      const target = this.#options.receivers.resolve(clusterId, receiver);
      if (!target) throw new Error("no rule file has such a receiver any more");
      return this.#sender.prepare(dispatch, target, () => this.#heldBecause(dispatch));
    } catch (error) {
      const reason = `receiver ${receiver}: ${messageOf(error)}`;
      const send = async (): Promise<AttemptResult> => ({ outcome: "rejected", reason, totalMs: 0 });
      return { origin: "", name: () => "", needsToken: false, send };
    }
  }

  /** Before a turn is asked for: a Keystone that is silent must not hold the places of a receiver's origin. */
  #awaitToken(dispatch: Dispatch, then: (token: string) => void): void {
    const { clock } = this.#options;
    const askedMs = clock.monotonic();
    const drop = () => this.#report(dispatch, STOPPED);
    this.#awaiting.add(drop);
    this.#sender.token().then(
      (token) => {
        if (this.#awaiting.delete(drop)) then(token);
      },
      (error) => {
        if (this.#awaiting.delete(drop)) this.#report(dispatch, withoutToken(error, clock.monotonic() - askedMs));
      },
    );
  }

  #queue(dispatch: Dispatch, { origin, name, send }: Prepared, askedMs: number, token?: string): void {
    const { clock } = this.#options;
    this.#turns.add({
      origin,
      isUrgent: dispatch.control,
      run: async () => {
        const waitMs = clock.monotonic() - askedMs;
        const held = this.#heldBecause(dispatch);
        const result: AttemptResult =
          held === undefined ? await send(token) : { outcome: "cancelled", reason: held, totalMs: 0 };
        this.#report(dispatch, { ...result, waitMs });
        return this.#reached(dispatch, result);
      },
      refuse: (why, restMs) => this.#decline(dispatch, why === "no turn" ? undefined : name(), restMs),
      drop: () => this.#report(dispatch, STOPPED),
    });
  }

  cancel(deliveryId: string): void {
    if (this.#open.has(deliveryId)) this.#cancelled.add(deliveryId);
  }

  /** Whether a receiver is called, or left alone: by itself, or because its origin cannot be connected to. */
  breakerOf(clusterId: string, receiver: string): BreakerState {
    const nowMs = this.#options.clock.monotonic();
    const own = this.#breakers.get(keyOf({ clusterId, receiver }))?.state(nowMs) ?? "closed";
    if (own !== "closed") return own;
    try {
      const target = this.#options.receivers.resolve(clusterId, receiver);
      const origin = target?.kind === "webhook" ? this.#sender.originOf(target) : undefined;
      return origin === undefined ? "closed" : this.#turns.breakerOf(origin);
    } catch {
      // Secrets that cannot be read: nothing has been connected to.
      return "closed";
    }
  }

  /** What the receiver's last attempt failed of; `undefined`: it did not. */
  failingOf(clusterId: string, receiver: string): string | undefined {
    return this.#failing.get(keyOf({ clusterId, receiver }));
  }

  /**
   * Takes nothing more and waits for what is under way; what has no answer after `graceMs` is cut off and
   * reported as uncertain, what was not begun as cancelled.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    for (const turn of this.#turns.clear()) turn.drop();
    for (const drop of this.#awaiting) drop();
    this.#awaiting.clear();
    const timer = this.#options.clock.after(graceMs, () => this.#sender.cutOff());
    await this.#turns.idle();
    timer.cancel();
    // Tests of receivers have no turn.
    this.#sender.cutOff();
    await this.#sender.close();
  }

  #heldBecause({ clusterId, deliveryId }: Dispatch): string | undefined {
    if (this.#cancelled.has(deliveryId)) return "a scale-out goes first";
    return this.#sink?.heldBecause(clusterId, deliveryId);
  }

  /** Counts for the receiver's breaker what no other receiver's attempt can show; says what its origin's is to count. */
  #reached(dispatch: Dispatch, { outcome, status, connectMs, isUntried }: AttemptResult): Reach {
    if (isUntried) return "nothing";
    if (outcome === "cancelled" || outcome === "rejected") return connectMs === undefined ? "nothing" : "reached";
    if (connectMs === undefined && outcome === "not_run") return "unreached";
    const key = keyOf(dispatch);
    // 409 and 429 are answers of a receiver that is well, 403 speaks of somebody else.
    const failed = outcome === "uncertain" || (outcome === "not_run" && status === 503);
    if (!failed) this.#breakers.delete(key);
    else {
      const breaker = this.#breakers.get(key) ?? new Breaker();
      breaker.failed(this.#options.clock.monotonic());
      this.#breakers.set(key, breaker);
    }
    return "reached";
  }

  /** Not now: what keeps failing is left alone, or its turn (`undefined`) does not come. That is no news of the receiver. */
  #decline(dispatch: Dispatch, failing: string | undefined, restMs: number): void {
    const cause = this.#failing.get(keyOf(dispatch));
    const reason =
      failing === undefined
        ? "its turn did not come: too many requests to its host are under way"
        : `${failing} keeps failing and is left alone${cause === undefined ? "" : `: ${cause}`}`;
    const retryAfterS = Math.max(1, Math.ceil(restMs / 1000));
    this.#tellSink(dispatch, { outcome: "not_run", reason, retryAfterS, totalMs: 0 });
    const { clusterId: cluster_id, receiver, deliveryId: delivery } = dispatch;
    this.#options.log.debug("webhook declined", { cluster_id, receiver, delivery, reason });
  }

  #report(dispatch: Dispatch, result: Waited): void {
    this.#tellSink(dispatch, result);
    this.#tell(dispatch, result);
  }

  #tellSink(dispatch: Dispatch, result: Waited): void {
    const { clock } = this.#options;
    const { clusterId, deliveryId, attempt: number } = dispatch;
    const { outcome, reason, status, retryAfterS, waitMs, connectMs, firstByteMs, totalMs, answer, requestId } = result;
    this.#open.delete(deliveryId);
    this.#cancelled.delete(deliveryId);
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
        ...(waitMs === undefined ? {} : { waitMs }),
        ...(connectMs === undefined ? {} : { connectMs }),
        ...(firstByteMs === undefined ? {} : { firstByteMs }),
        totalMs,
        ...(answer === undefined ? {} : { answer }),
        ...(requestId === undefined ? {} : { requestId }),
      },
    });
  }

  #tell(dispatch: Dispatch, { outcome, status, reason }: AttemptResult): void {
    const { log } = this.#options;
    const { clusterId, deliveryId, attempt: number, receiver } = dispatch;
    const fields = { cluster_id: clusterId, receiver, delivery: deliveryId, attempt: number, outcome, status, reason };
    const key = keyOf(dispatch);
    if (outcome === "accepted" || outcome === "busy" || outcome === "cancelled") {
      if (outcome !== "cancelled") this.#failing.delete(key);
      log.info("webhook", fields);
    } else if (this.#failing.get(key) === reason) {
      log.debug("webhook failed again", fields);
    } else {
      this.#failing.set(key, reason);
      log.warn("webhook failed", fields);
    }
  }
}

function keyOf({ clusterId, receiver }: Pick<Dispatch, "clusterId" | "receiver">): string {
  return `${clusterId}/${receiver}`;
}
