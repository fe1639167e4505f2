/** The evaluator run on its own record (rules R2, R5): what it decided once it decides again, to the byte. */

import { emptyCluster } from "../evaluator/cluster.ts";
import { fold } from "../evaluator/fold.ts";
import type { RecordedInput } from "../model/decision.ts";
import type { Ledger } from "../ports.ts";
import type { SampleStore } from "../seriesPorts.ts";

/** All inputs of a cluster, by seq in order: those of the ledger and the ticks that only the store has. */
export async function recordedInputs(clusterId: string, ledger: Ledger, store: SampleStore): Promise<RecordedInput[]> {
  const inputs = new Map<number, RecordedInput>();
  for (const { seq, tick } of await store.ticks(clusterId, -Infinity)) inputs.set(seq, { seq, input: tick });
  for (const recorded of await ledger.inputs(clusterId)) inputs.set(recorded.seq, recorded);
  return [...inputs.values()].sort((a, b) => a.seq - b.seq);
}

/** The decision log that these inputs lead to, one line for each decision. */
export function replay(clusterId: string, inputs: readonly RecordedInput[]): string[] {
  const cluster = emptyCluster(clusterId);
  return inputs.flatMap(({ seq, input }) => {
    // A tick that was lost with the machine's power is a gap in the sequence: it was downtime.
    cluster.seq = seq - 1;
    return fold(cluster, input).decisions.map((decision) => JSON.stringify(decision));
  });
}
