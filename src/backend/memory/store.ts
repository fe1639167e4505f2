import type { SampleStore, TickRecord } from "../../ports.ts";

/** Keeps series in memory: for tests and simulations. */
export function createMemoryStore(): SampleStore {
  const records = new Map<string, TickRecord>();
  return {
    async put(record) {
      records.set(`${record.clusterId}\n${record.seq}`, structuredClone(record));
    },
    async ticks(clusterId, afterNumber) {
      return [...records.values()]
        .filter((record) => record.clusterId === clusterId && record.tick.number > afterNumber)
        .sort((a, b) => a.seq - b.seq)
        .map((record) => ({ ...structuredClone(record), baselines: {} }));
    },
    async baselines() {
      const newest = new Map<
        string,
        { clusterId: string; source: string; seq: number; baseline: TickRecord["baselines"][string] }
      >();
      for (const { clusterId, seq, baselines } of records.values()) {
        for (const [source, baseline] of Object.entries(baselines)) {
          const key = `${clusterId}\n${source}`;
          if ((newest.get(key)?.seq ?? -1) < seq) newest.set(key, { clusterId, source, seq, baseline });
        }
      }
      return [...newest.values()].map(({ clusterId, source, baseline }) => ({ clusterId, source, baseline }));
    },
    async close() {},
  };
}
