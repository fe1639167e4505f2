/** Holds what the receivers got against what the service recorded: what was lost, sent twice, or out of order. */

import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { State } from "../../src/model/alarm.ts";
import type { Decision, Delivery, Outcome } from "../../src/model/decision.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { isRepeat } from "./crashFaults.ts";
import type { Post } from "./crashReceiver.ts";
import { SETTLE_MS } from "./crashRules.ts";

export interface Verdict {
  /** One sentence for each thing that must not be, by the promise that it breaks. */
  readonly lost: readonly string[];
  readonly resentWithoutProof: readonly string[];
  readonly otherDuplicates: readonly string[];
  readonly reordered: readonly string[];
  /** Sent, and not recorded: it was sent before it was durable. */
  readonly unrecorded: readonly string[];
  /** Clusters whose record, folded anew, does not lead to the decisions in it: where they part. */
  readonly replayDiffers: readonly string[];
  /** Notices that came twice because the service could not know that they had come. */
  readonly noticeDuplicates: number;
  readonly transitions: number;
  readonly sends: number;
}

type Send = Extract<Decision, { d: "send" }>;
type Transition = Extract<Decision, { d: "transition" }>;

/** All that was recorded of one cluster. */
export interface Journal {
  readonly clusterId: string;
  readonly log: readonly Decision[];
  readonly deliveries: ReadonlyMap<string, Delivery>;
  /** Outcomes by `id/attempt`. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** Receivers by alarm and state. */
  readonly called: (alarmId: string, state: State) => readonly { receiver: string; class: string }[];
}

/** Reads the record of a service that has ended, and compares. */
export async function checkRecord(dataPath: string, posts: readonly Post[]): Promise<Verdict> {
  const { ledger, store } = await openSqlite(dataPath);
  try {
    const all = await ledger.deliveries({ limit: 1_000_000 });
    const verdicts: Verdict[] = [];
    for (const { snapshot, rules } of await ledger.load()) {
      const { clusterId } = snapshot;
      const inputs = await recordedInputs(clusterId, ledger, store);
      const lines = await ledger.decisionLog(clusterId);
      const alarms = new Map((rules?.alarms ?? []).map((alarm) => [alarm.id, alarm]));
      const journal: Journal = {
        clusterId,
        log: lines.map((line) => JSON.parse(line) as Decision),
        deliveries: new Map(all.filter((one) => one.clusterId === clusterId).map((one) => [one.id, one])),
        outcomes: new Map(
          inputs.flatMap(({ input }) =>
            input.kind === "outcome" ? [[`${input.deliveryId}/${input.attempt}`, input] as const] : [],
          ),
        ),
        called: (alarmId, state) => alarms.get(alarmId)?.actions[state] ?? [],
      };
      const again = replay(clusterId, inputs);
      const at = lines.findIndex((line, index) => line !== again[index]);
      const differs = at >= 0 || again.length > lines.length;
      const own = posts.filter(({ cluster }) => cluster === clusterId);
      verdicts.push({
        ...checkCluster(journal, own),
        replayDiffers: differs ? [`${clusterId}, ${at}: ${lines[at]} | ${again[at]}`] : [],
      });
    }
    return joined(verdicts);
  } finally {
    await store.close();
    await ledger.close();
  }
}

function joined(verdicts: readonly Verdict[]): Verdict {
  const lines = (of: (one: Verdict) => readonly string[]) => verdicts.flatMap(of);
  const sum = (of: (one: Verdict) => number) => verdicts.reduce((total, one) => total + of(one), 0);
  return {
    lost: lines(({ lost }) => lost),
    resentWithoutProof: lines(({ resentWithoutProof }) => resentWithoutProof),
    otherDuplicates: lines(({ otherDuplicates }) => otherDuplicates),
    reordered: lines(({ reordered }) => reordered),
    unrecorded: lines(({ unrecorded }) => unrecorded),
    replayDiffers: lines(({ replayDiffers }) => replayDiffers),
    noticeDuplicates: sum(({ noticeDuplicates }) => noticeDuplicates),
    transitions: sum(({ transitions }) => transitions),
    sends: sum(({ sends }) => sends),
  };
}

