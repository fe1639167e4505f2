/**
 * `tocsin receiver test`: what a receiver would get, and whether anything keeps it from getting it. Sent it is a POST
 * outside of the ledger, marked as a test, never retried; it says `ok` -> `ok`, which scales nothing where a receiver
 * looks at states.
 */

import type { ListedReceiver } from "./config/receiverBook.ts";
import { maskedTarget } from "./config/receiverUrl.ts";
import type { AddressPolicy } from "./lib/addressPolicy.ts";
import { messageOf, systemCode, TocsinError } from "./lib/errors.ts";
import { masked, secretsOf } from "./notifier/masking.ts";
import type { Clock, Dispatch, ReceiverDirectory, ReceiverTarget, WebhookTarget } from "./ports.ts";
import type { ClusterView, OwnView, ReceiverTest, ReceiverView, TestOutcome } from "./serviceView.ts";

type Headers = Readonly<Record<string, string>>;

/** What of the notifier is needed here. */
export interface TestNotifier {
  readonly sender: TestSender;
  breakerOf(clusterId: string, receiver: string): ReceiverView["breaker"];
  /** What its last attempt failed of; `undefined`: it did not. */
  failingOf(clusterId: string, receiver: string): string | undefined;
}

/** Makes requests, and sends them outside of the ledger. */
export interface TestSender {
  /** The request as it would go now. Throws when it cannot be made. */
  preview(
    dispatch: Dispatch,
    target: WebhookTarget,
    extra: Headers,
  ): { readonly origin: string; readonly headers: Headers; readonly body: string };
  /** Throws when nothing could be sent there. `send` makes one attempt, and never rejects. */
  prepare(
    dispatch: Dispatch,
    target: ReceiverTarget,
    heldBecause: () => string | undefined,
    extra: Headers,
  ): {
    readonly send: () => Promise<{
      readonly outcome: string;
      readonly reason: string;
      readonly status?: number;
      readonly totalMs: number;
      readonly answer?: string;
    }>;
  };
}

export interface ReceiverTestOptions {
  readonly directory: ReceiverDirectory & { list(): readonly ListedReceiver[] };
  readonly notifier: TestNotifier;
  readonly policy: AddressPolicy;
  /** Addresses of a host name. Rejects when there are none. */
  readonly lookup: (hostname: string) => Promise<readonly string[]>;
  readonly cluster: (clusterId: string) => Pick<ClusterView, "lane" | "shadow"> | undefined;
  readonly clock: Pick<Clock, "now">;
  /** A new UUID. */
  readonly newId: () => string;
}

const MARK = { "tocsin-test": "true" } as const;
/** Headers whose values are ours and no secrets, unless the receiver has its own of that name. */
const OPEN_HEADERS = new Set([
  "host",
  "content-type",
  "content-length",
  "accept",
  "user-agent",
  "connection",
  "x-openstack-request-id",
  "webhook-id",
  "webhook-timestamp",
  ...Object.keys(MARK),
]);
const STARS = "***";

interface Dry {
  readonly found: ReceiverTest;
  /** `undefined`: it cannot be sent. */
  readonly send: (() => Promise<TestOutcome>) | undefined;
}

/** The part of the service that is about receivers. */
export function receiversOf(options: ReceiverTestOptions): Pick<OwnView, "receivers" | "testReceiver"> {
  const { directory, notifier } = options;
  const underWay = new Set<string>();
  return {
    receivers: () =>
      directory.list().map((listed) => ({
        ...nameOf(listed),
        shadow: listed.receiver.shadow,
        breaker: notifier.breakerOf(listed.clusterId, listed.receiver.name),
        failing: notifier.failingOf(listed.clusterId, listed.receiver.name) ?? null,
      })),

    async testReceiver(clusterId, name, send) {
      const listed = directory.list().find((one) => one.clusterId === clusterId && one.receiver.name === name);
      if (!listed) throw new TocsinError("E408", `cluster ${clusterId} has no receiver ${name}`);
      const { found, send: post } = await dryRun(listed, options);
      if (!send || !post || found.problem !== null) return found;
      const key = `${clusterId}/${name}`;
      const refused = underWay.has(key) ? "a test of it is under way" : whyNot(listed, options);
      if (refused !== undefined) throw new TocsinError("E409", `receiver ${name} is not tested now: ${refused}`);
      underWay.add(key);
      try {
        return { ...found, outcome: await post() };
      } finally {
        underWay.delete(key);
      }
    },
  };
}

