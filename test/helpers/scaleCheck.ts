/** Holds what the receivers got against the log, and the log against itself and against the script of the load. */

import { partitionOf } from "../../src/lib/partition.ts";
import type { Decision } from "../../src/model/decision.ts";
import { replay } from "../../src/replay/replay.ts";
import type { Journal } from "./crashCheck.ts";
import { checkCluster } from "./crashCheck.ts";
import { SETTLE_MS } from "./crashRules.ts";
import type { Load, TrueLoad } from "./scaleLoad.ts";
import type { ScaleLog } from "./scaleLog.ts";
import type { ScalePost } from "./scaleReceiver.ts";

type Send = Extract<Decision, { d: "send" }>;

/** One sentence for each thing that must not be, by the promise that it breaks. */
export interface ScaleFaults {
  readonly lost: readonly string[];
  readonly doubleTransitions: readonly string[];
  readonly twoActions: readonly string[];
  readonly unsettled: readonly string[];
  readonly resentWithoutProof: readonly string[];
  readonly reordered: readonly string[];
  readonly otherDuplicates: readonly string[];
  /** Sent, and not recorded. */
  readonly unrecorded: readonly string[];
  /** Control actions that the load of that time did not ask for. */
  readonly unjustified: readonly string[];
  /** Records that do not come one behind the other. */
  readonly brokenChains: readonly string[];
  readonly replayDiffers: readonly string[];
}

export interface ScaleVerdict {
  readonly faults: ScaleFaults;
  readonly noticeDuplicates: number;
  readonly transitions: number;
  readonly sends: number;
  readonly records: number;
  /** The longest from the label of a control action's tick to the request, ms. */
  readonly slowestActionMs: number;
}

/** Who has to be so for an action of that alarm. */
const ASKED_BY: Readonly<Record<string, Load>> = { high: "many", low: "few" };
/** A tick's sample is taken so near its label at least, ms. */
const NEAR_MS = 1000;
/** What a sample said is acted upon so soon, or not at all, ms. */
const STALE_MS = 7000;

export function checkScale(log: ScaleLog, posts: readonly ScalePost[], load: TrueLoad): ScaleVerdict {
  const byCluster = Map.groupBy(posts, ({ cluster }) => cluster);
  const clusters = log.clusters.map((cluster) => {
    const own = byCluster.get(cluster) ?? [];
    const journal = log.journal(cluster);
    const sends = journal.log.filter((one): one is Send => one.d === "send");
    return {
      ...checkCluster(journal, own),
      doubleTransitions: doubleTransitions(cluster, journal.log),
      twoActions: atTheSameTime(own),
      unsettled: unsettled(journal),
      unjustified: unjustified(sends, own, load),
      brokenChains: brokenChains(cluster, log),
      replayDiffers: replayDiffers(cluster, log),
      records: log.of(cluster).length,
      slowestActionMs: Math.max(0, ...actions(sends, own).map(({ send, post }) => post.at - send.at)),
    };
  });
  const lines = (of: keyof ScaleFaults) => clusters.flatMap((one) => one[of]);
  const sum = (of: "noticeDuplicates" | "transitions" | "sends" | "records") =>
    clusters.reduce((total, one) => total + one[of], 0);
  return {
    faults: {
      lost: lines("lost"),
      doubleTransitions: lines("doubleTransitions"),
      twoActions: lines("twoActions"),
      unsettled: lines("unsettled"),
      resentWithoutProof: lines("resentWithoutProof"),
      reordered: lines("reordered"),
      otherDuplicates: lines("otherDuplicates"),
      unrecorded: lines("unrecorded"),
      unjustified: lines("unjustified"),
      brokenChains: lines("brokenChains"),
      replayDiffers: lines("replayDiffers"),
    },
    noticeDuplicates: sum("noticeDuplicates"),
    transitions: sum("transitions"),
    sends: sum("sends"),
    records: sum("records"),
    slowestActionMs: Math.max(...clusters.map(({ slowestActionMs }) => slowestActionMs)),
  };
}

/** Transitions of an alarm count on by one, and each begins where the one before ended. */
function doubleTransitions(cluster: string, log: readonly Decision[]): string[] {
  const transitions = log.flatMap((one) => (one.d === "transition" ? [one] : []));
  return [...Map.groupBy(transitions, ({ alarmId }) => alarmId).values()].flatMap((own) =>
    own.flatMap((one, index) => {
      const before = own[index - 1];
      if (!before || (one.transition === before.transition + 1 && one.from === before.to)) return [];
      return [`${cluster} ${one.name}: ${one.transition} from ${one.from} after ${before.transition} to ${before.to}`];
    }),
  );
}

/** Requests of actions to one cluster, of which the second came before the first was answered. */
function atTheSameTime(posts: readonly ScalePost[]): string[] {
  const control = posts.filter(({ receiver }) => /^(grow|shrink)/.test(receiver)).toSorted((a, b) => a.at - b.at);
  return control.flatMap((post, index) => {
    const before = control[index - 1];
    if (!before || post.at >= before.endedAt) return [];
    return [
      `${post.cluster}: ${post.receiver} at ${post.at}, ${before.receiver} from ${before.at} to ${before.endedAt}`,
    ];
  });
}

