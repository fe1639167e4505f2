import type { SampleStore, TickRecord } from "../../ports.ts";
import { newestBaselines } from "./baselines.ts";

/** Keeps series in memory: for tests and simulations. */
export function createMemoryStore(): SampleStore {
  const records = new Map<string, TickRecord>();
  return {
    async put(record) {
      records.set(`${record.clusterId}\n${record.seq}`, structuredClone(record));
    },
    async ticks(clusterId, afterNumber, limit = Infinity) {
      return [...records.values()]
        .filter((record) => record.clusterId === clusterId && record.tick.number > afterNumber)
        .sort((a, b) => a.seq - b.seq)
        .slice(0, limit)
        .map((record) => ({ ...structuredClone(record), baselines: {} }));
    },
    async baselines() {
      const all = [...records.values()].flatMap(({ clusterId, seq, baselines }) =>
        Object.entries(baselines).map(([source, baseline]) => ({ clusterId, source, seq, baseline })),
      );
      return newestBaselines(all);
    },
    async close() {},
  };
}