function nameOf({ clusterId, clusterName, receiver }: ListedReceiver) {
  return {
    name: receiver.name,
    cluster_id: clusterId,
    cluster_name: clusterName,
    class: receiver.class,
    direction: receiver.direction ?? null,
    target: maskedTarget(receiver.url),
  };
}

/** Why nothing may be posted now; `undefined`: it may. */
function whyNot({ clusterId, receiver }: ListedReceiver, options: ReceiverTestOptions): string | undefined {
  const cluster = options.cluster(clusterId);
  if (receiver.shadow || cluster?.shadow) return "it is in shadow mode, where nothing is sent";
  if (receiver.class !== "control" || !cluster || cluster.lane === "idle") return undefined;
  return `it scales, and the cluster's own scaling is ${cluster.lane}: try again when "tocsin cluster list" says idle`;
}

function testDispatch({ clusterId, receiver }: ListedReceiver, { clock, newId }: ReceiverTestOptions): Dispatch {
  const id = newId();
  return {
    clusterId,
    deliveryId: `msg_${id}`,
    attempt: 1,
    receiver: receiver.name,
    control: receiver.class === "control",
    direction: receiver.direction ?? "unknown",
    transition: 0,
    repeat: 0,
    at: clock.now(),
    notification: {
      alarmName: "tocsin test",
      alarmId: id,
      severity: "low",
      previous: "ok",
      current: "ok",
      reason: `Test of receiver ${receiver.name}; nothing has happened`,
      reasonData: { type: "threshold", disposition: "inside", count: 0, mostRecent: null },
      ...(receiver.scale === undefined ? {} : { count: 1 }),
    },
  };
}

/** All that can be said of a POST without making it, and how to make it; its secrets starred out. */
async function dryRun(listed: ListedReceiver, options: ReceiverTestOptions): Promise<Dry> {
  const { clusterId, receiver } = listed;
  const { sender } = options.notifier;
  const dispatch = testDispatch(listed, options);
  let found: ReceiverTest = { ...nameOf(listed), headers: {}, body: "", addresses: [], problem: null, outcome: null };
  try {
    const target = options.directory.resolve(clusterId, receiver.name);
    if (!target) throw new Error("no rule file has it any more");
    const preview = target.kind === "webhook" ? sender.preview(dispatch, target, MARK) : undefined;
    if (target.kind === "webhook" && preview) {
      const { headers, body } = preview;
      found = { ...found, headers: starred({ ...headers, ...MARK }, target), body };
    }
    // Refused as a real attempt is, before any name is looked up.
    const { send } = sender.prepare(dispatch, target, () => undefined, MARK);
    if (target.kind === "webhook" && preview) {
      found = { ...found, ...(await addressesOf(preview.origin, target, options)) };
    }
    return { found, send: async () => outcomeOf(await send()) };
  } catch (error) {
    return { found: { ...found, problem: messageOf(error) }, send: undefined };
  }
}

function outcomeOf(result: Awaited<ReturnType<ReturnType<TestSender["prepare"]>["send"]>>): TestOutcome {
  const { outcome, status, reason, totalMs, answer } = result;
  return { outcome, status: status ?? null, reason, total_ms: totalMs, answer: answer ?? null };
}

function starred(headers: Headers, { headers: own }: WebhookTarget): Record<string, string> {
  const written = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const isOpen = OPEN_HEADERS.has(name.toLowerCase()) && !written.has(name.toLowerCase());
      return [name, isOpen ? value : STARS];
    }),
  );
}

async function addressesOf(
  origin: string,
  target: WebhookTarget,
  { policy, lookup }: ReceiverTestOptions,
): Promise<Pick<ReceiverTest, "addresses" | "problem">> {
  const { isGuest = false } = target;
  const secrets = secretsOf(target);
  const { hostname } = new URL(origin);
  const literal = /^\[(.*)\]$/.exec(hostname)?.[1] ?? (/^[\d.]+$/.test(hostname) ? hostname : undefined);
  let found: readonly string[];
  try {
    found = literal === undefined ? await lookup(hostname) : [literal];
  } catch (error) {
    const problem = `no address of ${hostname} is found: ${systemCode(error) ?? messageOf(error)}`;
    return { addresses: [], problem: masked(problem, secrets) };
  }
  const addresses = found.map((address) => {
    const refused = policy.refusalOfAddress(address, hostname, isGuest);
    return {
      address: masked(address, secrets),
      refused: refused === undefined ? null : masked(refused, secrets),
    };
  });
  const [first] = addresses;
  const problem = addresses.every((one) => one.refused !== null) ? (first?.refused ?? "it has no address") : null;
  return { addresses, problem };
}
