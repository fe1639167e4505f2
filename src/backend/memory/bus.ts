import type { ScrapeReport } from "../../model/tick.ts";
import type { SampleBus } from "../../ports.ts";

/** The bus of a single process: a subscriber is called before `publish` returns. */
export function createMemoryBus(): SampleBus {
  const handlers = new Set<(report: ScrapeReport) => void>();
  return {
    publish(report) {
      for (const handle of handlers) handle(report);
    },
    subscribe(handle) {
      handlers.add(handle);
      return () => handlers.delete(handle);
    },
  };
}
