import { formatDuration } from "../lib/durations.ts";
import type { Alarm, ThresholdRule } from "../model/alarm.ts";
import { thresholdRules } from "../model/alarm.ts";
import type { YamlFile } from "./yamlFile.ts";

/** Warns of alarms that look further back than series are kept: after a restart their windows begin anew. */
export function checkKept(file: YamlFile, alarms: readonly Alarm[], keptS: number): void {
  alarms.forEach(({ name, rule }, index) => {
    const longest = Math.max(0, ...thresholdRules(rule).map(reachS));
    if (longest <= keptS) return;
    const [wanted, kept] = [longest, keptS].map((seconds) => formatDuration(seconds * 1000));
    const message = `alarm "${name}" looks back ${wanted}, and series are kept for ${kept}`;
    file.warn(["alarms", index], "W010", message, "set store.retention.clusters of tocsin.yaml higher");
  });
}

/** How far back a rule may look, seconds (rule J2): one window more than it has periods, or as many again for outliers. */
function reachS({ periodS, evaluationPeriods: periods, excludeOutliers }: ThresholdRule): number {
  return periodS * (excludeOutliers ? 2 * periods : periods + 1);
}
