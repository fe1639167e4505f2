import type { ClusterRules } from "../../model/alarm.ts";
import type { Decision, Delivery, RecordedInput } from "../../model/decision.ts";
import type { AttemptRow, Checkpoint, ClusterSnapshot, Commit, Ledger } from "../../ports.ts";
import type { StoredBaseline } from "../../seriesPorts.ts";
import { aboutOf } from "../about.ts";
import { alarmIdsOf, DECISIONS_BEFORE, deliveryIn, isOpen, reachOf } from "../forget.ts";
import { newestBaselines } from "./baselines.ts";

interface Kept {
  snapshot: ClusterSnapshot | undefined;
  readonly inputs: Map<number, RecordedInput>;
  /** Decision log: what each is about, and its line. */
  log: { readonly seq: number; readonly alarmId: string | undefined; readonly line: string }[];
  checkpoints: Checkpoint[];
}

/** Keeps the record in memory: for tests and simulations. It is durable as long as the object is. */
export function createMemoryLedger(): Ledger {
  const clusters = new Map<string, Kept>();
  const deliveries = new Map<string, Delivery>();
  const attempts = new Map<string, Map<number, AttemptRow>>();
  /** By delivery: the newest commit that said anything of it. */
  const touched = new Map<string, number>();
  let baselines: StoredBaseline[] = [];
  const keptOf = (clusterId: string): Kept => {
    const kept = clusters.get(clusterId) ?? { snapshot: undefined, inputs: new Map(), log: [], checkpoints: [] };
    clusters.set(clusterId, kept);
    return kept;
  };
  const inOrder = (kept: Kept) => [...kept.inputs.values()].sort((a, b) => a.seq - b.seq);
  return {
    async load() {
      return [...clusters.values()].flatMap((kept) =>
        kept.snapshot ? [{ snapshot: kept.snapshot, rules: rulesUpTo(inOrder(kept), Infinity) }] : [],
      );
    },
    async ticks(clusterId, afterNumber, limit = Infinity) {
      return inOrder(keptOf(clusterId))
        .filter(({ input }) => input.kind === "tick" && input.number > afterNumber)
        .slice(0, limit);
    },
    async commit(commit: Commit) {
      const copy = structuredClone(commit);
      const kept = keptOf(copy.clusterId);
      const { seq } = copy.snapshot;
      for (const recorded of copy.inputs) kept.inputs.set(recorded.seq, recorded);
      kept.snapshot = copy.snapshot;
      for (const delivery of copy.deliveries) deliveries.set(delivery.id, delivery);
      for (const id of [...copy.deliveries.map((one) => one.id), ...copy.decisions.map(deliveryIn)])
        if (id !== undefined) touched.set(id, seq);
      for (const attempt of copy.attempts) {
        const own = attempts.get(attempt.deliveryId) ?? new Map<number, AttemptRow>();
        attempts.set(attempt.deliveryId, own.set(attempt.attempt, attempt));
      }
      for (const decision of copy.decisions) {
        const alarmId = aboutOf(decision, (id) => deliveries.get(id)?.alarmId);
        kept.log.push({ seq, alarmId, line: JSON.stringify(decision) });
      }
      if (copy.checkpoint) kept.checkpoints.push(copy.checkpoint);
      baselines = newestBaselines([...baselines, ...copy.baselines]);
    },
    async deliveries({ clusterId, statuses, idPrefix = "", limit }) {
      return [...deliveries.values()]
        .filter((one) => clusterId === undefined || one.clusterId === clusterId)
        .filter((one) => (statuses?.includes(one.status) ?? true) && one.id.startsWith(idPrefix))
        .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
        .slice(0, limit);
    },
    async delivery(id) {
      const delivery = deliveries.get(id);
      const own = [...(attempts.get(id)?.values() ?? [])].sort((a, b) => a.attempt - b.attempt);
      return delivery && structuredClone({ delivery, attempts: own });
    },
    async inputs(clusterId, afterSeq = -Infinity, upToSeq = Infinity) {
      return inOrder(keptOf(clusterId)).filter(({ seq }) => seq > afterSeq && seq <= upToSeq);
    },
    async checkpoint(clusterId, at, beforeSeq) {
      return keptOf(clusterId).checkpoints.findLast((one) => one.at <= at && one.seq < beforeSeq);
    },
    async rulesAt(clusterId, seq) {
      return rulesUpTo(inOrder(keptOf(clusterId)), seq);
    },
    async decisions(clusterId, { alarmId, limit, upToSeq = Infinity }) {
      return keptOf(clusterId)
        .log.filter((one) => one.alarmId === alarmId && one.seq <= upToSeq)
        .reverse()
        .slice(0, limit)
        .map(({ line }) => JSON.parse(line) as Decision);
    },
    async baselines() {
      return [...baselines];
    },
    async decisionLog(clusterId) {
      return keptOf(clusterId).log.map(({ line }) => line);
    },
    async trim(before) {
      let deleted = 0;
      for (const [clusterId, kept] of clusters) {
        // One that a host without a clock labelled long ago does not make all before it old.
        const young = kept.checkpoints.findIndex((one) => one.at >= before);
        const oldest = (young < 0 ? kept.checkpoints : kept.checkpoints.slice(0, young)).at(-1);
        if (oldest) deleted += trimCluster(clusterId, kept, oldest);
      }
      const newer = baselines.filter(({ baseline }) => baseline.at >= before);
      deleted += baselines.length - newer.length;
      baselines = newer;
      return { deleted, more: false };
    },
    async close() {},
  };

  function trimCluster(clusterId: string, kept: Kept, { seq, number, doc }: Checkpoint): number {
    const all = inOrder(kept);
    const isRules = ({ input }: RecordedInput) => input.kind === "command" && input.command === "rules";
    const rules = all.findLast((one) => one.seq <= seq && isRules(one));
    const oldestTick = number - (reachOf(doc) ?? Infinity);
    const later = all.filter((one) => one.seq > seq && isRules(one));
    const alarms = alarmIdsOf([rules, ...later].flatMap((one) => (one ? [rulesUpTo([one], Infinity)] : [])));
    let deleted = 0;
    for (const { seq: own, input } of all) {
      const isNeeded = own > seq || own === rules?.seq || (input.kind === "tick" && input.number > oldestTick);
      if (!isNeeded && kept.inputs.delete(own)) deleted++;
    }
    const isPast = (one: (typeof kept.log)[number]) => one.seq <= seq;
    const needed = new Set(
      [...alarms].flatMap((alarmId) => {
        const own = kept.log.filter((one) => isPast(one) && one.alarmId === alarmId);
        const since = own.findLast(({ line }) => line.startsWith('{"d":"transition"'))?.seq;
        return since === undefined ? [] : own.filter((one) => one.seq >= since).slice(-DECISIONS_BEFORE);
      }),
    );
    const log = kept.log.filter((one) => !isPast(one) || needed.has(one));
    const checkpoints = kept.checkpoints.filter((one) => one.seq >= seq);
    deleted += kept.log.length - log.length + kept.checkpoints.length - checkpoints.length;
    kept.log = log;
    kept.checkpoints = checkpoints;
    const named = new Set([...needed].map(({ line }) => deliveryIn(JSON.parse(line) as Decision)));
    for (const [id, delivery] of deliveries) {
      if (delivery.clusterId !== clusterId || isOpen(delivery) || named.has(id)) continue;
      if ((touched.get(id) ?? Infinity) > seq || kept.snapshot?.doc.includes(id)) continue;
      deleted += 1 + (attempts.get(id)?.size ?? 0);
      attempts.delete(id);
      touched.delete(id);
      deliveries.delete(id);
    }
    return deleted;
  }
}

function rulesUpTo(inputs: readonly RecordedInput[], upToSeq: number): ClusterRules | undefined {
  const newest = inputs.findLast(
    ({ seq, input }) => seq <= upToSeq && input.kind === "command" && input.command === "rules",
  );
  return newest?.input.kind === "command" && newest.input.command === "rules" ? newest.input.rules : undefined;
}
