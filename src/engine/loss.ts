/** What protects clusters whose log has lost what was read of it: as after a damaged record (rule R3). */

import type { Evaluator } from "../evaluator/evaluator.ts";
import { pausesAfterLoss } from "../evaluator/restore.ts";
import type { Logger } from "../ports.ts";

/** Pauses scaling of all clusters of an evaluator. `now`: epoch ms. Resolves when that is recorded. */
export async function pauseAfterLoss(evaluator: Evaluator, now: number, log: Logger): Promise<void> {
  const pauses = evaluator
    .clusters()
    .flatMap((cluster) => pausesAfterLoss(cluster, now, "record").map((pause) => ({ cluster, pause })));
  for (const { clusterId } of new Set(pauses.map(({ cluster }) => cluster)))
    log.warn("scaling is paused, scaling in until it is resumed: what was asked for is not known", {
      cluster_id: clusterId,
    });
  await Promise.all(pauses.map(({ cluster, pause }) => evaluator.command(cluster.clusterId, pause, true)));
}
