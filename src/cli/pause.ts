/** `tocsin pause|resume`: scaling of a cluster that a person holds; `tocsin cluster list` shows it. */

import { formatDuration } from "../lib/durations.ts";
import type { PauseDirection } from "../model/decision.ts";
import type { Clock } from "../ports.ts";
import type { AlarmView, ClusterView } from "../serviceView.ts";
import { shortIds } from "./shortened.ts";
import { formatTable } from "./table.ts";

/** What `pause` and `resume` ask. */
export interface PauseRequest {
  readonly direction?: PauseDirection;
  /** As it was typed: the service reads it. */
  readonly for?: string;
}

/** What a pause came to, as a sentence. */
export function pausedText(cluster: ClusterView, { direction, for: duration }: PauseRequest): string {
  const until = duration === undefined ? `until "tocsin resume ${cluster.cluster_name}"` : `for ${duration}`;
  return `scaling ${direction ?? "in and out"} of ${cluster.cluster_name} is paused ${until}`;
}

/** What the end of a pause came to, as a sentence: what is still paused is said. */
export function resumedText(cluster: ClusterView, { direction }: PauseRequest): string {
  const still = pauseOf(cluster);
  const left = still === "-" ? "" : `; still paused: ${still}`;
  return `scaling ${direction ?? "in and out"} of ${cluster.cluster_name} is resumed${left}`;
}

/** One line for each cluster, with how many of its alarms are in alarm. */
export function clusterTable(
  clusters: readonly ClusterView[],
  alarms: readonly AlarmView[],
  clock: Pick<Clock, "now">,
  parseAt: (text: string) => number,
): string {
  const rows = clusters.map((cluster) => {
    const servers = Object.values(cluster.servers);
    const own = alarms.filter(({ cluster_id: id }) => id === cluster.cluster_id);
    return [
      shortIds(cluster.cluster_name),
      `${servers.filter((state) => state === "up").length}/${servers.length}`,
      cluster.lane,
      pauseOf(cluster),
      String(cluster.sources.length),
      `${own.filter(({ state }) => state === "alarm").length}/${own.length}`,
      cluster.timestamp === null ? "-" : `${formatDuration(clock.now() - parseAt(cluster.timestamp))} ago`,
      cluster.shadow ? "SHADOW: nothing is sent" : "",
    ];
  });
  const notes = clusters.some(({ shadow }) => shadow) ? ["NOTE"] : [];
  return formatTable(["CLUSTER", "SERVERS", "LANE", "PAUSED", "SOURCES", "ALARMS", "LAST TICK", ...notes], rows);
}

function pauseOf({ paused }: ClusterView): string {
  const directions = Object.entries(paused).map(([direction, leftS]) =>
    leftS === null ? direction : `${direction} ${formatDuration(leftS * 1000)}`,
  );
  return directions.sort().join(", ") || "-";
}
