/** A query worker that hangs, breaks or says nothing as it is told, and otherwise answers with the number of its thread. */

import { parentPort, threadId } from "node:worker_threads";
import type { Asked } from "../../src/query/queries.ts";

parentPort?.on("message", (asked: Asked) => {
  if (asked.what === "catalog") throw new Error("it broke");
  const { id, query } = asked;
  // Nothing of this thread runs any more.
  if (query.meterName === "hang") for (;;);
  if (query.meterName !== "silence") parentPort?.postMessage({ id, ok: true, value: threadId });
});
