import { parentPort } from "node:worker_threads";
import type { Call, Reply } from "./worker.ts";

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Serves calls in a worker. `open` runs with the first of them, so that a database that cannot be opened is that
 * call's error and not the thread's end.
 */
export function serve(open: () => Methods): void {
  let methods: Methods | undefined;
  parentPort?.on("message", ({ id, method, args }: Call) => {
    let reply: Reply;
    try {
      // What was never opened has nothing to close, and must not be opened for it.
      if (method === "close" && !methods) {
        parentPort?.postMessage({ id, ok: true, value: undefined } satisfies Reply);
        return;
      }
      methods ??= open();
      const run = methods[method];
      if (!run) throw new Error(`no method ${method}`);
      reply = { id, ok: true, value: run(...(args as never[])) };
    } catch (error) {
      const { code } = error as { code?: unknown };
      const message = error instanceof Error ? error.message : String(error);
      reply = { id, ok: false, code: typeof code === "string" && /^E\d/.test(code) ? code : undefined, message };
    }
    parentPort?.postMessage(reply);
  });
}
