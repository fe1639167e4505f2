/** One delivery sent by a real notifier, as tests of what goes over the wire need it. */

import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Notification, Outcome } from "../../src/model/decision.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import type { Dispatch, ReceiverTarget, WebhookTarget } from "../../src/ports.ts";

export function aNotification(fields: Partial<Notification> = {}): Notification {
  return {
    alarmName: "busy",
    alarmId: "21ba09aa-8aa0-5e15-9296-664b0087de34",
    severity: "low",
    previous: "ok",
    current: "alarm",
    reason: "because",
    reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 8 },
    ...fields,
  };
}

/** A notice of 2026-11-21T00:53:20Z. */
export function aDispatch(fields: Partial<Dispatch> = {}): Dispatch {
  return {
    clusterId: "web",
    deliveryId: "msg_e6ffba58-fc74-53b5-9182-d85398bf5530",
    attempt: 1,
    receiver: "r",
    control: false,
    direction: "out",
    transition: 3,
    repeat: 0,
    at: 1_795_222_400_000,
    notification: aNotification(),
    ...fields,
  };
}

export function aTarget(url: string, fields: Partial<WebhookTarget> = {}): WebhookTarget {
  return {
    kind: "webhook",
    url,
    headers: {},
    timeoutMs: 5000,
    body: { kind: "aodh" },
    labels: {},
    clusterName: "shop",
    secrets: [],
    ...fields,
  };
}

/** Sends it and waits for what became of it. */
export async function sent(target: ReceiverTarget, dispatch: Dispatch = aDispatch()): Promise<Outcome> {
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: { resolve: () => target },
    policy: createAddressPolicy({ allow: ["127.0.0.0/8", "::1"], deny: [] }),
    version: "1.2.3",
    connectTimeoutMs: 5000,
    concurrency: 8,
    perOrigin: 8,
  });
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  notifier.connect({ heldBecause: () => undefined, outcome: (_clusterId, outcome) => resolve(outcome) });
  notifier.dispatch(dispatch);
  try {
    return await promise;
  } finally {
    await notifier.stop(0);
  }
}