export function checkCluster(journal: Journal, posts: readonly Post[]): Omit<Verdict, "replayDiffers"> {
  const sends = journal.log.filter((one): one is Send => one.d === "send");
  const transitions = journal.log.filter((one): one is Transition => one.d === "transition");
  const byId = Map.groupBy(posts, ({ id }) => id);
  const sent = new Set(sends.map(({ delivery }) => delivery));
  const notices = noticeRepeats(journal, byId);
  return {
    lost: [
      ...lostTransitions(journal, transitions),
      ...lostSends(journal, byId),
      ...lostAtTheEnd(journal, transitions, byId),
    ],
    resentWithoutProof: [...resentActions(journal, sends, posts), ...resentIds(journal, byId)],
    otherDuplicates: [...notices.others, ...sentAfterTheEnd(journal), ...noticesTwice(journal)],
    reordered: outOfOrder(journal, byId),
    unrecorded: posts.filter(({ id }) => !sent.has(id)).map(({ id, receiver }) => `${receiver} got ${id}`),
    noticeDuplicates: notices.unknown,
    transitions: transitions.length,
    sends: sends.length,
  };
}

/** A transition of which somebody was to be told or called, and nothing says what became of that. */
function lostTransitions({ log, deliveries, called }: Journal, transitions: readonly Transition[]): string[] {
  const made = new Set([...deliveries.values()].map((one) => `${one.alarmId}/${one.transition}/${one.receiver}`));
  return transitions.flatMap((told) => {
    const { alarmId, name, transition, to, by } = told;
    if (by !== undefined) return [];
    const from = log.indexOf(told);
    const next = log.findIndex((one, index) => index > from && one.d === "transition" && one.alarmId === alarmId);
    const during = log.slice(from + 1, next < 0 ? undefined : next);
    // An action that a gate held, or that came while the service stopped, and that nobody asked for any more after it.
    const journalled = during.some((one) => (one.d === "hold" || one.d === "release") && one.alarmId === alarmId);
    return called(alarmId, to).flatMap(({ receiver, class: kind }) => {
      if (made.has(`${alarmId}/${transition}/${receiver}`)) return [];
      // Receivers of one list are called one after another: the state may be left before the second one's turn.
      if (kind === "control" && (journalled || receiver.endsWith("2"))) return [];
      return [`${name} ${transition} → ${to}: nothing for ${receiver} in ${JSON.stringify(during)}`];
    });
  });
}

/** What the ledger says has come, and has not; and what still waits although there was all the time for it. */
function lostSends({ deliveries }: Journal, byId: ReadonlyMap<string, readonly Post[]>): string[] {
  return [...deliveries.values()].flatMap(({ id, status, receiver, class: kind }) => {
    const accepted = byId.get(id)?.some(({ answered }) => answered === 202) ?? false;
    if (status === "waiting" || status === "claimed") return [`${receiver} ${id} is still ${status}`];
    if (status === "delivered" && !accepted) return [`${receiver} ${id} is recorded as delivered`];
    const ends =
      kind === "notice" ? ["delivered", "superseded", "dropped"] : ["delivered", "superseded", "busy", "uncertain"];
    return ends.includes(status) ? [] : [`${receiver} ${id} ended ${status}`];
  });
}

/**
 * The newest high load lasted until everything was done: its actions ran, or one of which nobody can know was followed
 * by an effect.
 */
export function lostAtTheEnd(
  { log, called, deliveries }: Journal,
  transitions: readonly Transition[],
  byId: ReadonlyMap<string, readonly Post[]>,
): string[] {
  const last = transitions.findLast(({ name, to }) => name === "high" && to === "alarm");
  if (!last) return ["no alarm"];
  const { alarmId, transition, name } = last;
  const own = [...deliveries.values()].filter((one) => one.alarmId === alarmId && one.transition === transition);
  const effective = log.some(
    (one) =>
      one.d === "effect" && one.alarmId === alarmId && one.transition === transition && one.effect === "effective",
  );
  return called(alarmId, "alarm").flatMap(({ receiver }) => {
    const done = own.some(
      (one) => one.receiver === receiver && (byId.has(one.id) || (one.status === "uncertain" && effective)),
    );
    return done ? [] : [`${name} ${transition}: ${receiver} was never called`];
  });
}