/** Actions that came although it could not be known yet whether one before in the same direction had run. */
function unsettled({ clusterId, log, outcomes }: Journal): string[] {
  const control = log.filter((one): one is Send => one.d === "send" && one.class === "control");
  return control.flatMap((send, index) => {
    const near = control
      .slice(0, index)
      .filter(({ direction, at }) => direction === send.direction && send.at - at < SETTLE_MS);
    return near.flatMap((before) => {
      // Receivers of one list are called one after another.
      if (send.receiver === `${before.receiver}2` && send.transition === before.transition) return [];
      const outcome = outcomes.get(`${before.delivery}/${before.attempt}`)?.outcome ?? "uncertain";
      if (outcome !== "uncertain") return [];
      const between = log.slice(log.indexOf(before), log.indexOf(send));
      if (between.some((one) => one.d === "effect" && one.effect === "effective")) return [];
      return [
        `${clusterId}: ${send.delivery} ${send.at - before.at} ms after ${before.delivery}, of which nothing is known; ${story(log, index < 4 ? undefined : control[index - 4], send)}`,
      ];
    });
  });
}

/** What was decided about actions from one send to another, for people. */
function story(log: readonly Decision[], from: Send | undefined, to: Send): string {
  return log
    .slice(from ? log.indexOf(from) : 0, log.indexOf(to) + 1)
    .flatMap((one) => {
      if (one.d === "send")
        return one.class === "control" ? [`send ${one.receiver} ${one.transition}.${one.repeat}`] : [];
      if (one.d === "transition") return [`${one.name} ${one.to}`];
      if (one.d === "end") return [`end ${one.end} ${one.reason}`];
      return one.d === "effect" ? [`effect ${one.effect}`] : one.d === "hold" ? [`hold ${one.gate}`] : [];
    })
    .join(", ");
}

/** Each request of an action with the decision that it came from. */
function actions(
  sends: readonly Send[],
  posts: readonly ScalePost[],
): { readonly send: Send; readonly post: ScalePost }[] {
  return posts.flatMap((post) => {
    const send = sends.findLast(({ delivery, at }) => delivery === post.id && at <= post.at);
    return send?.class === "control" ? [{ send, post }] : [];
  });
}

/** Of an action the load asked for it between the decision's tick and the request, and lately. */
function unjustified(sends: readonly Send[], posts: readonly ScalePost[], load: TrueLoad): string[] {
  return actions(sends, posts).flatMap(({ send, post }) => {
    const asked = ASKED_BY[send.notification.alarmName] ?? "some";
    const { cluster, receiver, at } = post;
    const from = Math.max(send.at - NEAR_MS, at - STALE_MS);
    if (load.was(cluster, asked, from, at)) return [];
    return [
      `${cluster}: ${receiver} ${at - send.at} ms after the tick ${send.at}, without ${asked} sessions since ${from}`,
    ];
  });
}

/** Each record names the one before it, and inputs are numbered without a gap. */
function brokenChains(cluster: string, log: ScaleLog): string[] {
  const records = log.of(cluster);
  const links = records.flatMap(({ seq, follows }, index) => {
    const before = records[index - 1]?.seq ?? 0;
    return follows === before ? [] : [`${cluster}: record ${seq} follows ${follows}, not ${before}`];
  });
  const inputs = log.inputs(cluster);
  const numbers = inputs.flatMap(({ seq }, index) => {
    const before = inputs[index - 1]?.seq ?? 0;
    return seq === before + 1 ? [] : [`${cluster}: input ${seq} after ${before}`];
  });
  return [...links, ...numbers];
}

/** Its inputs, folded from nothing, lead to the decisions that stand there, to the byte. */
function replayDiffers(cluster: string, log: ScaleLog): string[] {
  const recorded = log.decisions(cluster).map((decision) => JSON.stringify(decision));
  const again = replay(cluster, log.inputs(cluster));
  const at = recorded.findIndex((line, index) => line !== again[index]);
  if (at < 0 && again.length <= recorded.length) return [];
  return [`${cluster}, ${at}: ${recorded[at]} | ${again[at < 0 ? recorded.length : at]}`];
}

/** An owner that was ended, and what it owned then. */
export interface Death {
  readonly at: number;
  readonly by: string;
  readonly partitions: readonly number[];
}

/** A time in which NATS had no leader, epoch ms. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

export interface Takeover {
  readonly by: string;
  /** From the death to the first record of another owner in the partition's log; Infinity: none came. */
  readonly ms: number;
  /** NATS answered all the time. */
  readonly isQuiet: boolean;
}

/** What became of each partition of which the owner was ended. */
export function takeovers(
  log: ScaleLog,
  partitions: number,
  deaths: readonly Death[],
  outages: readonly Outage[],
): Takeover[] {
  const beginnings = new Map<number, number[]>();
  for (const cluster of log.clusters) {
    const partition = partitionOf(cluster, partitions);
    const own = beginnings.get(partition) ?? [];
    for (const { at, commit } of log.of(cluster))
      if (commit.inputs.some(({ input }) => input.kind === "start")) own.push(at);
    beginnings.set(partition, own);
  }
  return deaths.flatMap(({ at, by, partitions: owned }) =>
    owned
      .filter((partition) => beginnings.has(partition))
      .map((partition) => {
        const begun = Math.min(
          ...(beginnings.get(partition) ?? []).filter((one) => one >= at),
          Number.POSITIVE_INFINITY,
        );
        return { by, ms: begun - at, isQuiet: !outages.some(({ from, to }) => from <= begun && at <= to) };
      }),
  );
}
