/** Reads all that a data folder has to say, through the code that the service reads it with. */

import { openMetrics } from "../../src/backend/sqlite/openMetrics.ts";
import { openState } from "../../src/backend/sqlite/openState.ts";
import { damageIn } from "../../src/backend/sqlite/sums.ts";
import { messageOf, TocsinError } from "../../src/lib/errors.ts";
import { RULES } from "./storageRun.ts";

/** What each read gave, as JSON, or the code it was refused with. */
export type Said = ReadonlyMap<string, string>;

export interface Opened {
  /** The code of what opening it threw. */
  readonly refused?: string;
  readonly damaged: readonly string[];
  readonly said: Said;
}

/** All that can be read of a folder, damaged or not. */
export function readAll(folder: string): Opened {
  const said = new Map<string, string>();
  let state: ReturnType<typeof openState> | undefined;
  let metrics: ReturnType<typeof openMetrics> | undefined;
  try {
    try {
      state = openState(folder, 0);
      metrics = openMetrics(folder, { at: 0, id: state.db.id, isUsed: state.isUsed });
    } catch (error) {
      return { refused: codeOf(error), damaged: state?.damaged ?? [], said };
    }
    const { db } = state;
    const series = metrics.db;
    const read = (what: string, get: () => unknown) => {
      try {
        said.set(what, JSON.stringify(get()) ?? "undefined");
      } catch (error) {
        said.set(what, codeOf(damageIn(error) ?? error));
      }
    };
    read("load", () => db.load());
    read("inputs", () => db.inputs("web"));
    read("ticks", () => db.ticks("web", -Infinity));
    read("log", () => db.decisionLog("web"));
    read("baselines", () => db.baselines());
    read("deliveries", () => db.deliveries({ limit: 10_000 }));
    read("delivered", () => db.deliveries({ statuses: ["delivered"], clusterId: "web", limit: 10_000 }));
    for (const { id } of RULES.alarms)
      read(`decisions ${id}`, () => db.decisions("web", { alarmId: id, limit: 10_000 }));
    for (const seq of [10, 30, Number.MAX_SAFE_INTEGER]) {
      read(`checkpoint ${seq}`, () => db.checkpoint("web", Number.MAX_SAFE_INTEGER, seq));
      read(`rules ${seq}`, () => db.rulesAt("web", seq));
    }
    read("each delivery", () => db.deliveries({ limit: 10_000 }).map(({ id }) => db.delivery(id)));
    read("series", () => series.ticks("web", -Infinity));
    read("raw counters", () => series.baselines());
    return { damaged: [...state.damaged, ...metrics.damaged], said };
  } finally {
    metrics?.db.close();
    state?.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof TocsinError ? error.code : `not an error of ours: ${messageOf(error)}`;
}