/** Calls of one receiver for one transition of which the one before may have run. */
function resentActions({ log, outcomes }: Journal, sends: readonly Send[], posts: readonly Post[]): string[] {
  const control = sends.filter((one) => one.class === "control");
  const alarmOf = new Map(posts.map(({ id, alarmId }) => [id, alarmId]));
  const chains = Map.groupBy(
    control,
    ({ receiver, transition, notification }) => `${notification.alarmId}/${transition}/${receiver}`,
  );
  return [...chains].flatMap(([chain, calls]) =>
    calls.flatMap((call, index) => {
      const before = calls[index - 1];
      if (!before) return [];
      const outcome = outcomes.get(`${before.delivery}/${before.attempt}`)?.outcome ?? "uncertain";
      const wrong = (why: string) => [`${chain}: ${call.delivery}/${call.attempt} ${why}`];
      if (outcome === "not_run") return [];
      if (call.delivery === before.delivery) return wrong(`again under its id, after ${outcome}`);
      if (outcome === "busy" || outcome === "cancelled" || outcome === "rejected") return [];
      if (outcome === "accepted" && !isRepeat(call)) return wrong("although it was accepted");
      const from = log.indexOf(before);
      const effects = log.slice(from, log.indexOf(call)).filter((one) => one.d === "effect");
      const alarmId = alarmOf.get(before.delivery) ?? before.notification.alarmId;
      const seen = effects.some((one) => one.d === "effect" && one.effect === "effective" && one.alarmId === alarmId);
      if (seen) return isRepeat(call) ? [] : wrong("although its effect was seen");
      const waitedMs = call.at - laneStart(control, before);
      return waitedMs >= SETTLE_MS ? [] : wrong(`after ${waitedMs} ms, ${outcome}`);
    }),
  );
}

/** Instant of the lane action that a call belongs to: the receivers of one list are called one after another. */
function laneStart(control: readonly Send[], call: Send): number {
  if (!call.receiver.endsWith("2")) return call.at;
  const first = control
    .slice(0, control.indexOf(call))
    .findLast((one) => `${one.receiver}2` === call.receiver && one.transition === call.transition);
  return first?.at ?? call.at;
}

/** One id of an action that came twice: only what the receiver itself said had not run may. */
function resentIds({ deliveries }: Journal, byId: ReadonlyMap<string, readonly Post[]>): string[] {
  return [...byId].flatMap(([id, posts]) =>
    deliveries.get(id)?.class === "control" && posts.slice(0, -1).some(({ answered }) => answered !== 503)
      ? [`${id} came ${posts.length} times`]
      : [],
  );
}

/** Notices that came again: legitimate where no accepting answer could be recorded, or the answer asked for it. */
function noticeRepeats(
  { deliveries, outcomes }: Journal,
  byId: ReadonlyMap<string, readonly Post[]>,
): { unknown: number; others: string[] } {
  let unknown = 0;
  const others: string[] = [];
  for (const [id, posts] of byId) {
    const delivery = deliveries.get(id);
    if (delivery?.class !== "notice") continue;
    const attempts = Array.from({ length: delivery.attempts }, (_, index) => outcomes.get(`${id}/${index + 1}`));
    // An answer that came when its time was over: for the service there was none.
    let tooLate = attempts.filter((one) => one?.outcome === "uncertain" && one.status === undefined).length;
    posts.slice(0, -1).forEach(({ answered, life }, index) => {
      if (answered !== undefined && answered !== 202) return;
      unknown++;
      const mayHaveKnown = answered === 202 && posts[index + 1]?.life === life;
      if (mayHaveKnown && --tooLate < 0) others.push(`${id} came again in one life, although it was accepted`);
    });
    const accepted = attempts.findIndex((one) => one?.outcome === "accepted");
    if (accepted >= 0 && accepted < attempts.length - 1)
      others.push(`${id} was tried again after attempt ${accepted + 1}`);
  }
  return { unknown, others };
}

function sentAfterTheEnd({ log }: Journal): string[] {
  const ended = new Set<string>();
  return log.flatMap((one) => {
    if (one.d === "end") ended.add(one.delivery);
    return one.d === "send" && ended.has(one.delivery) ? [`${one.delivery} was sent after its end`] : [];
  });
}

/** One transition told to one receiver under two ids. */
function noticesTwice({ deliveries }: Journal): string[] {
  const first = [...deliveries.values()].filter(
    (one) => one.class === "notice" && one.notification.previous !== one.notification.current,
  );
  return [...Map.groupBy(first, (one) => `${one.alarmId}/${one.transition}/${one.receiver}`)].flatMap(([what, ids]) =>
    ids.length > 1 ? [`${what} has ${ids.length} ids`] : [],
  );
}

/** First arrivals at one receiver, of one alarm: transitions never go back, and of notices their repeats neither. */
function outOfOrder({ deliveries }: Journal, byId: ReadonlyMap<string, readonly Post[]>): string[] {
  const arrivals = [...byId.keys()].flatMap((id) => deliveries.get(id) ?? []);
  return [...Map.groupBy(arrivals, ({ alarmId, receiver }) => `${alarmId}/${receiver}`)].flatMap(([what, came]) =>
    came.flatMap((one, index) => {
      const before = came[index - 1];
      if (!before) return [];
      const goesBack =
        one.transition < before.transition || (one.transition === before.transition && one.repeat < before.repeat);
      return goesBack ? [`${what}: ${one.transition}/${one.repeat} after ${before.transition}/${before.repeat}`] : [];
    }),
  );
}
