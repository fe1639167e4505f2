/** The service as a process sees it that does not work on all of it: every engine is asked for its part. */

import { beginningIn } from "../../../lib/beginnings.ts";
import { TocsinError } from "../../../lib/errors.ts";
import type { Decision } from "../../../model/decision.ts";
import type { Explanation } from "../../../model/explanation.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "../../../model/metricView.ts";
import type {
  AlarmView,
  ClusterView,
  DeliveryDetail,
  DeliveryView,
  ReceiverTest,
  ReceiverView,
  ServiceView,
  SourceView,
  Told,
} from "../../../serviceView.ts";
import { count, done, listOf, maybe, objectOf, texts } from "./remoteViewAnswers.ts";
import type { Answers, AskingOptions, Question } from "./remoteViewAsking.ts";
import { Asking, unownedLines } from "./remoteViewAsking.ts";
import { mergedByAge, mergedByName, mergedCatalogs, mergedSeries } from "./remoteViewMerge.ts";
import { Unanswered } from "./requests.ts";

export interface RemoteViewOptions extends AskingOptions {
  /** What the agents say of their sources. */
  readonly sources: () => Told<readonly SourceView[]>;
}

/** How long answers may take, ms. People wait 10 s at a terminal, but for queries and tests. */
const LIST_MS = 2000;
const LOOKUP_MS = 5000;
const EXPLAIN_MS = 9000;
const COMMAND_MS = 6000;
const QUERY_MS = 60_000;
const TEST_MS = 120_000;

/**
 * A view of the whole service. Lists are what the engines that answer have; they reject with `E660` when none does, and
 * `lacks` says what may be missing. What is of one cluster is asked of its owner. Besides what a view throws it throws
 * `E660` to `E665` (docs/errors.md).
 */
export function remoteView(options: RemoteViewOptions): ServiceView {
  const asking = new Asking(options);
  const ownerOf = (clusterId: string) => asking.ownerOf(clusterId);
  const list = async <T>(question: Question<readonly T[]>) => someOf(await asking.all(question));
  const rows = <T extends Named>(
    of: Question<readonly T[]>["of"],
    method: Question<T>["method"],
    id: keyof T & string,
  ) => list({ method, args: [], of, read: listOf<T>("cluster_id", "cluster_name", id), timeoutMs: LIST_MS });

  const clusters = async () =>
    mergedByName(await rows<ClusterView>((view) => view.clusters(), "clusters", "cluster_id"), ownerOf);

  const delivery = async (id: string) => {
    const question: Question<DeliveryDetail | undefined> = {
      ...{ method: "delivery", args: [id], timeoutMs: LOOKUP_MS },
      of: (view) => view.delivery(id),
      read: maybe(objectOf<DeliveryDetail>(["delivery_id", "cluster_id"])),
    };
    if (id.length >= WHOLE_ID) return asking.any(question, (found) => found !== undefined);
    // Of a beginning each engine knows only whether it is one of its own.
    const { answered, failed } = await asking.all(question);
    const found = new Map(answered.flatMap(({ value }) => (value ? [[value.delivery_id, value] as const] : [])));
    if (found.size > 1) throw new TocsinError("E406", `several deliveries begin with ${id}: write more of the id`);
    const [first] = failed;
    if (first) throw refusalIn(failed) ?? notAll(first.error.message);
    return [...found.values()][0];
  };

  return {
    bus: () => asking.bus(),
    lacks: () => asking.lacks(),
    sources: options.sources,
    clusters,
    receivers: async () =>
      mergedByName(await rows<ReceiverView>((view) => view.receivers(), "receivers", "name"), ownerOf),
    alarms: async () => mergedByName(await rows<AlarmView>((view) => view.alarms(), "alarms", "alarm_id"), ownerOf),
    metrics: async () =>
      mergedByName(await rows<MetricView>((view) => view.metrics(), "metrics", "meter_name"), ownerOf),

    async degraded() {
      const { answered } = await asking.all({
        ...{ method: "degraded", args: [], timeoutMs: LIST_MS },
        of: (view) => view.degraded(),
        read: texts,
      });
      const said = answered.flatMap(({ id, value }) => value.map((line) => `engine ${id}: ${line}`));
      return [...(await asking.lacks()), ...said];
    },

    async metricCatalog(filter) {
      const { known, id } = await clusterIn(filter.cluster, clusters);
      const asked = id === undefined ? filter : { ...filter, cluster: id };
      const question: Question<MetricCatalog> = {
        ...{ method: "metricCatalog", args: [asked], timeoutMs: QUERY_MS },
        of: (view) => view.metricCatalog(asked),
        read: objectOf<MetricCatalog>([], ["clusters", "resources"]),
      };
      if (known) return asking.owner(known, question);
      const answers = await asking.all(question);
      return mergedCatalogs(withoutUnknown(answers), ownerOf) ?? noneOf(answers);
    },

    async queryMetrics(query) {
      const { known, id } = await clusterIn(query.cluster, clusters);
      const asked = id === undefined ? query : { ...query, cluster: id };
      const question: Question<MetricSeriesView> = {
        ...{ method: "queryMetrics", args: [asked], timeoutMs: QUERY_MS },
        of: (view) => view.queryMetrics(asked),
        read: objectOf<MetricSeriesView>(["meter_name", "from", "to", "resolution"], ["series"]),
      };
      if (known) return asking.owner(known, question);
      const answers = await asking.all(question);
      return mergedSeries(withoutUnknown(answers), ownerOf) ?? noneOf(answers);
    },

    async deliveries(query) {
      const answered = await list<DeliveryView>({
        ...{ method: "deliveries", args: [query], timeoutMs: LIST_MS },
        of: (view) => view.deliveries(query),
        read: listOf<DeliveryView>("delivery_id", "cluster_id", "created_at"),
      });
      return mergedByAge(answered, ownerOf, query.limit);
    },

    delivery,

    async deliver(begun, what) {
      const found = await delivery(begun);
      if (!found) throw new TocsinError("E406", `there is no delivery ${begun}: "tocsin delivery list" has them`);
      const { delivery_id: id, cluster_id: clusterId } = found;
      return asking.owner<DeliveryView>(clusterId, {
        ...{ method: "deliver", args: [id, what], timeoutMs: COMMAND_MS, doing: `the ${what}` },
        of: (view) => view.deliver(id, what),
        read: objectOf<DeliveryView>(["delivery_id", "status"]),
      });
    },

    testReceiver: (clusterId, receiver, send) =>
      asking.owner<ReceiverTest>(clusterId, {
        ...{ method: "testReceiver", args: [clusterId, receiver, send], timeoutMs: TEST_MS },
        ...(send ? { doing: "the test" } : {}),
        of: (view) => view.testReceiver(clusterId, receiver, send),
        read: objectOf<ReceiverTest>(["name", "cluster_id"]),
      }),

    explain: (alarmId, at) =>
      asking.any<Explanation | undefined>(
        {
          ...{ method: "explain", args: [alarmId, at ?? null], timeoutMs: EXPLAIN_MS },
          of: (view) => view.explain(alarmId, at),
          read: maybe(objectOf<Explanation>(["cluster_id"])),
        },
        (found) => found !== undefined,
      ),

    async history(alarmId, limit) {
      const found = await asking.any<readonly Decision[]>(
        {
          ...{ method: "history", args: [alarmId, limit], timeoutMs: LOOKUP_MS },
          of: (view) => view.history(alarmId, limit),
          read: listOf<Decision>("d"),
        },
        (decisions) => decisions.length > 0,
      );
      return found ?? [];
    },

    command: (clusterId, command) =>
      asking.owner<void>(clusterId, {
        ...{ method: "command", args: [clusterId, command], timeoutMs: COMMAND_MS, doing: `the ${command.command}` },
        of: (view) => view.command(clusterId, command),
        read: done,
      }),

    async event(event) {
      const { answered, failed } = await asking.all({
        ...{ method: "event", args: [event], timeoutMs: COMMAND_MS },
        of: (view) => view.event(event),
        read: count,
      });
      const heard = answered.reduce((sum, { value }) => sum + value, 0);
      const unheard = [...failed.map(({ error }) => error.message), ...unownedLines(asking.bus().unowned)];
      const [why] = answered.length === 0 && failed.length === 0 ? ["no engine is there"] : unheard;
      if (why === undefined) return heard;
      const message = `${heard} clusters have heard it, and of others it is not known: ${why}; look before you repeat it`;
      throw new TocsinError("E663", message);
    },
  };
}

