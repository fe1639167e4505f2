/** Meters of a row that is kept, without what all names begin with: what benchmarks of the store write and ask for. */

export const LB = "network.services.lb";
export const COUNTERS: readonly string[] = [
  "incoming.bytes",
  "outgoing.bytes",
  "total.connections",
  "requests",
  "responses.2xx",
  "responses.5xx",
];
export const GAUGES: readonly string[] = ["active.connections", "queue.current"];
