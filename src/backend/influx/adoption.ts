/**
 * A cluster that another process wrote before: its newest ticks in the store belong to blocks that the other may not have
 * rolled up any more. Their numbers are noted as if they had come here, and late.
 */

import { inTransaction } from "../sqlite/database.ts";
import type { Kind } from "./labels.ts";
import { numberOf } from "./points.ts";
import { checked, ofCluster, within } from "./reader.ts";
import { ROWS } from "./rowPoints.ts";
import { TICKS } from "./tickPoints.ts";
import type { UpkeepParts } from "./upkeep.ts";

/** So far back they are looked for: what is older has been rolled up, or never will be, ms. */
const BACK_MS = 3_600_000;
const MOST = 5000;

export class Adoption {
  readonly #parts: Pick<UpkeepParts, "database" | "server" | "labels" | "progress">;

  constructor(parts: Pick<UpkeepParts, "database" | "server" | "labels" | "progress">) {
    this.#parts = parts;
  }

  /** Looks at one cluster; whether there may be another. */
  async slice(kind: Kind): Promise<boolean> {
    const { database, labels, progress } = this.#parts;
    const [clusterId] = progress[kind].strangers(1);
    if (clusterId === undefined) return false;
    const newest = labels[kind].newest()?.at ?? 0;
    const measurement = kind === "clusters" ? TICKS : ROWS;
    const points = await this.#points(measurement, clusterId, newest);
    inTransaction(database, () => {
      for (const point of points) {
        const tick = { number: checked(() => numberOf(point, "tick")), at: point.at };
        labels[kind].add(tick);
        if (tick.number <= progress[kind].number) progress[kind].late(clusterId, tick, 0);
      }
      progress[kind].adopted(clusterId);
    });
    return true;
  }

  #points(measurement: string, clusterId: string, newest: number) {
    const fields = measurement === TICKS ? ['"tick"', '"seq"'] : ['"tick"', '"covered"'];
    return within(this.#parts.server, measurement, ofCluster(clusterId), newest - BACK_MS, newest, MOST, fields);
  }
}
