/** Finds what a request names: by its id, or by a name that is only one's. */

import type { AlarmView, ClusterView, ServiceView } from "../ports.ts";
import { Refusal } from "./refusal.ts";

/** A cluster by id or name. Throws a refusal: 404 when there is none, 409 when there are several. */
export function findCluster(view: ServiceView, idOrName: string): ClusterView {
  const all = view.clusters();
  const found = all.filter(({ cluster_id: id }) => id === idOrName);
  const named = found.length > 0 ? found : all.filter(({ cluster_name: name }) => name === idOrName);
  return only("cluster", idOrName, named, ({ cluster_id: id }) => id);
}

/** An alarm by id or name. Throws a refusal: 404 when there is none, 409 when there are several. */
export function findAlarm(view: ServiceView, idOrName: string): AlarmView {
  const all = view.alarms();
  const found = all.filter(({ alarm_id: id }) => id === idOrName);
  const named = found.length > 0 ? found : all.filter(({ name }) => name === idOrName);
  return only("alarm", idOrName, named, (alarm) => `${alarm.alarm_id} (${alarm.cluster_name})`);
}

function only<T>(what: string, named: string, found: readonly T[], describe: (one: T) => string): T {
  const [one] = found;
  if (one === undefined) throw new Refusal(404, `there is no ${what} ${named}`);
  if (found.length === 1) return one;
  const where = found.map(describe).join(", ");
  throw new Refusal(409, `${found.length} ${what}s are named ${named}; say which by its id: ${where}`);
}
