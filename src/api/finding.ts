/** Finds what a request names: by its id, or by a name that is only one's. Where not all could be asked: 503. */

import { beginningIn } from "../lib/beginnings.ts";
import { closest } from "../lib/closest.ts";
import type { AlarmView, ClusterView, ReceiverView, ServiceView } from "../serviceView.ts";
import { Refusal } from "./refusal.ts";

/** A cluster by id or name. Throws a refusal: 404 when there is none, 409 when there are several. */
export async function findCluster(view: ServiceView, idOrName: string): Promise<ClusterView> {
  const all = await view.clusters();
  const found = all.filter(({ cluster_id: id }) => id === idOrName);
  const whole = found.length > 0 ? found : all.filter(({ cluster_name: name }) => name === idOrName);
  // Tables cut ids.
  const begin = whole.length > 0 ? undefined : beginningIn(idOrName);
  const begins = (text: string) => begin !== undefined && text.startsWith(begin);
  const named = begin === undefined ? whole : all.filter((one) => begins(one.cluster_id) || begins(one.cluster_name));
  const names = all.map(({ cluster_name: name }) => name);
  return only(view, "cluster", idOrName, named, ({ cluster_id: id }) => id, names);
}

/** An alarm by id or name. Throws a refusal: 404 when there is none, 409 when there are several. */
export async function findAlarm(view: ServiceView, idOrName: string): Promise<AlarmView> {
  const all = await view.alarms();
  const found = all.filter(({ alarm_id: id }) => id === idOrName);
  const named = found.length > 0 ? found : all.filter(({ name }) => name === idOrName);
  const names = all.map(({ name }) => name);
  return only(view, "alarm", idOrName, named, (alarm) => `${alarm.alarm_id} (${alarm.cluster_name})`, names);
}

/** A receiver by its name, in one cluster or in all. Throws a refusal: 404 when there is none, 409 when there are several. */
export async function findReceiver(
  view: ServiceView,
  name: string,
  cluster: string | undefined,
): Promise<ReceiverView> {
  const clusterId = cluster === undefined ? undefined : (await findCluster(view, cluster)).cluster_id;
  const all = (await view.receivers()).filter((one) => clusterId === undefined || one.cluster_id === clusterId);
  const found = all.filter((one) => one.name === name);
  const [one, ...more] = found;
  if (one !== undefined && more.length === 0) return one;
  if (one !== undefined) {
    const where = found.map((each) => each.cluster_name).join(", ");
    throw new Refusal(409, `${found.length} clusters have a receiver ${name}; say which cluster: ${where}`);
  }
  await refuseUnlessWhole(view, `receiver ${name}`);
  const near = closest(
    name,
    all.map((each) => each.name),
  );
  const hint = near === undefined ? '"tocsin receiver list" names them' : `did you mean "${near}"?`;
  const who = cluster === undefined ? "there is no" : `cluster ${cluster} has no`;
  throw new Refusal(404, `${who} receiver ${name}: ${hint}`, "E408");
}

/** What is not found in lists that lack something may be there all the same: then 503, and not that there is none. */
export async function refuseUnlessWhole(view: ServiceView, what: string): Promise<void> {
  const [why] = (await view.lacks?.()) ?? [];
  if (why === undefined) return;
  throw new Refusal(
    503,
    `${what} is not found now, for not all could be asked: ${why}; ask again in some seconds`,
    "E661",
  );
}

async function only<T>(
  view: ServiceView,
  what: "cluster" | "alarm",
  named: string,
  found: readonly T[],
  describe: (one: T) => string,
  names: readonly string[],
): Promise<T> {
  const [one] = found;
  if (one === undefined) {
    await refuseUnlessWhole(view, `${what} ${named}`);
    const near = closest(named, names);
    const hint = near === undefined ? `"tocsin ${what} list" names them` : `did you mean "${near}"?`;
    throw new Refusal(404, `there is no ${what} ${named}: ${hint}`, what === "cluster" ? "E403" : undefined);
  }
  if (found.length === 1) return one;
  const where = found.map(describe).join(", ");
  throw new Refusal(409, `${found.length} ${what}s are named ${named}; say which by its id: ${where}`);
}
