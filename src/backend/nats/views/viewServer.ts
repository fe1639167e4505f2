/** What an engine answers other processes of the service: its view, of the partitions that it works on. */

import type { Command, EventInput } from "../../../model/decision.ts";
import type { MetricQuery } from "../../../model/metricQuery.ts";
import type { DeliveriesAsked, ServiceView } from "../../../serviceView.ts";
import type { NatsLink } from "../link/link.ts";
import { BadRequest, serveRequests } from "./requests.ts";
import type { Check } from "./viewServerShapes.ts";
import {
  isCommand,
  isCount,
  isDeliveriesAsked,
  isEvent,
  isFilter,
  isFlag,
  isInstant,
  isQuery,
  isText,
  oneOf,
} from "./viewServerShapes.ts";

/** What may be asked of a process: the view's own methods, but for what every process knows by itself; and `working`. */
export type ViewMethod = Exclude<keyof ServiceView, "sources" | "bus" | "lacks"> | "working";

/**
 * Answers with that view from now on. `working`: the partitions whose clusters are in the view by now, which of those it
 * owns are all but the ones that it is taking over. Returns what ends it, within 2 s: then nobody is there to be asked.
 */
export async function serveView(
  link: NatsLink,
  memberId: string,
  view: ServiceView,
  working?: () => readonly number[],
): Promise<() => Promise<void>> {
  const calls = callsOf(view, working);
  const stop = serveRequests(link, memberId, async (method, args) => {
    const call = isMethod(method, calls) ? calls[method] : undefined;
    if (!call) throw new BadRequest("method");
    if (args.length !== call.checks.length || !call.checks.every((check, index) => check(args[index]))) {
      throw new BadRequest("request");
    }
    return call.run(args);
  });
  // From here on the server has the subscription.
  await link.nc.flush();
  return stop;
}

interface Call {
  readonly checks: readonly Check[];
  readonly run: (args: readonly unknown[]) => unknown;
}

/** Every call with what its arguments have to be: they are read as that, once they have been checked. */
function callsOf(
  view: ServiceView,
  working: (() => readonly number[]) | undefined,
): Readonly<Record<ViewMethod, Call>> {
  const told = (run: () => unknown): Call => ({ checks: [], run });
  return {
    working: told(() => working?.() ?? null),
    degraded: told(() => view.degraded()),
    alarms: told(() => view.alarms()),
    metrics: told(() => view.metrics()),
    clusters: told(() => view.clusters()),
    receivers: told(() => view.receivers()),
    metricCatalog: {
      checks: [isFilter],
      run: ([filter]) => view.metricCatalog(filter as Parameters<ServiceView["metricCatalog"]>[0]),
    },
    queryMetrics: { checks: [isQuery], run: ([query]) => view.queryMetrics(query as MetricQuery) },
    deliveries: { checks: [isDeliveriesAsked], run: ([query]) => view.deliveries(query as DeliveriesAsked) },
    delivery: { checks: [isText], run: ([id]) => view.delivery(id as string) },
    deliver: {
      checks: [isText, oneOf("retry", "drop")],
      run: ([id, what]) => view.deliver(id as string, what as "retry" | "drop"),
    },
    testReceiver: {
      checks: [isText, isText, isFlag],
      run: ([cluster, receiver, send]) => view.testReceiver(cluster as string, receiver as string, send as boolean),
    },
    explain: {
      checks: [isText, (at) => at === null || isInstant(at)],
      run: ([id, at]) => view.explain(id as string, (at as number | null) ?? undefined),
    },
    history: { checks: [isText, isCount], run: ([id, limit]) => view.history(id as string, limit as number) },
    command: {
      checks: [isText, isCommand],
      run: ([clusterId, command]) => view.command(clusterId as string, command as Command),
    },
    event: { checks: [isEvent], run: ([event]) => view.event(event as EventInput) },
  };
}

function isMethod(name: string, calls: Readonly<Record<ViewMethod, Call>>): name is ViewMethod {
  return Object.hasOwn(calls, name);
}