/** `msg_` and a UUID. */
const WHOLE_ID = 40;

type Named = { readonly cluster_id: string; readonly cluster_name: string };

/**
 * Which cluster is meant: `known` is its id where there is one, `id` what engines are asked for. A cluster that is gone
 * is not known and may be kept all the same. Throws `E411` where several have the name.
 */
async function clusterIn(
  asked: string | undefined,
  clusters: () => Promise<readonly ClusterView[]>,
): Promise<{ readonly known?: string; readonly id?: string }> {
  if (asked === undefined) return {};
  const all = await clusters();
  const begin = beginningIn(asked);
  const begins = (text: string) => begin !== undefined && text.startsWith(begin);
  const groups = [
    all.filter((one) => one.cluster_id === asked),
    all.filter((one) => one.cluster_name === asked),
    all.filter((one) => begins(one.cluster_id) || begins(one.cluster_name)),
  ];
  const [only, ...others] = groups.find((group) => group.length > 0) ?? [];
  if (only && others.length === 0) return { known: only.cluster_id, id: only.cluster_id };
  if (!only || !groups[1]?.includes(only)) return { id: asked };
  const ids = groups[1].map((one) => one.cluster_id).join(", ");
  throw new TocsinError("E411", `${groups[1].length} clusters are named ${asked}; say which by its id: ${ids}`);
}

/** What was answered, where anybody has answered. */
function someOf<T>(answers: Answers<T>): Answers<T>["answered"] {
  return answers.answered.length > 0 ? answers.answered : noneOf(answers);
}

/** Of a query that part would not do for: an engine that does not know the name has nothing to add. */
function withoutUnknown<T>({ answered, failed }: Answers<T>): Answers<T>["answered"] {
  const others = failed.filter(({ error }) => error.code !== "E411");
  const [first] = others;
  if (first) throw refusalIn(others) ?? notAll(first.error.message);
  return answered;
}

/** Throws what was said against it, or that nobody has said anything. */
function noneOf({ failed }: Answers<unknown>): never {
  const refusal = refusalIn(failed);
  if (refusal) throw refusal;
  const [first] = failed;
  throw new TocsinError("E660", `no engine can be asked: ${first?.error.message ?? "none is there"}`);
}

/** An engine's own word against it: one that knows better what was meant goes first. */
function refusalIn(failed: Answers<unknown>["failed"]): TocsinError | undefined {
  const refusals = failed.map(({ error }) => error).filter((error) => !(error instanceof Unanswered));
  return refusals.find(({ message }) => message.includes("did you mean")) ?? refusals[0];
}

function notAll(why: string): TocsinError {
  return new TocsinError("E661", `not all could be asked: ${why}; ask again in some seconds`);
}
